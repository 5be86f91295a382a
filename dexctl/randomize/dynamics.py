"""Physics that differs from simulation to simulation (Table 1, appendix C.2.1).

Each number is a field of the model with a value for each simulation, drawn before a start is
played, so that the object settles under the physics of its episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
import torch
from torch import Tensor

from dexctl.errors import ProfileError
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.draw import Draws
from dexctl.scene.build import Scene

# N simulations, n of them, J joints of the hand, A actuators.

# Shapes that all simulations share: MuJoCo keeps their points with the assets.
_SHARED_SHAPES = {
    int(mujoco.mjtGeom.mjGEOM_MESH): "mesh",
    int(mujoco.mjtGeom.mjGEOM_SDF): "signed distance field",
    int(mujoco.mjtGeom.mjGEOM_HFIELD): "height field",
}


class Dynamics:
    """The physics of each simulation of a batch, drawn anew when an episode begins."""

    def __init__(
        self,
        settings: schema.RandomizePhysics,
        scene: Scene,
        physics: Physics,
        hold: Mapping[str, float] | None = None,
    ) -> None:
        """Gives every field that is randomized a value for each simulation; none when switched off.

        Args:
            hold: angles that actuators are held at, rad, by name (``action.hold``): no limit is moved across one.

        Raises:
            ProfileError: the object is to differ in size, and touches with a shape that cannot.
        """
        self._settings = settings
        self._physics = physics
        self._model = scene.model
        self._joints = torch.as_tensor(scene.joint_ids)
        self._dofs = torch.as_tensor(scene.joint_dof)
        self._object_bodies = torch.as_tensor(scene.object_bodies)
        self._object_geoms = torch.as_tensor(scene.object_geoms)
        self._transmission = torch.as_tensor(_transmission(scene))
        self._limited = torch.as_tensor(scene.model.jnt_limited[scene.joint_ids].astype(bool))
        self._held = _Held(hold or {}, scene.anatomy.actuators, self._transmission)
        mass = float(scene.model.body_mass[scene.object_bodies].sum())
        self._object_mass = torch.full((physics.num_simulations,), mass, dtype=torch.float64)
        self._nominal: dict[str, Tensor] = {}
        self._live: dict[str, Tensor] = {}
        shape = ("geom_size", "geom_rbound", "geom_aabb", "geom_pos", "body_pos", "body_ipos")
        self._resizes = self._uses(settings.object_scale, 1.0, *shape, "body_mass", "body_inertia")
        if self._resizes:
            _refuse_shared_shapes(scene)
        self._weighs = self._uses(settings.mass, 1.0, "body_mass", "body_inertia")
        self._rubs = self._uses(settings.friction, 1.0, "geom_friction", "pair_friction")
        self._rolls = self._uses(settings.rolling_friction, 1.0, "geom_friction", "pair_friction")
        self._damps = self._uses(settings.joint_damping, 1.0, "dof_damping")
        self._pulls = self._uses(settings.actuator_gain, 1.0, "actuator_gainprm", "actuator_biasprm")
        self._limits = self._uses(settings.joint_limit_rad, 0.0, "jnt_range", "actuator_ctrlrange")
        self._falls = self._uses(settings.gravity_m_s2, 0.0, "opt.gravity")
        self._draws = Draws(
            "physics",
            object_scale=(settings.object_scale, 1),
            mass=(settings.mass, scene.model.nbody),
            friction=(settings.friction, 1),
            rolling_friction=(settings.rolling_friction, 1),
            joint_damping=(settings.joint_damping, len(self._dofs)),
            actuator_gain=(settings.actuator_gain, scene.model.nu),
            joint_limit_rad=(settings.joint_limit_rad, 2 * len(self._joints)),
            gravity_m_s2=(settings.gravity_m_s2, 3),
        )

    def _uses(self, value: Value, neutral: float, *fields: str) -> bool:
        if not self._settings.on or value == neutral:
            return False
        self._take(*fields)
        return True

    def _take(self, *fields: str) -> None:
        for name in fields:
            option = name.removeprefix("opt.")
            holder = self._model if option == name else self._model.opt
            self._nominal[name] = torch.as_tensor(np.array(getattr(holder, option), copy=True))
            self._live[name] = self._physics.model_field(name)

    @property
    def control_range(self) -> Tensor | None:
        """(N, A, 2) rad, live; None where all have the model's."""
        return self._live.get("actuator_ctrlrange")

    def joint_range(self, ids: Tensor) -> Tensor | None:
        """(n, J, 2) rad of the hand's joints in simulations ``ids`` (n,); None where all have the model's."""
        ranges = self._live.get("jnt_range")
        return None if ranges is None else ranges[ids[:, None], self._joints]

    def object_mass(self, ids: Tensor) -> Tensor:
        """Mass (n,) kg of the object in simulations ``ids`` (n,)."""
        return self._object_mass[ids]

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws the physics of simulations ``ids`` (n,) from keys (n,) and writes it."""
        if not self._live:
            return
        drawn = self._draws(key)
        if self._resizes:
            self._resize(ids, drawn["object_scale"])
        if self._resizes or self._weighs:
            self._weigh(ids, drawn["mass"], drawn["object_scale"])
        if self._rubs or self._rolls:
            self._rub(ids, drawn["friction"], drawn["rolling_friction"])
        if self._damps:
            self._write(
                "dof_damping", ids, self._dofs, drawn["joint_damping"] * self._nominal["dof_damping"][self._dofs]
            )
        if self._pulls:
            self._pull(ids, drawn["actuator_gain"])
        if self._limits:
            self._limit(ids, drawn["joint_limit_rad"])
        if self._falls:
            self._live["opt.gravity"][ids] = self._nominal["opt.gravity"] + drawn["gravity_m_s2"]
        self._physics.derive_constants(ids)

    def _write(self, name: str, ids: Tensor, columns: Tensor, values: Tensor) -> None:
        self._live[name][ids[:, None], columns] = values

    def _resize(self, ids: Tensor, scale: Tensor) -> None:
        """Scales the object about its origin; geom_aabb holds centre and half size."""
        geoms = self._object_geoms
        for name in ("geom_size", "geom_aabb", "geom_pos"):
            self._write(name, ids, geoms, scale[:, :, None] * self._nominal[name][geoms])
        self._write("geom_rbound", ids, geoms, scale * self._nominal["geom_rbound"][geoms])
        bodies, inner = self._object_bodies, self._object_bodies[1:]
        self._write("body_ipos", ids, bodies, scale[:, :, None] * self._nominal["body_ipos"][bodies])
        self._write("body_pos", ids, inner, scale[:, :, None] * self._nominal["body_pos"][inner])

    def _weigh(self, ids: Tensor, factor: Tensor, scale: Tensor) -> None:
        """Mass and inertia together; the inertia of the same mass grows with the square of its size."""
        if self._settings.mass_acts_on == "mass-and-inertia":
            mass = factor * self._nominal["body_mass"]
            self._live["body_mass"][ids] = mass
            self._object_mass[ids] = mass[:, self._object_bodies].sum(dim=1)
        inertia = factor[:, :, None] * self._nominal["body_inertia"]
        inertia[:, self._object_bodies] *= scale[:, :, None] ** 2
        self._live["body_inertia"][ids] = inertia

    def _rub(self, ids: Tensor, factor: Tensor, rolling: Tensor) -> None:
        """MuJoCo takes the larger of two geoms' friction, so both sides are scaled, and pairs that have their own."""
        self._live["pair_friction"][ids] = factor[:, :, None] * self._nominal["pair_friction"]
        friction = factor[:, :, None] * self._nominal["geom_friction"]
        friction[:, self._object_geoms, 2] *= rolling
        self._live["geom_friction"][ids] = friction

    def _pull(self, ids: Tensor, factor: Tensor) -> None:
        """Torque = gain x target - gain x angle: both halves of the servo's law."""
        for name, column in (("actuator_gainprm", 0), ("actuator_biasprm", 1)):
            self._live[name][:, :, column][ids] = factor * self._nominal[name][:, column]

    def _limit(self, ids: Tensor, noise: Tensor) -> None:
        nominal = self._nominal["jnt_range"][self._joints]
        noise = noise.view(len(ids), len(self._limited), 2) * self._limited[:, None]
        if self._settings.joint_limit_unit == "width":
            noise = noise * (nominal[:, 1] - nominal[:, 0])[:, None]
        ranges = moved_limits(nominal, noise, self._settings.joint_width_kept)
        _reach(ranges, self._held.joints, self._held.joint_angles)
        self._write("jnt_range", ids, self._joints, ranges)
        control = self._nominal["actuator_ctrlrange"]
        follow = torch.einsum("aj,nje->nae", self._transmission, ranges - nominal)
        targets = moved_limits(control, follow, self._settings.joint_width_kept)
        _reach(targets, self._held.actuators, self._held.angles)
        self._live["actuator_ctrlrange"][ids] = targets


