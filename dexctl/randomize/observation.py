"""What the policy is shown in place of the truth: noisy readings, and markers out of place (Table 7)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.draw import draw, draws_nothing
from dexctl.scene.build import Scene

# N simulations, n of them, F fingers.

_STREAM = randomness.stream("observation")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What motion capture tells of n simulations.

    Attributes:
        fingertips: (n, 3 F) m, in the frame of the base's markers.
        object_position: (n, 3) m, world frame.
        object_orientation: (n, 4) wxyz.
    """

    fingertips: Tensor
    object_position: Tensor
    object_orientation: Tensor


class ObservationNoise:
    """A part that an episode keeps and a part that is new at every step, for each quantity."""

    def __init__(
        self, settings: schema.RandomizeObservation, scene: Scene, physics: Physics, num_simulations: int
    ) -> None:
        self._settings = settings
        self._markers = [
            (torch.from_numpy(sites), value, name)
            for sites, value, name in (
                (scene.seen_fingertip_sites, settings.fingertip_marker_m, "fingertip_marker"),
                (scene.seen_base_sites, settings.base_marker_m, "base_marker"),
            )
            if not draws_nothing(value, 0.0)
        ]
        if self._markers:
            self._place = torch.from_numpy(scene.model.site_pos.copy())
            self._sites = physics.model_field("site_pos")
        self.fingertips = torch.zeros(num_simulations, 3 * len(scene.fingertip_sites), dtype=torch.float64)
        self.object_position = torch.zeros(num_simulations, 3, dtype=torch.float64)
        self.object_rotation = torch.zeros(num_simulations, 3, dtype=torch.float64)

    def displace(self, ids: Tensor, key: Tensor) -> None:
        """Moves the markers of simulations ``ids`` (n,) for the episode of keys (n,), before it is placed."""
        for sites, value, name in self._markers:
            offset = self._draw(value, name, key, 3 * len(sites))
            self._sites[ids[:, None], sites] = self._place[sites] + offset.view(len(ids), -1, 3)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws what simulations ``ids`` (n,) keep for the episode of keys (n,)."""
        settings = self._settings
        self.fingertips[ids] = self._draw(settings.fingertip_episode_m, "fingertip", key, self.fingertips.shape[1])
        self.object_position[ids] = self._draw(settings.object_position_episode_m, "object_position", key, 3)
        self.object_rotation[ids] = self._draw(settings.object_rotation_episode_rad, "object_rotation", key, 3)

    def read(self, rows: Tensor, key: Tensor, step: Tensor, true: Reading) -> Reading:
        """Noisy readings of simulations ``rows`` (n,) at a step (n,) of the episodes of keys (n,).

        Args:
            true: as the markers, wherever they sit, and the simulation have it.
        """
        settings = self._settings
        now = randomness.derive(key, step)
        tips = self._draw(settings.fingertip_step_m, "fingertip.step", now, self.fingertips.shape[1])
        position = self._draw(settings.object_position_step_m, "object_position.step", now, 3)
        turn = self._draw(settings.object_rotation_step_rad, "object_rotation.step", now, 3)
        kept = rotation.from_rotation_vector(self.object_rotation[rows])
        orientation = rotation.multiply(kept, true.object_orientation)
        return Reading(
            true.fingertips + self.fingertips[rows] + tips,
            true.object_position + self.object_position[rows] + position,
            rotation.normalize(rotation.multiply(rotation.from_rotation_vector(turn), orientation)),
        )

    @staticmethod
    def _draw(value: Value, name: str, key: Tensor, count: int) -> Tensor:
        return draw(value, randomness.derive(key, _STREAM, randomness.stream(name)), count)
