"""The hand: Gymnasium-Robotics' Shadow hand edited into the paper's, or another model's as it is.

The paper started from this model (appendix C.1); its joints, tendons and gains were then calibrated
to a robot. A profile says which of the two a scene has (``hand.gains``).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mujoco

from dexctl.errors import MissingError, ProfileError
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.anatomy import GYMNASIUM_ROBOTICS, Anatomy, anatomy
from dexctl.scene.other_hand import load_other_hand

_HAND = """
<mujoco model="shadow hand">
  <compiler angle="radian" meshdir="{assets}/stls/hand" texturedir="{assets}/textures"/>
  <include file="{assets}/hand/shared.xml"/>
  <asset><include file="{assets}/hand/shared_asset.xml"/></asset>
  <worldbody><include file="{assets}/hand/robot.xml"/></worldbody>
</mujoco>
"""


def load_hand(hand: schema.Hand) -> mujoco.MjSpec:
    """Reads the hand's model and edits the profile's numbers into it.

    Returns:
        A specification with hinges, position servos, the marker sites and the boxes that hide
        them, and nothing to hold yet.

    Raises:
        MissingError: the model or its package is not there.
        ProfileError: the profile names a part that the model lacks.
    """
    named = anatomy(hand)
    if hand.model == GYMNASIUM_ROBOTICS:
        spec = mujoco.MjSpec.from_string(_HAND.format(assets=_gymnasium_robotics_assets()))
        _remove_slack_tendons_and_sensors(spec)
    else:
        spec = load_other_hand(hand)
    for geom in spec.geoms:
        # What is only for the eye must not touch: the model forgets two boxes of 1 mm inside the thumb.
        if geom.name.startswith(names.in_model("V_")):
            geom.contype = geom.conaffinity = 0
        if geom.contype:
            geom.margin = hand.contact_margin_m
    if hand.gains == "2018":
        _edit_joints(spec, hand)
        _couple(spec, hand)
        _edit_actuators(spec, hand)
    if not hand.dry_friction:
        for name in named.joints:
            spec.joint(named.in_model(name)).frictionloss = 0.0
    _add_markers(spec, hand, named)
    return spec


def _gymnasium_robotics_assets() -> Path:
    # Found without importing: the package's import is slow and prints.
    found = importlib.util.find_spec("gymnasium_robotics")
    if found is None or found.origin is None:
        raise MissingError("the hand's model is not installed", "pip install gymnasium-robotics")
    return Path(found.origin).parent / "envs" / "assets"


def _remove_slack_tendons_and_sensors(spec: mujoco.MjSpec) -> None:
    """Removes what never acts: tendons whose range is wider than their joints', and the sensors.

    Of the model's 44 tendons only the four that tie J0 to J1 ever bind.
    """
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    for site in list(spec.sites):
        spec.delete(site)
    for tendon in list(spec.tendons):
        if not tendon.name.endswith("J1c"):
            spec.delete(tendon)


def _edit_joints(spec: mujoco.MjSpec, hand: schema.Hand) -> None:
    missing = set(names.JOINTS) - set(hand.joints)
    unknown = set(hand.joints) - set(names.JOINTS)
    if missing or unknown:
        raise ProfileError(
            f"hand.joints: must name the hand's 24 joints; missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    for name, joint in hand.joints.items():
        element = spec.joint(names.in_model(name))
        element.range = joint.range_rad
        element.damping = _padded(element.damping, joint.damping)
        element.frictionloss = joint.friction_loss
        element.stiffness = _padded(element.stiffness, joint.stiffness)
        element.springref = joint.spring_reference_rad
        element.margin = joint.margin_rad


def _padded(field: object, value: float) -> object:
    # MuJoCo 4 keeps polynomial coefficients here: the first is the linear one.
    if isinstance(field, float):
        return value
    coefficients = list(field)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [value, *([0.0] * (len(coefficients) - 1))]


def _couple(spec: mujoco.MjSpec, hand: schema.Hand) -> None:
    """Replaces the model's stiff coupling by two fixed tendons a pair (appendix C.3).

    The sum J1 + J0 is what the motor pulls; the difference J1 - J0 may not become negative.
    """
    for tendon in list(spec.tendons):
        spec.delete(tendon)
    for driven, following in names.COUPLED.items():
        total = spec.add_tendon(name=names.in_model(names.coupling_tendon(driven)))
        total.wrap_joint(names.in_model(driven), 1.0)
        total.wrap_joint(names.in_model(following), 1.0)
        total.limited = mujoco.mjtLimited.mjLIMITED_TRUE
        total.range = hand.coupled_range_rad
        total.damping = _padded(total.damping, hand.coupled_damping)
        difference = spec.add_tendon(name=names.in_model(f"T_{driven}-{following}"))
        difference.wrap_joint(names.in_model(driven), 1.0)
        difference.wrap_joint(names.in_model(following), -1.0)
        difference.limited = mujoco.mjtLimited.mjLIMITED_TRUE
        difference.range = hand.coupled_difference_range_rad


def _edit_actuators(spec: mujoco.MjSpec, hand: schema.Hand) -> None:
    if set(hand.actuators) != set(names.ACTUATORS):
        wrong = sorted(set(hand.actuators) ^ set(names.ACTUATORS))
        raise ProfileError(f"hand.actuators: must name the hand's 20 actuators; differs in {wrong}")
    for name, joint in zip(names.ACTUATORS, names.ACTUATED, strict=True):
        wanted = hand.actuators[name]
        element = spec.actuator(names.in_model(name))
        gain, bias = element.gainprm, element.biasprm
        gain[0], bias[1] = wanted.gain, -wanted.gain
        element.gainprm, element.biasprm = gain, bias
        element.ctrlrange = wanted.control_range_rad
        element.forcerange = (-wanted.force_limit_nm, wanted.force_limit_nm)
        if joint in names.COUPLED:
            element.trntype = mujoco.mjtTrn.mjTRN_TENDON
            element.target = names.in_model(names.coupling_tendon(joint))


def _add_markers(spec: mujoco.MjSpec, hand: schema.Hand, named: Anatomy) -> None:
    # The hand's base is bolted to the world, so its markers are too.
    for name in named.base_markers:
        spec.worldbody.add_site(name=name, pos=hand.base_markers_m[name], size=[0.004] * 3, group=4)
    for finger, link in named.fingertip_links.items():
        marker, distal = hand.fingertip_markers[finger], spec.body(link)
        distal.add_site(name=names.fingertip_marker(finger), pos=marker.position_m, size=[0.004] * 3, group=4)
        distal.add_site(
            name=names.occlusion_box(finger),
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=marker.occlusion_center_m,
            size=marker.occlusion_half_size_m,
            group=4,
        )
