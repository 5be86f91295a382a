"""Physics on the processor: ``mujoco.batch``, bit-identical for any number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import mujoco
import mujoco.batch
import numpy as np
import torch
from torch import Tensor

from dexctl.physics.failure import check_share, count_warnings_silently, write_failure
from dexctl.profile import schema
from dexctl.scene.build import HandScene

# Where the hand is needs no contacts and no constraints, which are most of the work of the outputs.
_KINEMATICS = (
    mujoco.mjtDisableBit.mjDSBL_CONTACT.value
    | mujoco.mjtDisableBit.mjDSBL_CONSTRAINT.value
    | mujoco.mjtDisableBit.mjDSBL_SENSOR.value
)
_SENSORS = mujoco.mjtDisableBit.mjDSBL_SENSOR.value
_NO_STAGE = mujoco.mjtStage.mjSTAGE_NONE.value
_POSITIONS = mujoco.mjtStage.mjSTAGE_POS.value


class CpuPhysics:
    """``Physics`` on a thread pool of MuJoCo's own; every state array is shared with it, not copied."""

    def __init__(
        self,
        scene: HandScene,
        num_simulations: int,
        physics: schema.Physics,
        dump_folder: Path | None = None,
    ) -> None:
        """Makes the simulations, all at the model's default state.

        Args:
            dump_folder: where a failing simulation is written down, to be replayed; None for nowhere.
        """
        count_warnings_silently()
        threads = physics.threads or len(os.sched_getaffinity(0))
        self.batch = mujoco.batch.Batch(scene.model, num_simulations, min(threads, num_simulations))
        self.device = torch.device("cpu")
        self.num_simulations = num_simulations
        self.scene = scene
        self.qpos = self._state("qpos")
        self.qvel = self._state("qvel")
        self.ctrl = self._state("ctrl")
        self.applied_force = self._state("xfrc_applied")
        self.actuator_length = self._output("actuator_length")
        self.site_position = self._output("site_xpos")
        self._sensed = self._output("sensordata")
        self.sensor = self._sensed.clone()
        self.failures = 0
        self.steps = 0
        self.seconds = 0.0
        self._substeps = physics.substeps
        self._failure_share = physics.failure_share
        self._dumps_left = physics.dump_failures if dump_folder else 0
        self._dump_folder = dump_folder
        self._before = np.empty_like(self.batch.state) if self._dumps_left else None
        self._disabled = self.batch.expand("opt.disableflags")
        self._disabled_in_motion = self._disabled.copy()
        self.batch.forward()
        self.sensor.copy_(self._sensed)

    def _state(self, name: str) -> Tensor:
        return torch.from_numpy(self.batch.bind(name))

    def _output(self, name: str) -> Tensor:
        return _shared(self.batch.bind(name))

    def step(self, ids: Tensor | None = None) -> Tensor:
        """Advances the simulations by one control period; see ``Physics.step``."""
        started = time.perf_counter()
        if self._before is not None:
            np.copyto(self._before, self.batch.state)
        which = None if ids is None else ids.numpy()
        raised = self._move(which)
        # What is sensed of contacts is that of the last substep.
        rows = slice(None) if ids is None else ids
        self.sensor[rows] = self._sensed[rows]
        self._disabled |= _KINEMATICS
        raised = np.union1d(raised, _raised(lambda: self.batch.forward(which, _POSITIONS)))
        self._disabled[:] = self._disabled_in_motion
        self.steps += self.num_simulations if which is None else len(which)
        failed = self._failed(raised)
        self.seconds += time.perf_counter() - started
        return failed

    def _move(self, which: np.ndarray | None) -> np.ndarray:
        """All substeps, the sensors read in the last one alone: nobody asks for them before.

        Returns:
            (n,) ids that MuJoCo gave up.
        """
        unseen = self._substeps - 1 if self.sensor.shape[1] else 0
        raised = np.empty(0, np.int64)
        if unseen:
            self._disabled |= _SENSORS
            raised = _raised(lambda: self.batch.step(which, unseen, _NO_STAGE))
            self._disabled[:] = self._disabled_in_motion
        return np.union1d(raised, _raised(lambda: self.batch.step(which, self._substeps - unseen, _NO_STAGE)))

    def _failed(self, raised: np.ndarray) -> Tensor:
        # (N, kinds, 2): what a warning was last about, and how many there were.
        warned = self.batch.warning[:, :, 1].any(axis=1)
        if not warned.any() and not len(raised):
            return torch.empty(0, dtype=torch.int64)
        warned[raised] = True
        failed = np.flatnonzero(warned)
        self.failures += len(failed)
        self._dump(failed)
        self.batch.warning[failed] = 0
        check_share(self.failures, self.steps, self._failure_share, self._dump_folder)
        return torch.from_numpy(failed)

    def _dump(self, failed: np.ndarray) -> None:
        if self._before is None or self._dump_folder is None:
            return
        for sim in failed[: self._dumps_left]:
            write_failure(
                self._dump_folder / f"failure-{self.failures:06d}-{int(sim)}.safetensors",
                self.batch.get_model(int(sim)),
                self._before[sim],
                self._substeps,
                self.batch.warning[sim, :, 1],
            )
        self._dumps_left -= min(self._dumps_left, len(failed))
        if not self._dumps_left:
            self._before = None

    def place(self, ids: Tensor, qpos: Tensor, qvel: Tensor) -> None:
        """Resets simulations to a state and computes their outputs; see ``Physics.place``."""
        which = ids.numpy()
        self.batch.reset(which, stage=_NO_STAGE)
        self.qpos[ids] = qpos.to(self.qpos.dtype)
        self.qvel[ids] = qvel.to(self.qvel.dtype)
        self.batch.forward(which, _POSITIONS)
        self.sensor[ids] = self._sensed[ids]
        self.batch.warning[which] = 0

    def model_field(self, name: str) -> Tensor:
        """A field of the model with a value for each simulation, live; see ``Physics.model_field``."""
        return torch.from_numpy(self.batch.expand(name))

    def derive_constants(self, ids: Tensor) -> None:
        """Computes again what MuJoCo derives from the model's fields; see ``Physics.derive_constants``."""
        self.batch.set_const(ids.numpy())


def _raised(call: Callable[[], None]) -> np.ndarray:
    """Which simulations (n,) MuJoCo gives up in a call of the batch."""
    try:
        call()
    except mujoco.batch.SimulationError as error:
        return np.asarray(error.ids, np.int64)
    return np.empty(0, np.int64)


def _shared(array: np.ndarray) -> Tensor:
    """A tensor over an array that the engine refreshes and marks read-only, without torch's warning of it."""
    interface = dict(array.__array_interface__, data=(array.ctypes.data, False))
    holder = type("Holder", (), {"__array_interface__": interface, "array": array})()
    return torch.from_numpy(np.asarray(holder))
