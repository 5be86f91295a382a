"""Every randomization of an environment in one object, with a hook for each place where one acts.

In the order of appendix C.2.9: noise, (moving average), delay, backlash, (target), physics; and
back: simulator, noise, occlusion, loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.action import Backlash, Delay, Noise
from dexctl.randomize.disturbance import Force, Timing
from dexctl.randomize.draw import Together
from dexctl.randomize.dynamics import Dynamics
from dexctl.randomize.markers import Loss, Occlusion
from dexctl.randomize.observation import ObservationNoise, Reading
from dexctl.scene.build import Scene

# N simulations, n of them, A actuators, F fingers.


class Randomization:
    """The effects that a profile switches on, for N simulations; with none on, nothing changes.

    Attributes:
        dynamics: drawn with a start, not with an episode: a start is played under the physics it keeps.
        noise, delay, backlash, timing, force, observation, loss, occlusion: None when off.
    """

    def __init__(self, profile: schema.Profile, scene: Scene, physics: Physics, num_simulations: int) -> None:
        """Args: num_simulations: that play episodes; the physics may hold more, which play starts."""
        settings, unmodeled = profile.randomize, profile.randomize.unmodeled
        period_s = profile.physics.timestep_s * profile.physics.substeps
        n, num_actuators, num_markers = num_simulations, scene.model.nu, len(scene.fingertip_sites)
        self.dynamics = Dynamics(settings.physics, scene, physics, profile.action.hold)
        self.noise: Noise | None = None
        self.delay: Delay | None = None
        self.backlash: Backlash | None = None
        self.timing: Timing | None = None
        self.force: Force | None = None
        self.observation: ObservationNoise | None = None
        self.occlusion: Occlusion | None = None
        self.loss: Loss | None = None
        if settings.observation.on:
            self.observation = ObservationNoise(settings.observation, scene, physics, n)
        if unmodeled.on and unmodeled.action_noise.on:
            self.noise = Noise(unmodeled.action_noise, n, num_actuators)
        if unmodeled.on and unmodeled.delay.on:
            self.delay = Delay(unmodeled.delay, n, num_actuators)
        if unmodeled.on and unmodeled.backlash.on:
            self.backlash = Backlash(unmodeled.backlash, _backlash_logs(profile, scene), period_s, n)
        if unmodeled.on and unmodeled.timing.on:
            self.timing = Timing(unmodeled.timing, profile.physics.timestep_s, physics, n)
        if unmodeled.on and unmodeled.force.on:
            self.force = Force(unmodeled.force, scene.object_body, self.dynamics.object_mass, physics, n)
        if unmodeled.on and unmodeled.occlusion.on:
            self.occlusion = Occlusion(unmodeled.occlusion, scene, physics, n)
        if unmodeled.on and unmodeled.marker_loss.on:
            self.loss = Loss(unmodeled.marker_loss, period_s, n, num_markers)
        self._kept = [
            effect
            for effect in (self.noise, self.delay, self.backlash, self.timing, self.force, self.observation)
            if effect
        ]
        # What an episode keeps, and what is new before and after the physics of a step: each drawn in one go.
        markers = [self.observation.markers] if self.observation else []
        self._draw_episode = Together([*(effect.episode for effect in self._kept), *markers])
        self._draw_before = Together([effect.step for effect in (self.noise, self.timing, self.force) if effect])
        self._draw_after = Together([effect.step for effect in (self.observation, self.loss) if effect])
        self._reading = Reading(
            torch.zeros(n, 3 * num_markers, dtype=torch.float64),
            torch.zeros(n, 3, dtype=torch.float64),
            torch.zeros(n, 4, dtype=torch.float64),
        )

    @property
    def senses(self) -> bool:
        """Whether the policy is shown anything but the truth."""
        return not (self.observation is None and self.occlusion is None and self.loss is None)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws what simulations ``ids`` (n,) keep for the episodes of keys (n,), before they are placed for them."""
        drawn = iter(self._draw_episode(key))
        for effect in self._kept:
            effect.begin(ids, next(drawn))
        if self.observation:
            self.observation.displace(ids, next(drawn))

    def transmit(self, rows: Tensor, action: Tensor) -> Tensor:
        """What the motors of simulations ``rows`` (n,) make of averaged actions (n, A): late, and through slack."""
        if self.delay:
            action = self.delay.apply(rows, action)
        if self.backlash:
            action = self.backlash.apply(rows, action)
        return action

    def disturb(self, rows: Tensor, key: Tensor, step: Tensor, action: Tensor) -> Tensor:
        """Disturbs simulations ``rows`` (n,) before the physics of a step (n,) of the episodes of keys (n,).

        Returns:
            Actions (n, A) with their noise; time steps and forces have been written.
        """
        new = iter(self._draw_before(key, step))
        if self.noise:
            action = self.noise.apply(rows, next(new), action)
        if self.timing:
            self.timing.apply(rows, next(new))
        if self.force:
            self.force.apply(rows, next(new))
        return action

    def sense(self, rows: Tensor, key: Tensor, step: Tensor, true: Reading, first: bool) -> None:
        """Reads simulations ``rows`` (n,) at a step (n,) of the episodes of keys (n,).

        Args:
            true: with the markers where they sit.
            first: these are the first readings of their episodes, with nothing to hold before them.
        """
        new = iter(self._draw_after(key, step))
        reading = self.observation.read(rows, next(new), true) if self.observation else true
        tips = reading.fingertips.unflatten(1, (-1, 3))
        if self.occlusion:
            tips = self.occlusion.begin(rows, tips) if first else self.occlusion.update(rows, tips)
        if self.loss:
            tips = self.loss.begin(rows, tips) if first else self.loss.update(rows, next(new), tips)
        self._reading.fingertips[rows] = tips.flatten(1)
        self._reading.object_position[rows] = reading.object_position
        self._reading.object_orientation[rows] = reading.object_orientation

    def reading(self, rows: Tensor) -> Reading:
        """What was last sensed of simulations ``rows`` (n,)."""
        kept = self._reading
        return Reading(kept.fingertips[rows], kept.object_position[rows], kept.object_orientation[rows])


def _backlash_logs(profile: schema.Profile, scene: Scene) -> list[tuple[float, float]]:
    otherwise = profile.randomize.unmodeled.backlash.log_otherwise
    known = profile.hand.actuators
    return [known[name].backlash_log if name in known else (otherwise, otherwise) for name in scene.anatomy.actuators]
