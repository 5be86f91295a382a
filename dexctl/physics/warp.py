"""Physics on a GPU: mujoco-warp, with every simulation's state and model in the device's own memory.

It computes in float32 and steps the whole batch at once, also where only some simulations are asked to
move: the others are put back. The state that it computes is Warp's own memory; what the task writes
(targets, forces, fields of the model) is float64 beside it, and goes over before each call. What a control
step and a placing do is recorded once as a graph, a CUDA graph on a GPU, and played again from then on.
Sums on a GPU are taken in no fixed order: runs repeat bit for bit on Warp's CPU device alone.
"""

from __future__ import annotations

import copy
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from dexctl.errors import DataError, UnavailableError
from dexctl.physics.failure import check_share, write_failure
from dexctl.profile import schema
from dexctl.scene.build import HandScene

# N simulations, n of them.

# MuJoCo's mjMAXVAL: a number beyond it is a simulation that broke.
_LARGEST = 1e10
# What MuJoCo derives from fields that randomization writes, a value for each simulation.
_DERIVED = (
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
    "tendon_length0",
    "tendon_invweight0",
    "actuator_acc0",
    "geom_rbound",
    "geom_aabb",
)


class WarpPhysics:
    """``Physics`` on mujoco-warp; positions, velocities and outputs are Warp's own memory, on ``device``."""

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

        Raises:
            UnavailableError: mujoco-warp is not installed, or the device is not there.
            DataError: the scene has what mujoco-warp does not simulate; says what.
        """
        self._wp, self._engine = _engine()
        self._warp_device = self._find_device(physics.device)
        self.device = torch.device(self._wp.device_to_torch(self._warp_device))
        self.num_simulations = num_simulations
        self.scene = scene
        with self._wp.ScopedDevice(self._warp_device):
            self._model, self._data = self._put(scene.model, num_simulations, physics)
        self._max_constraints, self._max_contacts = physics.max_constraints, physics.max_contacts
        self.qpos = self._state("qpos")
        self.qvel = self._state("qvel")
        self.actuator_length = self._state("actuator_length")
        self.site_position = self._state("site_xpos")
        self.sensor = self._state("sensordata")
        self._warm_start = self._state("qacc_warmstart")
        self._overflow = self._state("overflow")
        # What a step changes and a simulation that was not asked to step gets back.
        self._moving = (
            *(self.qpos, self.qvel, self._warm_start),
            *(self.actuator_length, self.site_position, self.sensor),
        )
        self.failures = 0
        self.steps = 0
        self.seconds = 0.0
        self._substeps = physics.substeps
        self._failure_share = physics.failure_share
        self._dumps_left = physics.dump_failures if dump_folder else 0
        self._dump_folder = dump_folder
        self._fields: dict[str, Tensor] = {}
        # Of what the task writes, its own numbers and Warp's.
        self._written: list[tuple[Tensor, Tensor]] = []
        self.ctrl = self._writable(self._state("ctrl"))
        self.applied_force = self._writable(self._state("xfrc_applied"))
        self._graphs: dict[str, Any] = {}
        overflow = self._engine.OverflowType
        # With these a contact or a row of the solver was left out; the rest says that an iteration was cut short.
        self._left_out = int(
            overflow.NEFC | overflow.NJMAX_NNZ | overflow.BROADPHASE | overflow.NARROWPHASE | overflow.CCD
        ) | int(overflow.CONTACT_MATCH)
        # One contact of one simulation went wrong: that simulation failed.
        self._broken_contact = int(overflow.EPA_HORIZON)
        self._run("outputs", self._outputs)

    def _find_device(self, name: str) -> Any:
        try:
            return self._wp.get_device(name or None)
        except (ValueError, RuntimeError) as error:
            raise UnavailableError(
                f"physics.device: Warp has no device {name!r} here", "'dexctl doctor' says what is there."
            ) from error

    def _put(self, model: mujoco.MjModel, count: int, physics: schema.Physics) -> tuple[Any, Any]:
        try:
            on_device = self._engine.put_model(model, batch_sizes=dict.fromkeys(_DERIVED, count))
        except (NotImplementedError, ValueError) as error:
            raise DataError(
                f"mujoco-warp does not simulate this scene: {error}", 'Step it with physics.backend = "cpu".'
            ) from error
        # Overflow is read after each step, and is an error there: no need to print it from the device.
        on_device.opt.warn_overflow = 0
        # One simulation that breaks may ask for every pair of its geoms at once.
        pairs = len(on_device.nxn_geom_pair_filtered)
        contacts = max(count * physics.max_contacts, pairs)
        data = self._engine.make_data(model, nworld=count, naconmax=contacts, njmax=physics.max_constraints)
        return on_device, data

    def _state(self, name: str) -> Tensor:
        return self._wp.to_torch(getattr(self._data, name))

    def _writable(self, live: Tensor) -> Tensor:
        mine = live.double()
        self._written.append((mine, live))
        return mine

    def _hand_over(self) -> None:
        for mine, live in self._written:
            live.copy_(mine)

    def _advance(self) -> None:
        for _ in range(self._substeps):
            self._engine.step(self._model, self._data)
        self._outputs()

    def _outputs(self) -> None:
        """What follows from positions: lengths, sites, and, where the scene senses, contacts."""
        model, data, engine = self._model, self._data, self._engine
        if model.nsensor:
            engine.fwd_position(model, data, factorize=False)
            engine.sensor_pos(model, data)
        else:
            engine.fwd_kinematics(model, data)
            engine.transmission(model, data)

    def _derive(self) -> None:
        self._engine.set_const(self._model, self._data)

    def _run(self, name: str, work: Callable[[], None]) -> None:
        """Does some work on the device: plainly the first time, which compiles it; then as a recorded graph."""
        wp, device = self._wp, self._warp_device
        with wp.ScopedDevice(device):
            if device.is_cuda:
                wp.wait_stream(wp.stream_from_torch(torch.cuda.current_stream(self.device)))
            if name not in self._graphs:
                work()
                self._graphs[name] = None
            else:
                if self._graphs[name] is None:
                    with wp.ScopedCapture(device=device) as capture:
                        work()
                    self._graphs[name] = capture.graph
                wp.capture_launch(self._graphs[name])
            if device.is_cuda:
                wp.stream_from_torch(torch.cuda.current_stream(self.device)).wait_stream(wp.get_stream(device))

    def step(self, ids: Tensor | None = None) -> Tensor:
        """Advances the simulations by one control period; see ``Physics.step``.

        Raises:
            DataError: contacts did not fit their buffers; or, as ever, too many simulations failed.
        """
        if ids is not None and not len(ids):
            return ids
        started = time.perf_counter()
        before = [self.qpos.clone(), self.qvel.clone(), self._warm_start.clone()] if self._dumps_left else None
        others = self._others(ids)
        kept = [tensor[others] for tensor in self._moving] if len(others) else []
        self._hand_over()
        self._run("advance", self._advance)
        for tensor, values in zip(self._moving, kept, strict=False):
            tensor[others] = values
        self.steps += self.num_simulations if ids is None else len(ids)
        failed = self._failed(ids, before)
        self.seconds += time.perf_counter() - started
        return failed

    def _others(self, ids: Tensor | None) -> Tensor:
        if ids is None:
            return torch.empty(0, dtype=torch.int64, device=self.device)
        other = torch.ones(self.num_simulations, dtype=torch.bool, device=self.device)
        other[ids.to(self.device)] = False
        return torch.nonzero(other)[:, 0]

    def _failed(self, ids: Tensor | None, before: list[Tensor] | None) -> Tensor:
        # A comparison with what is not a number is false.
        sound = (self.qvel.abs() <= _LARGEST).all(1) & (self.qpos.abs() <= _LARGEST).all(1)
        broken = ~sound | ((self._overflow & self._broken_contact) != 0)
        # One look at the device for both questions.
        asked = torch.stack((broken.any(), ((self._overflow & self._left_out) != 0).any())).tolist()
        if asked[1]:
            self._raise_overflow()
        self._overflow.zero_()
        if not asked[0]:
            return torch.empty(0, dtype=torch.int64, device=self.device)
        failed = torch.nonzero(broken)[:, 0] if ids is None else ids[broken[ids]]
        self.failures += len(failed)
        self._dump(failed, before)
        check_share(self.failures, self.steps, self._failure_share, self._dump_folder)
        return failed

    def _raise_overflow(self) -> None:
        flags = int(np.bitwise_or.reduce(self._overflow.cpu().numpy())) & self._left_out
        names = [flag.name for flag in self._engine.OverflowType if flag & flags and flag.name != "ALL"]
        raise DataError(
            f"a simulation had more contacts than there is room for ({', '.join(map(str, names))}): "
            f"{self._max_contacts} contacts on average and {self._max_constraints} rows of the solver at most",
            "Raise physics.max_contacts, and physics.max_constraints where it says NEFC.",
        )

    def _dump(self, failed: Tensor, before: list[Tensor] | None) -> None:
        if before is None or self._dump_folder is None:
            return
        for sim in failed[: self._dumps_left].tolist():
            model = self._model_of(sim)
            data = mujoco.MjData(model)
            for name, values in zip(("qpos", "qvel", "qacc_warmstart"), before, strict=True):
                getattr(data, name)[:] = values[sim].cpu().numpy()
            data.ctrl[:] = self.ctrl[sim].cpu().numpy()
            data.xfrc_applied[:] = self.applied_force[sim].cpu().numpy()
            state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
            mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
            path = self._dump_folder / f"failure-{self.failures:06d}-{sim}.safetensors"
            # Its own warnings are not counted by this engine: replayed on the processor it may have others.
            write_failure(path, model, state, self._substeps, np.zeros(0))
        self._dumps_left -= min(self._dumps_left, len(failed))

    def _model_of(self, sim: int) -> mujoco.MjModel:
        """The scene's model with a simulation's own fields."""
        model = copy.copy(self.scene.model)
        for name, live in self._fields.items():
            holder, field = _holder(model, name)
            values = live[sim].cpu().numpy()
            if np.ndim(getattr(holder, field)):
                getattr(holder, field)[...] = values
            else:
                setattr(holder, field, float(values))
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return model

    def place(self, ids: Tensor, qpos: Tensor, qvel: Tensor) -> None:
        """Resets simulations to a state and computes their outputs; see ``Physics.place``."""
        if not len(ids):
            return
        for tensor in (self.ctrl, self.applied_force, self._warm_start):
            tensor[ids] = 0.0
        self.qpos[ids] = qpos.to(self.qpos.dtype)
        self.qvel[ids] = qvel.to(self.qvel.dtype)
        self._hand_over()
        self._run("outputs", self._outputs)
        self._overflow.zero_()

    def model_field(self, name: str) -> Tensor:
        """A field of the model with a value for each simulation, live; see ``Physics.model_field``."""
        if name not in self._fields:
            holder, field = _holder(self._model, name)
            shape = np.shape(getattr(*_holder(self.scene.model, name)))
            array = getattr(holder, field)
            if array.shape[0] != self.num_simulations or not array.strides[0]:
                array = self._expanded(array)
                setattr(holder, field, array)
                # Graphs have the old array's address.
                self._graphs.clear()
            self._fields[name] = self._writable(self._wp.to_torch(array).view(self.num_simulations, *shape))
        return self._fields[name]

    def _expanded(self, array: Any) -> Any:
        one = self._wp.to_torch(array)[:1]
        every = one.repeat(self.num_simulations, *[1] * (one.dim() - 1))
        expanded = self._wp.from_torch(every, dtype=array.dtype)
        # As mujoco-warp marks what it makes for each simulation itself.
        expanded._is_batched = True
        return expanded

    def derive_constants(self, ids: Tensor) -> None:
        """Computes again what MuJoCo derives from the model's fields, of all; see ``Physics.derive_constants``."""
        if not len(ids):
            return
        self._hand_over()
        self._run("derive", self._derive)
        for mine, live in self._written:
            mine.copy_(live)


def _engine() -> tuple[Any, Any]:
    """Warp and mujoco-warp.

    Raises:
        UnavailableError: they are not installed.
    """
    try:
        wp = importlib.import_module("warp")
        # Otherwise it prints each kernel that it compiles or loads, on stdout.
        wp.config.log_level = wp.LOG_WARNING
        return wp, importlib.import_module("mujoco_warp")
    except ImportError as error:
        raise UnavailableError(
            f'physics.backend = "warp" needs mujoco-warp: {error}', "pip install 'dexctl[gpu]', or take \"cpu\"."
        ) from error


def _holder(model: Any, name: str) -> tuple[Any, str]:
    """Where a field lives, a model or its options, and what it is called there."""
    option = name.removeprefix("opt.")
    return (model if option == name else model.opt), option
