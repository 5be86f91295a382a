"""How an episode starts: the object let go over the palm, random actions, again when it fell (appendix C.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.dynamics import Dynamics
from dexctl.reorient.action import MovingAverage, RelativeTargets, bin_values
from dexctl.reorient.goals import sample_orientation
from dexctl.scene.build import Scene

_PLACE = randomness.stream("start.place")
_ACTION = randomness.stream("start.action")
_PHYSICS = randomness.stream("start.physics")


class StartPlayer:
    """Plays starts in simulations of a batch, each from its own key.

    The steps of a start: ``begin`` places hand and object; ``drive`` writes random targets before
    each physics step; ``advance`` looks after it, begins anew where the object fell, and says
    which simulations are through.
    """

    def __init__(
        self,
        physics: Physics,
        scene: Scene,
        task: schema.Task,
        action: schema.Action,
        spawn_m: schema.Vector,
        dynamics: Dynamics,
    ) -> None:
        """Args: dynamics: drawn with each start, so that the object settles under the physics it keeps."""
        count = physics.num_simulations
        self._physics = physics
        self._scene = scene
        self._task = task
        self._num_bins = action.bins
        control_range = torch.as_tensor(scene.model.actuator_ctrlrange.copy())
        self._targets = RelativeTargets(control_range, action, scene.anatomy.actuators, dynamics.control_range)
        self._dynamics = dynamics
        self._average = MovingAverage(count, len(control_range), action.average)
        self._spawn = torch.tensor(spawn_m, dtype=torch.float64)
        # Hinges stay at zero where their range has it: a flat, open hand, palm up.
        ranges = torch.as_tensor(scene.model.jnt_range.copy())
        self._open_hand = torch.as_tensor(scene.model.qpos0.copy())
        self._joints, hinge = torch.as_tensor(scene.joint_qpos), torch.as_tensor(scene.joint_ids)
        self._open_hand[self._joints] = self._open_hand[self._joints].clamp(ranges[hinge, 0], ranges[hinge, 1])
        self.key = torch.zeros(count, dtype=torch.int64)
        self._attempt = torch.zeros(count, dtype=torch.int64)
        self._step = torch.zeros(count, dtype=torch.int64)

    def play(self, ids: Tensor, key: Tensor) -> None:
        """Plays starts in simulations ``ids`` (n,) from keys (n,) until each is through."""
        self.begin(ids, key)
        pending = ids
        while len(pending):
            self.drive(pending)
            failed = self._physics.step(pending)
            done = self.advance(pending, failed)
            if len(done):
                pending = pending[~torch.isin(pending, done)]

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Starts simulations ``ids`` (n,) from keys (n,)."""
        self.key[ids] = key
        self._attempt[ids] = 0
        self.take_physics(ids, key)
        self._place(ids)

    def take_physics(self, ids: Tensor, key: Tensor) -> None:
        """Gives simulations ``ids`` (n,) the physics of the starts of keys (n,)."""
        self._dynamics.begin(ids, randomness.derive(key, _PHYSICS))

    def _place(self, ids: Tensor) -> None:
        key = randomness.derive(self.key[ids], _PLACE, self._attempt[ids])
        qpos = self._open_hand.repeat(len(ids), 1)
        ranges = self._dynamics.joint_range(ids)
        if ranges is not None:
            low, high = ranges.unbind(-1)
            qpos[:, self._joints] = torch.clamp(qpos[:, self._joints], low, high)
        at = self._scene.object_qpos
        jitter = randomness.normal(randomness.derive(key, 1), 3) * self._task.start_jitter_m
        qpos[:, at : at + 3] = self._spawn + jitter
        qpos[:, at + 3 : at + 7] = sample_orientation(self._task.start, randomness.derive(key, 2))
        self._physics.place(ids, qpos, torch.zeros(len(ids), self._physics.qvel.shape[1], dtype=torch.float64))
        self._step[ids] = 0
        self._average.reset(ids)

    def drive(self, ids: Tensor) -> None:
        """Writes the next random targets of simulations ``ids`` (n,)."""
        length = self._physics.actuator_length[ids]
        step = torch.zeros_like(self._step[ids]) if self._task.start_action == "held" else self._step[ids]
        key = randomness.derive(self.key[ids], _ACTION, self._attempt[ids], step)
        bins = (randomness.uniform(key, length.shape[1]) * self._num_bins).long()
        action = self._average.update(bin_values(bins, self._num_bins), ids)
        self._physics.ctrl[ids] = self._targets(action, length, ids)

    def advance(self, ids: Tensor, failed: Tensor) -> Tensor:
        """Looks at simulations ``ids`` (n,) after a physics step in which ``failed`` failed.

        Returns:
            (m,) ids of those whose start is through; the fallen have been placed anew.
        """
        self._step[ids] += 1
        through = self._step[ids] >= self._task.start_random_steps
        again = torch.isin(ids, failed) | (self._object()[ids, 2] < self._task.start_drop_height_m)
        again |= through & ~self._acceptable(ids)
        if bool(again.any()):
            fallen = ids[again]
            self._attempt[fallen] += 1
            self._place(fallen)
        return ids[through & ~again]

    def _acceptable(self, ids: Tensor) -> Tensor:
        if self._task.start != "yaw":
            return torch.ones(len(ids), dtype=torch.bool)
        up = torch.tensor((0.0, 0.0, 1.0), dtype=torch.float64).expand(len(ids), 3)
        tilt = torch.acos(rotation.rotate(self._object()[ids, 3:7], up)[:, 2].clamp(-1.0, 1.0))
        return tilt < self._task.success_rad

    def _object(self) -> Tensor:
        return self._physics.qpos[:, self._scene.object_qpos : self._scene.object_qpos + 7].double()


