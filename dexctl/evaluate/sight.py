"""A policy that sees through the cameras: pictures of each step, and the estimated pose in place of the true one."""

from __future__ import annotations

from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from dexctl import randomness
from dexctl.errors import ProtocolError
from dexctl.profile.schema import Profile
from dexctl.reorient.environment import Environment
from dexctl.reorient.observation import orientations
from dexctl.vision.estimator import Estimator
from dexctl.vision.rendering.renderer import open_renderer

_LOOK = randomness.stream("evaluate.sight")


class Sight:
    """Renders what the cameras see of simulations and estimates the object's pose in it; a context manager.

    How a trial looks depends on its key alone and stays for the trial, as in a laboratory. What is
    replaced is the pose; a policy that also sees velocities sees the true ones.
    """

    def __init__(self, estimator: Estimator) -> None:
        """Opens a renderer.

        Raises:
            UnavailableError: this machine cannot draw.
        """
        self._estimator = estimator
        self._renderer = open_renderer("classic", estimator.profile, estimator.image_px)

    def check(self, profile: Profile) -> None:
        """Checks that a policy's hand and object are those that the estimator knows.

        Raises:
            ProtocolError: they are others.
        """
        known = self._estimator.profile
        for key, mine, theirs in (
            ("hand.model", known.hand.model, profile.hand.model),
            ("object", known.object, profile.object),
        ):
            if mine != theirs:
                raise ProtocolError(
                    f"the estimator was trained with another {key}", "Take an estimator that was trained for it."
                )

    def look(self, env: Environment, rows: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the policy sees, with the estimated pose.

        Args:
            rows: (n,) simulations; seen: (n, size) each, by name, as ``perceive`` gives them.
        """
        appearance = self._renderer.look.draw(randomness.derive(env.key[rows], _LOOK))
        pictures = self._renderer.draw(env.physics.qpos[rows].numpy(), appearance)
        position_m, quaternion_wxyz = (torch.from_numpy(part).double() for part in self._estimator.estimate(pictures))
        spawn_m = torch.from_numpy(np.array(env.profile.object.spawn_m))
        return {
            **seen,
            "object_position": position_m - spawn_m,
            **orientations(quaternion_wxyz, env.goal[rows]),
        }

    def __enter__(self) -> Sight:
        self._renderer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renderer.__exit__(kind, error, trace)
