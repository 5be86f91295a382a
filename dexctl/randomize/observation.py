"""What the policy is shown in place of the truth: noisy readings, and markers out of place (Table 7)."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from dexctl import rotation
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.draw import Draws
from dexctl.scene.build import Scene

# N simulations, n of them, F fingers.


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
        count = len(scene.fingertip_sites)
        tips, base = scene.seen_fingertip_sites, scene.seen_base_sites
        self._markers = torch.as_tensor(np.concatenate((tips, base)))
        self._place = torch.as_tensor(scene.model.site_pos.copy())[self._markers]
        self._sites = physics.model_field("site_pos")
        self._offsets = Draws(
            "observation.markers",
            fingertip=(settings.fingertip_marker_m, 3 * len(tips)),
            base=(settings.base_marker_m, 3 * len(base)),
        )
        self._episode = Draws(
            "observation.episode",
            fingertips=(settings.fingertip_episode_m, 3 * count),
            position=(settings.object_position_episode_m, 3),
            rotation=(settings.object_rotation_episode_rad, 3),
        )
        self._step = Draws(
            "observation.step",
            fingertips=(settings.fingertip_step_m, 3 * count),
            position=(settings.object_position_step_m, 3),
            rotation=(settings.object_rotation_step_rad, 3),
        )
        self.fingertips = torch.zeros(num_simulations, 3 * count, dtype=torch.float64)
        self.position = torch.zeros(num_simulations, 3, dtype=torch.float64)
        self.rotation = torch.zeros(num_simulations, 3, dtype=torch.float64)

    def displace(self, ids: Tensor, key: Tensor) -> None:
        """Moves the markers of simulations ``ids`` (n,) for the episode of keys (n,), before it is placed."""
        offset = torch.cat(tuple(self._offsets(key).values()), dim=1)
        self._sites[ids[:, None], self._markers] = self._place + offset.view(len(ids), -1, 3)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws what simulations ``ids`` (n,) keep for the episode of keys (n,)."""
        kept = self._episode(key)
        self.fingertips[ids] = kept["fingertips"]
        self.position[ids] = kept["position"]
        self.rotation[ids] = kept["rotation"]

    def read(self, rows: Tensor, key: Tensor, step: Tensor, true: Reading) -> Reading:
        """Noisy readings of simulations ``rows`` (n,) at a step (n,) of the episodes of keys (n,).

        Args:
            true: as the simulation has it, with the markers wherever they sit.
        """
        new = self._step(key, step)
        kept = rotation.from_rotation_vector(self.rotation[rows])
        turn = rotation.from_rotation_vector(new["rotation"])
        return Reading(
            true.fingertips + self.fingertips[rows] + new["fingertips"],
            true.object_position + self.position[rows] + new["position"],
            rotation.normalize(rotation.multiply(turn, rotation.multiply(kept, true.object_orientation))),
        )