class StartBank:
    """Starts kept in memory, so that training does not play one for every episode.

    A few simulations of the batch keep playing new starts into it, so that it never grows stale.
    With each start goes its key, and with that the physics it was played under.
    """

    def __init__(self, player: StartPlayer, physics: Physics, size: int, refresh: Tensor, key: Tensor) -> None:
        """Fills the bank with all simulations of the batch.

        Args:
            size: starts kept.
            refresh: (r,) ids of the simulations that play new ones while the rest trains.
            key: (1,) int64.
        """
        self._player, self._physics, self._refresh = player, physics, refresh
        self._key, self._played, self._cursor = key, 0, 0
        everyone = torch.arange(physics.num_simulations)
        self.qpos = torch.empty(0, physics.qpos.shape[1], dtype=torch.float64)
        self.qvel = torch.empty(0, physics.qvel.shape[1], dtype=torch.float64)
        self.keys = torch.empty(0, dtype=torch.int64)
        while len(self.qpos) < size:
            some = everyone[: size - len(self.qpos)]
            player.play(some, self._next_keys(len(some)))
            self.qpos = torch.cat((self.qpos, physics.qpos[some]))
            self.qvel = torch.cat((self.qvel, physics.qvel[some]))
            self.keys = torch.cat((self.keys, player.key[some]))
        player.begin(refresh, self._next_keys(len(refresh)))

    def _next_keys(self, count: int) -> Tensor:
        index = torch.arange(self._played, self._played + count)
        self._played += count
        return randomness.derive(self._key.expand(count), index)

    def drive(self) -> None:
        """Writes the refreshing simulations' targets before a physics step."""
        self._player.drive(self._refresh)

    def advance(self, failed: Tensor) -> None:
        """Takes what the refreshing simulations finished into the bank; ``failed`` (n,) are ids whose step failed."""
        done = self._player.advance(self._refresh, failed)
        for sim in done.tolist():
            self.qpos[self._cursor] = self._physics.qpos[sim]
            self.qvel[self._cursor] = self._physics.qvel[sim]
            self.keys[self._cursor] = self._player.key[sim]
            self._cursor = (self._cursor + 1) % len(self.qpos)
        if len(done):
            self._player.begin(done, self._next_keys(len(done)))

    def place(self, ids: Tensor, key: Tensor) -> None:
        """Places simulations ``ids`` (n,) at starts drawn by their keys (n,)."""
        index = (randomness.uniform(key, 1)[:, 0] * len(self.qpos)).long()
        self._player.take_physics(ids, self.keys[index])
        self._physics.place(ids, self.qpos[index], self.qvel[index])
