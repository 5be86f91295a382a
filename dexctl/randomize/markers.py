"""Fingertip markers that motion capture does not see for a while: the last reading stays (appendix C.2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.draw import UNIT, Drawn, Draws
from dexctl.scene.build import Scene

# N simulations, n of them, F fingers.


class Hold:
    """The last reading of each marker."""

    def __init__(self, num_simulations: int, num_markers: int) -> None:
        self.last = torch.zeros(num_simulations, num_markers, 3, dtype=torch.float64)

    def begin(self, ids: Tensor, reading: Tensor) -> Tensor:
        """Takes the first readings (n, F, 3) of episodes, hidden or not, and returns them."""
        self.last[ids] = reading
        return reading

    def update(self, rows: Tensor, reading: Tensor, hidden: Tensor) -> Tensor:
        """Readings (n, F, 3), the last one in place of those that are ``hidden`` (n, F)."""
        seen = torch.where(hidden[..., None], self.last[rows], reading)
        self.last[rows] = seen
        return seen


class Loss:
    """Markers that are lost one by one, each for its time.

    Attributes:
        step: what is drawn anew at every step.
        left: (N, F) steps for which each marker stays lost.
    """

    def __init__(self, settings: schema.MarkerLoss, period_s: float, num_simulations: int, num_markers: int) -> None:
        """Args: period_s: of a control step."""
        self._period_s = period_s
        n = num_markers
        self.step = Draws("marker_loss", chance=(UNIT, n), rounding=(UNIT, n), seconds=(settings.seconds, n))
        self._probability = 1.0 - (1.0 - settings.probability_per_s) ** period_s
        self.left = torch.zeros(num_simulations, num_markers, dtype=torch.int64)
        self._hold = Hold(num_simulations, num_markers)

    def begin(self, ids: Tensor, reading: Tensor) -> Tensor:
        """Starts episodes with all markers seen, at readings (n, F, 3), and returns them."""
        self.left[ids] = 0
        return self._hold.begin(ids, reading)

    def update(self, rows: Tensor, new: Drawn, reading: Tensor) -> Tensor:
        """Readings (n, F, 3) of simulations ``rows`` (n,), the last one where a marker is lost."""
        # Parts of a step are rounded at random, so that the mean time is kept: 1 s is 12 or 13 steps.
        whole = torch.floor(new["seconds"] / self._period_s + new["rounding"]).long()
        left = self.left[rows]
        left = torch.where((left == 0) & (new["chance"] < self._probability), whole, left)
        self.left[rows] = (left - 1).clamp_min(0)
        return self._hold.update(rows, reading, left > 0)


class Occlusion:
    """Markers hidden while something is at the box on their nail; sensed by the engine, without a force."""

    def __init__(self, settings: schema.Occlusion, scene: Scene, physics: Physics, num_simulations: int) -> None:
        self._distance_m = settings.distance_m
        self._sensor = physics.sensor
        self._sensors = torch.as_tensor(scene.occlusion_sensors)
        self._hold = Hold(num_simulations, len(scene.occlusion_sensors))

    def begin(self, ids: Tensor, reading: Tensor) -> Tensor:
        """Starts episodes at readings (n, F, 3), and returns them."""
        return self._hold.begin(ids, reading)

    def hidden(self, rows: Tensor) -> Tensor:
        """Which markers (n, F) of simulations ``rows`` (n,) are hidden now."""
        found = self._sensor[rows[:, None], self._sensors] > 0
        return found & (self._sensor[rows[:, None], self._sensors + 1] < self._distance_m)

    def update(self, rows: Tensor, reading: Tensor) -> Tensor:
        """Readings (n, F, 3), the last one where a marker is hidden."""
        return self._hold.update(rows, reading, self.hidden(rows))