class _Held:
    """Actuators that are held, and of these the joints that move with one alone, with their angles, rad."""

    def __init__(self, hold: Mapping[str, float], actuators: Sequence[str], transmission: Tensor) -> None:
        """Args: transmission: (A, J), how far each actuator's length moves with each joint."""
        self.actuators = torch.tensor([actuators.index(name) for name in hold], dtype=torch.int64)
        self.angles = torch.tensor(list(hold.values()), dtype=torch.float64)
        moves = transmission[self.actuators] != 0
        single = moves.sum(dim=1) == 1
        self.joints = moves[single].to(torch.int64).argmax(dim=1)
        self.joint_angles = self.angles[single]


def _reach(ranges: Tensor, columns: Tensor, angles: Tensor) -> None:
    """Widens ``columns`` (k,) of ranges (n, J, 2) to reach to angles (k,) rad."""
    low, high = ranges[:, columns].unbind(-1)
    ranges[:, columns] = torch.stack((torch.minimum(low, angles), torch.maximum(high, angles)), dim=-1)


def _refuse_shared_shapes(scene: Scene) -> None:
    model = scene.model
    for geom in scene.object_geoms:
        shape = _SHARED_SHAPES.get(int(model.geom_type[geom]))
        if shape and (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            raise ProfileError(
                f"randomize.physics.object_scale: the object touches with a {shape}, which has one size in all "
                "simulations",
                "Set it to 1.0, or give the object's file boxes, capsules or other primitive geoms that touch.",
            )


def moved_limits(nominal: Tensor, noise: Tensor, width_kept: float) -> Tensor:
    """Moves the two ends of ranges; they stay ranges (robogym's guards, appendix C.2.1).

    Args:
        nominal: (J, 2) lower and upper.
        noise: (n, J, 2), added.
        width_kept: share of the nominal width that stays between the ends.

    Returns:
        (n, J, 2): an end that is 0 does not cross it, and the lower stays below the upper.
    """
    low, high = (nominal + noise).unbind(-1)
    at_low, at_high = nominal[:, 0] == 0, nominal[:, 1] == 0
    low = torch.where(at_low, low.clamp_min(0.0), low)
    high = torch.where(at_high, high.clamp_max(0.0), high)
    width = width_kept * (nominal[:, 1] - nominal[:, 0])
    # The end that may not cross zero keeps its place, the other gives way.
    low = torch.where(at_high, torch.minimum(low, high - width), low)
    high = torch.where(at_high, high, torch.maximum(high, low + width))
    return torch.stack((low, high), dim=-1)


def _transmission(scene: Scene) -> np.ndarray:
    """How far each actuator's length moves with each joint, (A, J): 1, or what a fixed tendon says."""
    model = scene.model
    column = {int(joint): index for index, joint in enumerate(scene.joint_ids)}
    matrix = np.zeros((model.nu, len(column)))
    for actuator in range(model.nu):
        target = int(model.actuator_trnid[actuator, 0])
        if model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT:
            if target in column:
                matrix[actuator, column[target]] = 1.0
        elif model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_TENDON:
            first = int(model.tendon_adr[target])
            for wrap in range(first, first + int(model.tendon_num[target])):
                if model.wrap_type[wrap] == mujoco.mjtWrap.mjWRAP_JOINT and int(model.wrap_objid[wrap]) in column:
                    matrix[actuator, column[int(model.wrap_objid[wrap])]] = model.wrap_prm[wrap]
    return matrix
