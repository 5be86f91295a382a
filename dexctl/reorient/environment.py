"""The task: N hands turn N objects from one goal orientation to the next (section 4, appendix C.1)."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.observation import Reading
from dexctl.randomize.randomization import Randomization
from dexctl.reorient import observation
from dexctl.reorient.action import MovingAverage, RelativeTargets, bin_values
from dexctl.reorient.goals import next_goal
from dexctl.reorient.reward import palm_distance, reward
from dexctl.reorient.rules import End, Limits, judge
from dexctl.reorient.starts import StartBank, StartPlayer
from dexctl.scene.build import Scene

_START = randomness.stream("start")
_GOAL = randomness.stream("goal")
_BANK = randomness.stream("start.bank")


@dataclasses.dataclass(frozen=True)
class Step:
    """What one control step brought, for n simulations.

    Attributes:
        reward: (n,) float64.
        end: (n,) int64, an ``End``; anything but RUNNING ends the episode.
        reached: (n,) bool, the goal was reached in this step.
        goals: (n,) int64 goals reached in the episode so far, this step's among them.
        angle_rad: (n,) left to the goal that held in this step.
    """

    reward: Tensor
    end: Tensor
    reached: Tensor
    goals: Tensor
    angle_rad: Tensor


class Environment:
    """N episodes of block reorientation; rows are simulations, and each depends on its key alone.

    The batch behind it may hold more simulations than N: those that refresh the bank of starts.
    """

    def __init__(
        self,
        profile: schema.Profile,
        scene: Scene,
        physics: Physics,
        num_environments: int,
        goal_timeout_s: float | None = None,
        goals_per_episode: int | None = None,
        nearest_goal_of: int = 1,
    ) -> None:
        """Makes the environment; ``begin`` starts its episodes.

        Args:
            goal_timeout_s, goals_per_episode: in place of the task's own, as evaluation wants.
            nearest_goal_of: draws from which the nearest goal is taken, as training may want.
        """
        self.profile = profile
        self.physics = physics
        self.num_environments = num_environments
        self.control_period_s = profile.physics.timestep_s * profile.physics.substeps
        self._scene = scene
        self._task = profile.task
        self._nearest_goal_of = nearest_goal_of
        self._limits = Limits(
            round((goal_timeout_s or profile.task.goal_timeout_s) / self.control_period_s),
            goals_per_episode or profile.task.goals_per_episode,
        )
        self._num_bins = profile.action.bins
        control_range = torch.as_tensor(scene.model.actuator_ctrlrange.copy())
        self.num_actuators = len(control_range)
        self.randomization = Randomization(profile, scene, physics, num_environments)
        dynamics = self.randomization.dynamics
        self._targets = RelativeTargets(control_range, profile.action, scene.anatomy.actuators, dynamics.control_range)
        self._average = MovingAverage(num_environments, self.num_actuators, profile.action.average)
        self._noisy_average = MovingAverage(num_environments, self.num_actuators, profile.action.average)
        self._player = StartPlayer(physics, scene, profile.task, profile.action, profile.object.spawn_m, dynamics)
        self._bank: StartBank | None = None
        self._spawn = torch.tensor(profile.object.spawn_m, dtype=torch.float64)
        self._joints = torch.as_tensor(scene.joint_qpos)
        self._joint_dofs = torch.as_tensor(scene.joint_dof)
        self._tips = torch.as_tensor(scene.fingertip_sites)
        self._base = torch.as_tensor(scene.base_sites)
        self._seen_tips = torch.as_tensor(scene.seen_fingertip_sites)
        self._seen_base = torch.as_tensor(scene.seen_base_sites)

        n = num_environments
        self.key = torch.zeros(n, dtype=torch.int64)
        self.goal = torch.zeros(n, 4, dtype=torch.float64)
        self.angle_rad = torch.zeros(n, dtype=torch.float64)
        self.goals = torch.zeros(n, dtype=torch.int64)
        self.steps = torch.zeros(n, dtype=torch.int64)
        self.goal_steps = torch.zeros(n, dtype=torch.int64)
        self._previous_action = torch.zeros(n, self.num_actuators, dtype=torch.float64)

    def use_bank(self, key: Tensor) -> None:
        """Draws starts from a bank from now on, filled from ``key`` (1,), as training does."""
        extra = torch.arange(self.num_environments, self.physics.num_simulations)
        # A bank in place of an older one must not be filled at the time steps of episodes that were under way.
        self.randomization.begin(torch.arange(self.num_environments), key.expand(self.num_environments))
        self._bank = StartBank(self._player, self.physics, self._task.start_bank, extra, randomness.derive(key, _BANK))

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Starts new episodes in simulations ``ids`` (n,) from keys (n,)."""
        self.key[ids] = key
        self.randomization.begin(ids, key)
        start_key = randomness.derive(key, _START)
        if self._bank is not None:
            self._bank.place(ids, start_key)
        else:
            self._player.play(ids, start_key)
        self._average.reset(ids)
        self._noisy_average.reset(ids)
        self._previous_action[ids] = 0.0
        self.steps[ids] = 0
        self.goals[ids] = 0
        self._draw_goals(ids)
        self._sense(ids, first=True)

    def _draw_goals(self, ids: Tensor) -> None:
        current = self._object_orientation(ids)
        key = randomness.derive(self.key[ids], _GOAL, self.goals[ids])
        self.goal[ids] = next_goal(self._task, key, current, self.profile.object.kind, self._nearest_goal_of)
        self.angle_rad[ids] = rotation.angle(rotation.difference(self.goal[ids], current))
        self.goal_steps[ids] = 0

    def step(self, bins: Tensor, ids: Tensor | None = None) -> Step:
        """Acts for one control period; ended episodes stay as they are until ``begin``.

        Args:
            bins: (n, A) int64 in [0, bins).
            ids: (n,) the simulations that act, or None for all N.
        """
        rows = torch.arange(self.num_environments) if ids is None else ids
        action = bin_values(bins, self._num_bins)
        self._previous_action[rows] = action
        self._drive(rows, action)
        failed = self._advance(rows)
        step = self._score(rows, torch.isin(rows, failed))
        self._sense(rows, first=False)
        return step

    def _drive(self, rows: Tensor, action: Tensor) -> None:
        """From actions to targets, and what disturbs physics meanwhile, in the order of appendix C.2.9."""
        effects = self.randomization
        noisy = effects.disturb(rows, self.key[rows], self.steps[rows], action)
        smooth = self._average.update(action, rows)
        if effects.noise:
            smooth = self._noisy_average.update(noisy, rows)
        command = effects.transmit(rows, smooth)
        self.physics.ctrl[rows] = self._targets(command, self.physics.actuator_length[rows], rows)

    def _sense(self, rows: Tensor, first: bool) -> None:
        if not self.randomization.senses:
            return
        sites = self.physics.site_position[rows].double()
        true = Reading(
            observation.fingertips_in_frame(sites[:, self._seen_tips], sites[:, self._seen_base]),
            self._object_position(rows) - self._spawn,
            self._object_orientation(rows),
        )
        self.randomization.sense(rows, self.key[rows], self.steps[rows], true, first)

    def _advance(self, rows: Tensor) -> Tensor:
        if self._bank is None:
            return self.physics.step(None if len(rows) == self.physics.num_simulations else rows)
        self._bank.drive()
        failed = self.physics.step()
        self._bank.advance(failed)
        return failed

    def _score(self, rows: Tensor, failed: Tensor) -> Step:
        position = self._object_position(rows)
        before = self.angle_rad[rows]
        after = rotation.angle(rotation.difference(self.goal[rows], self._object_orientation(rows)))
        self.steps[rows] += 1
        self.goal_steps[rows] += 1
        verdict = judge(self._task, position, after, failed, self.goal_steps[rows], self.goals[rows], self._limits)
        reached, end = verdict.reached, verdict.end
        worth = reward(
            self.profile.reward,
            before,
            after,
            palm_distance(position, self._task.palm_center_m),
            reached,
            verdict.dropped,
        )
        self.angle_rad[rows] = after
        self.goals[rows] += reached.long()
        onward = reached & (end == End.RUNNING)
        if bool(onward.any()):
            self._draw_goals(rows[onward])
        return Step(torch.where(failed, 0.0, worth), end, reached, self.goals[rows], after)

    def observe(self, ids: Tensor | None = None) -> dict[str, Tensor]:
        """Everything the networks may see, by name (``observation.py``), each (n, size) float64: the truth."""
        rows = torch.arange(self.num_environments) if ids is None else ids
        qvel, sites = self.physics.qvel[rows].double(), self.physics.site_position[rows].double()
        at = self._scene.object_dof
        sensed = observation.Sensed(
            tips=sites[:, self._tips],
            base=sites[:, self._base],
            joint_angles=self.physics.qpos[rows][:, self._joints].double(),
            joint_velocities=qvel[:, self._joint_dofs],
            object_position=self._object_position(rows),
            object_orientation=self._object_orientation(rows),
            object_velocity=qvel[:, at : at + 3],
            # MuJoCo keeps a free body's angular velocity in its own frame.
            object_spin=qvel[:, at + 3 : at + 6],
        )
        remembered = observation.Remembered(
            goal=self.goal[rows],
            time_left=1.0 - self.goal_steps[rows].to(torch.float64) / self._limits.steps_per_goal,
            action_average=self._average.value[rows],
            previous_action=self._previous_action[rows],
        )
        return observation.name_all(sensed, remembered, self._spawn, self._task.angular_velocity, self.control_period_s)

    def perceive(self, truth: dict[str, Tensor], ids: Tensor | None = None) -> dict[str, Tensor]:
        """What the policy sees in place of the truth: noisy readings, and the last ones where markers are hidden.

        Args:
            truth: what ``observe`` returned for the same simulations.
            ids: (n,) the simulations, or None for all N.
        """
        if not self.randomization.senses:
            return truth
        rows = torch.arange(self.num_environments) if ids is None else ids
        reading = self.randomization.reading(rows)
        return {
            **truth,
            "fingertip_positions": reading.fingertips,
            "object_position": reading.object_position,
            **observation.orientations(reading.object_orientation, self.goal[rows]),
        }

    def _object_position(self, rows: Tensor) -> Tensor:
        at = self._scene.object_qpos
        return self.physics.qpos[rows, at : at + 3].double()

    def _object_orientation(self, rows: Tensor) -> Tensor:
        at = self._scene.object_qpos
        return rotation.normalize(self.physics.qpos[rows, at + 3 : at + 7].double())
