"""One robot out of a family: how its physics and its sensors differ from the training's.

Written apart from ``dexctl.randomize`` on purpose: a policy that was trained under those draws is
tested here under others.
"""

from __future__ import annotations

import dataclasses

import msgspec
import mujoco
import numpy as np

from dexctl.errors import ProfileError
from dexctl.profile import schema
from dexctl.profile.schema.kinds import Range
from dexctl.scene import names
from dexctl.scene.build import Scene

_INTEGRATORS = {"euler": mujoco.mjtIntegrator.mjINT_EULER, "implicitfast": mujoco.mjtIntegrator.mjINT_IMPLICITFAST}
_CONES = {"pyramidal": mujoco.mjtCone.mjCONE_PYRAMIDAL, "elliptic": mujoco.mjtCone.mjCONE_ELLIPTIC}
_MARKERS = len(names.FINGERS)


@dataclasses.dataclass(frozen=True)
class Member:
    """One robot's own numbers; J joints, A actuators.

    Attributes:
        contact_time, contact_width, friction, object_mass, object_size: factors.
        link_mass: (J,) factors, of each joint's link; damping: (J,) factors; dry_friction_nm: (J,).
        gain, force_limit: (A,) factors; derivative_s, slack_rad: (A,).
        joint_bias_rad: (J,); marker_offset_m: (5, 3) in the world's frame of the flat hand, and turns with its link.
        object_offset_m: (3,); object_offset_rad: (3,) a rotation vector.
        joint_delay_s, capture_delay_s, joint_noise_rad, marker_noise_m, object_noise_m, object_noise_rad: one each.
        marker_loss_per_s, marker_loss_s, object_loss_per_s, object_loss_s: one each.
    """

    contact_time: float
    contact_width: float
    friction: float
    object_mass: float
    object_size: float
    link_mass: np.ndarray
    damping: np.ndarray
    dry_friction_nm: np.ndarray
    gain: np.ndarray
    force_limit: np.ndarray
    derivative_s: np.ndarray
    slack_rad: np.ndarray
    joint_bias_rad: np.ndarray
    marker_offset_m: np.ndarray
    object_offset_m: np.ndarray
    object_offset_rad: np.ndarray
    joint_delay_s: float
    capture_delay_s: float
    joint_noise_rad: float
    marker_noise_m: float
    object_noise_m: float
    object_noise_rad: float
    marker_loss_per_s: float
    marker_loss_s: float
    object_loss_per_s: float
    object_loss_s: float


def draw(
    robot: schema.Robot, seed: int, joints: int = len(names.JOINTS), actuators: int = len(names.ACTUATORS)
) -> Member:
    """The robot of this number: every number uniform in its span.

    Args:
        seed: the hidden one that picks the robot.
        joints, actuators: how many the hand has.
    """
    rng = np.random.default_rng(seed)
    gap, sensors = robot.gap, robot.sensors

    def one(span: Range) -> float:
        return float(rng.uniform(*span))

    def each(span: Range, count: int) -> np.ndarray:
        return rng.uniform(span[0], span[1], count)

    def direction() -> np.ndarray:
        vector = rng.normal(size=3)
        return vector / np.linalg.norm(vector)

    offset = np.zeros((_MARKERS, 3))
    offset[rng.integers(_MARKERS)] = one(sensors.marker_offset_m) * direction()
    return Member(
        contact_time=one(gap.contact_time),
        contact_width=one(gap.contact_width),
        friction=one(gap.friction),
        object_mass=one(gap.object_mass),
        object_size=one(gap.object_size),
        link_mass=each(gap.link_mass, joints),
        damping=each(gap.damping, joints),
        dry_friction_nm=each(gap.dry_friction_nm, joints),
        gain=each(gap.gain, actuators),
        force_limit=each(gap.force_limit, actuators),
        derivative_s=each(gap.derivative_s, actuators),
        slack_rad=each(gap.slack_rad, actuators),
        joint_bias_rad=each(sensors.joint_bias_rad, joints),
        marker_offset_m=offset,
        object_offset_m=one(sensors.object_offset_m) * direction(),
        object_offset_rad=one(sensors.object_offset_rad) * direction(),
        joint_delay_s=one(sensors.joint_delay_s),
        capture_delay_s=one(sensors.capture_delay_s),
        joint_noise_rad=one(sensors.joint_noise_rad),
        marker_noise_m=one(sensors.marker_noise_m),
        object_noise_m=one(sensors.object_noise_m),
        object_noise_rad=one(sensors.object_noise_rad),
        marker_loss_per_s=one(sensors.marker_loss_per_s),
        marker_loss_s=one(sensors.marker_loss_s),
        object_loss_per_s=one(sensors.object_loss_per_s),
        object_loss_s=one(sensors.object_loss_s),
    )


