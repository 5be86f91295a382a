"""What the policy is shown in place of the truth: noisy readings, and markers out of place (Table 7)."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from dexctl import rotation
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.draw import Drawn, Draws
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
    """A part that an episode keeps and a part that is new at every step, for each quantity.

    Attributes:
        markers: how far an episode's markers are out of place.
        episode: what else an episode keeps; step: what is drawn anew at every step.
        fingertips, position, rotation: what the episodes keep, (N, 3 F) m, (N, 3) m and (N, 3) rad.
    """

    def __init__(
        self, settings: schema.RandomizeObservation, scene: Scene, physics: Physics, num_simulations: int
    ) -> None:
        count = len(scene.fingertip_sites)
        tips, base = scene.seen_fingertip_sites, scene.seen_base_sites
        self._sites = torch.as_tensor(np.concatenate((tips, base)))
        self._place = torch.as_tensor(scene.model.site_pos.copy())[self._sites]
        self._live = physics.model_field("site_pos")
        self.markers = Draws(
            "observation.markers",
            fingertip=(settings.fingertip_marker_m, 3 * len(tips)),
            base=(settings.base_marker_m, 3 * len(base)),
        )
        self.episode = Draws(
            "observation.episode",
            fingertips=(settings.fingertip_episode_m, 3 * count),
            position=(settings.object_position_episode_m, 3),
            rotation=(settings.object_rotation_episode_rad, 3),
        )
        self.step = Draws(
            "observation.step",
            fingertips=(settings.fingertip_step_m, 3 * count),
            position=(settings.object_position_step_m, 3),
            rotation=(settings.object_rotation_step_rad, 3),
        )
        self.fingertips = torch.zeros(num_simulations, 3 * count, dtype=torch.float64)
        self.position = torch.zeros(num_simulations, 3, dtype=torch.float64)
        self.rotation = torch.zeros(num_simulations, 3, dtype=torch.float64)
        self._turn = torch.zeros(num_simulations, 4, dtype=torch.float64)

    def displace(self, ids: Tensor, markers: Drawn) -> None:
        """Moves the markers of simulations ``ids`` (n,) for an episode, before it is placed."""
        offset = torch.cat(tuple(markers.values()), dim=1)
        self._live[ids[:, None], self._sites] = self._place + offset.unflatten(1, (-1, 3))

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Gives simulations ``ids`` (n,) what they keep for an episode."""
        self.fingertips[ids] = kept["fingertips"]
        self.position[ids] = kept["position"]
        self.rotation[ids] = kept["rotation"]
        self._turn[ids] = rotation.from_rotation_vector(kept["rotation"])

    def read(self, rows: Tensor, new: Drawn, true: Reading) -> Reading:
        """Noisy readings of simulations ``rows`` (n,).

        Args:
            true: as the simulation has it, with the markers wherever they sit.
        """
        turn = rotation.from_rotation_vector(new["rotation"])
        return Reading(
            true.fingertips + self.fingertips[rows] + new["fingertips"],
            true.object_position + self.position[rows] + new["position"],
            rotation.normalize(rotation.multiply(turn, rotation.multiply(self._turn[rows], true.object_orientation))),
        )