def sized(profile: schema.Profile, member: Member) -> schema.Profile:
    """The profile with the member's object in it."""
    item = msgspec.structs.replace(profile.object, size_m=profile.object.size_m * member.object_size)
    return msgspec.structs.replace(profile, object=item)


def apply(scene: Scene, gap: schema.Gap, member: Member, loop_period_s: float) -> int:
    """Edits a member's physics into a scene's model.

    Returns:
        Turns of the low-level loop for one step of physics.

    Raises:
        ProfileError: the physics' step is no multiple of the loop's period.
    """
    model = scene.model
    model.opt.timestep = gap.timestep_s or model.opt.timestep
    model.opt.integrator = _INTEGRATORS[gap.integrator]
    model.opt.cone = _CONES[gap.cone]
    turns = round(model.opt.timestep / loop_period_s)
    if turns < 1 or abs(turns * loop_period_s - model.opt.timestep) > 1e-9:
        raise ProfileError(
            f"robot.gap.timestep_s: expected a multiple of robot.loop_period_s ({loop_period_s:g}), "
            f"got {model.opt.timestep:g}"
        )
    for softness in (model.geom_solref, model.pair_solref):
        softness[:, 0] *= member.contact_time
    for width in (model.geom_solimp, model.pair_solimp):
        width[:, 2] *= member.contact_width
    for friction in (model.geom_friction, model.pair_friction):
        friction *= member.friction
    model.body_mass[scene.object_bodies] *= member.object_mass
    model.body_inertia[scene.object_bodies] *= member.object_mass
    _scale_links(scene, member)
    model.dof_damping[scene.joint_dof] *= member.damping
    model.dof_frictionloss[scene.joint_dof] += member.dry_friction_nm
    model.actuator_gainprm[:, 0] *= member.gain
    model.actuator_biasprm[:, 1] *= member.gain
    model.actuator_biasprm[:, 2] -= model.actuator_gainprm[:, 0] * member.derivative_s
    model.actuator_forcerange *= member.force_limit[:, None]
    mujoco.mj_setConst(model, mujoco.MjData(model))
    _glue_markers(scene, member)
    return turns


def _scale_links(scene: Scene, member: Member) -> None:
    links = scene.model.jnt_bodyid[scene.joint_ids]
    for link in np.unique(links):
        # A link with two joints takes the first one's factor.
        factor = member.link_mass[np.flatnonzero(links == link)[0]]
        scene.model.body_mass[link] *= factor
        scene.model.body_inertia[link] *= factor


def _glue_markers(scene: Scene, member: Member) -> None:
    flat = mujoco.MjData(scene.model)
    mujoco.mj_kinematics(scene.model, flat)
    for site, offset_m in zip(scene.fingertip_sites, member.marker_offset_m, strict=True):
        link = scene.model.site_bodyid[site]
        scene.model.site_pos[site] += flat.xmat[link].reshape(3, 3).T @ offset_m


def looks_back_s(sensors: schema.Sensors, member: Member) -> float:
    """How old the oldest thing is that any sensor of a member makes a reading of, s."""
    return max(member.joint_delay_s, member.capture_delay_s) + sensors.velocity_window_s


def is_exact(member: Member) -> bool:
    """Whether the motors of this robot reach for a target exactly as the training's do."""
    return not (member.slack_rad.any() or member.joint_bias_rad.any())
