"""Conditions between keys that the schema's types cannot say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from dexctl.errors import ProfileError
from dexctl.profile.layers import near
from dexctl.profile.schema import Hand, Network, Object, Profile, Vision

_CUBE = ("+x", "-x", "+y", "-y", "+z", "-z")
FACES: dict[str, tuple[str, ...]] = {
    "block": _CUBE,
    "sphere": _CUBE,
    "prism": (*_CUBE, "+x+y", "-x+y", "-x-y", "+x-y"),
}

# Where networks learn, as torch calls it; empty for what suits the physics.
_DEVICE = re.compile(r"(cpu|cuda(:\d+)?)?", re.ASCII)
# Corners of the cube around the object, and places of the room: what towers may be told to find in pictures.
NUM_LANDMARKS = 8 + 4

OBSERVATIONS = (
    "fingertip_positions",
    "object_position",
    "object_orientation",
    "target_orientation",
    "relative_target_orientation",
    "joint_angles",
    "joint_velocities",
    "object_velocity",
    "object_angular_velocity",
    "action_average",
    "previous_action",
    "time_left",
    "object_orientation_cube",
    "relative_target_matrix",
)


class Fault(NamedTuple):
    """A condition that does not hold.

    Attributes:
        key: dotted, the one to change.
        message: what was expected and what is there.
    """

    key: str
    message: str
    remedy: str = ""


def check(profile: Profile, origins: Mapping[str, str], origin: str) -> None:
    """Raises the first condition that does not hold.

    Args:
        origins: where each key came from, to name the file or flag.
        origin: named when a key has no origin of its own.

    Raises:
        ProfileError: with file, key and what was expected.
    """
    for fault in faults(profile):
        given = {key: where for key, where in origins.items() if where != "default"}
        below = [where for key, where in given.items() if f"{key}.".startswith(f"{fault.key}.")]
        raise ProfileError(f"{below[-1] if below else origin}: {fault.key}: {fault.message}", fault.remedy)


def faults(profile: Profile) -> Iterator[Fault]:
    """Every condition between keys that does not hold."""
    yield from _hand(profile)
    yield from _object(profile)
    yield from _cameras(profile)
    yield from _task(profile)
    yield from _action(profile)
    yield from _randomize(profile)
    yield from _networks(profile)
    yield from _optimization(profile)
    yield from _wire(profile)
    yield from _vision(profile)


def _hand(profile: Profile) -> Iterator[Fault]:
    hand = profile.hand
    ranges = {
        "hand.coupled_range_rad": hand.coupled_range_rad,
        "hand.coupled_difference_range_rad": hand.coupled_difference_range_rad,
    }
    ranges |= {f"hand.joints.{name}.range_rad": joint.range_rad for name, joint in hand.joints.items()}
    ranges |= {
        f"hand.actuators.{name}.control_range_rad": actuator.control_range_rad
        for name, actuator in hand.actuators.items()
    }
    for key, (lower, upper) in ranges.items():
        if lower >= upper:
            yield Fault(key, f"expected lower < upper, got [{lower}, {upper}]")
    yield from _other_hand(hand)
    for name, sensor in hand.sensors.items():
        rising = all(before < after for before, after in pairwise(sensor.reported_rad))
        if name not in hand.joints:
            yield Fault(f"hand.sensors.{name}", f"the hand has no joint '{name}'", near(name, hand.joints))
        if not rising:
            yield Fault(f"hand.sensors.{name}.reported_rad", f"expected rising numbers, got {sensor.reported_rad}")
        if len(sensor.reported_rad) != len(sensor.angle_rad):
            message = f"expected {len(sensor.reported_rad)} numbers, as in reported_rad, got {len(sensor.angle_rad)}"
            yield Fault(f"hand.sensors.{name}.angle_rad", message)
    for name, marker in hand.fingertip_markers.items():
        if min(marker.occlusion_half_size_m) <= 0:
            key = f"hand.fingertip_markers.{name}.occlusion_half_size_m"
            yield Fault(key, f"expected three numbers > 0, got {list(marker.occlusion_half_size_m)}")


def _other_hand(hand: Hand) -> Iterator[Fault]:
    shadow, names = hand.model == "gymnasium-robotics", hand.names
    if shadow != (names is None):
        wanted = "the table to be left out" if shadow else "the names of the model's parts"
        yield Fault("hand.names", f"expected {wanted} for the model '{hand.model}'")
    if shadow == (hand.gains == "model"):
        wanted = "'2018' or 'gym'" if shadow else "'model'"
        yield Fault("hand.gains", f"expected {wanted} for the model '{hand.model}', got '{hand.gains}'")
    if names is None:
        return
    for key in ("joints", "actuators"):
        given = getattr(names, key)
        if not given or len(set(given)) != len(given):
            yield Fault(f"hand.names.{key}", f"expected each name once, and at least one, got {given}")
    if set(names.fingertip_links) != set(hand.fingertip_markers):
        fingers = ", ".join(hand.fingertip_markers)
        yield Fault("hand.names.fingertip_links", f"expected the fingers of hand.fingertip_markers: {fingers}")
    for name in (*names.coupled, *names.coupled.values()):
        if name not in names.joints:
            yield Fault("hand.names.coupled", f"the hand has no joint '{name}'", near(name, names.joints))
    norm = math.hypot(*names.palm_quaternion_wxyz)
    if abs(norm - 1) > 1e-3:
        yield Fault("hand.names.palm_quaternion_wxyz", f"expected length 1, got {norm:.4g}")


def _object(profile: Profile) -> Iterator[Fault]:
    item = profile.object
    own = item.kind == "mjcf"
    for key, value in (("model", item.model), ("size_m", item.size_m), ("mass_kg", item.mass_kg)):
        needed = own == (key == "model")
        if bool(value) != needed:
            wanted = "it to be given" if needed else "it to be left out"
            message = f"expected {wanted} for kind '{item.kind}', got {value or 'nothing'}"
            nothing = '""' if key == "model" else "0"
            remedy = "" if needed else f"Where it is inherited, {key} = {nothing} leaves it out."
            yield Fault(f"object.{key}", message, remedy)
    if not own:
        yield from _faces(item, FACES[item.kind])
    if min(item.friction) < 0:
        yield Fault("object.friction", f"expected three numbers >= 0, got {list(item.friction)}")


def _faces(item: Object, faces: tuple[str, ...]) -> Iterator[Fault]:
    if sorted(item.face_colors) != sorted(faces):
        yield Fault("object.face_colors", f"expected the faces {', '.join(faces)}, got {', '.join(item.face_colors)}")
    for face, color in item.face_colors.items():
        if not all(0 <= channel <= 1 for channel in color):
            yield Fault(f"object.face_colors.{face}", f"expected three numbers from 0 to 1, got {list(color)}")
    if len(item.letters) != len(faces) or len(set(item.letters)) != len(faces):
        yield Fault("object.letters", f'expected {len(faces)} different letters, got "{item.letters}"')


def _cameras(profile: Profile) -> Iterator[Fault]:
    for name, camera in profile.cameras.items():
        norm = math.hypot(*camera.quaternion_wxyz)
        if abs(norm - 1) > 1e-3:
            yield Fault(f"cameras.{name}.quaternion_wxyz", f"expected length 1, got {norm:.4g}")


def _task(profile: Profile) -> Iterator[Fault]:
    task, step_s = profile.task, profile.physics.timestep_s * profile.physics.substeps
    if task.success_rad >= math.pi:
        yield Fault("task.success_rad", f"expected less than pi, got {task.success_rad}")
    for key, timeout_s in (
        ("task.goal_timeout_s", task.goal_timeout_s),
        ("evaluate.goal_timeout_s", profile.evaluate.goal_timeout_s),
    ):
        if timeout_s < step_s:
            yield Fault(key, f"expected at least one control step ({step_s:g} s), got {timeout_s}")
    if task.start_drop_height_m < task.drop_height_m:
        yield Fault(
            "task.start_drop_height_m",
            f"expected >= task.drop_height_m ({task.drop_height_m}), got {task.start_drop_height_m}",
        )
    height_m = profile.object.spawn_m[2]
    if height_m <= task.start_drop_height_m:
        yield Fault(
            "object.spawn_m",
            f"expected a height > task.start_drop_height_m ({task.start_drop_height_m}), got {height_m}",
        )
    if task.start_refresh > task.start_bank:
        yield Fault("task.start_refresh", f"expected <= task.start_bank ({task.start_bank}), got {task.start_refresh}")
    if profile.reward.drop > 0:
        yield Fault("reward.drop", f"expected a number <= 0, got {profile.reward.drop}")


def _action(profile: Profile) -> Iterator[Fault]:
    hand = profile.hand
    actuators = list(hand.actuators) if hand.names is None else hand.names.actuators
    for name in profile.action.hold:
        if name not in actuators:
            yield Fault(f"action.hold.{name}", f"the hand has no actuator '{name}'", near(name, actuators))


def _randomize(profile: Profile) -> Iterator[Fault]:
    least, most = profile.randomize.appearance.num_lights
    if least > most:
        yield Fault("randomize.appearance.num_lights", f"expected least <= most, got [{least}, {most}]")
    pose = profile.randomize.pose
    if pose.turned + pose.jittered > 1:
        total = pose.turned + pose.jittered
        yield Fault("randomize.pose.jittered", f"expected turned + jittered <= 1, got {total:g}")


def _networks(profile: Profile) -> Iterator[Fault]:
    networks: dict[str, Network] = {"actor": profile.policy.actor, "critic": profile.policy.critic}
    for role, network in networks.items():
        key = f"policy.{role}.observe"
        for name in network.observe:
            if name not in OBSERVATIONS:
                yield Fault(key, f"there is no observation '{name}'", near(name, OBSERVATIONS))
            if network.observe.count(name) > 1:
                yield Fault(key, f"expected each name once, got '{name}' {network.observe.count(name)} times")
        kind = profile.object.kind
        if "object_orientation_cube" in network.observe and kind not in ("block", "sphere"):
            yield Fault(
                key,
                f"object_orientation_cube takes a cube's 24 turns for one another, and object.kind is '{kind}'",
                "Let it observe object_orientation.",
            )


def _optimization(profile: Profile) -> Iterator[Fault]:
    ppo, segment_steps = profile.ppo, profile.rollout.segment_steps
    if not ppo.learning_rate_min <= ppo.learning_rate <= ppo.learning_rate_max:
        yield Fault(
            "ppo.learning_rate",
            f"expected between learning_rate_min ({ppo.learning_rate_min}) and learning_rate_max "
            f"({ppo.learning_rate_max}), got {ppo.learning_rate}",
        )
    if ppo.kl_low > ppo.kl_high:
        yield Fault("ppo.kl_low", f"expected <= ppo.kl_high ({ppo.kl_high}), got {ppo.kl_low}")
    if not _DEVICE.fullmatch(ppo.device):
        yield Fault("ppo.device", f'expected cpu, cuda, a GPU\'s number as in cuda:1, or nothing, got "{ppo.device}"')
    if ppo.clip >= 1:
        yield Fault("ppo.clip", f"expected a number < 1, got {ppo.clip}")
    if ppo.batch_steps % ppo.minibatches:
        yield Fault(
            "ppo.minibatches", f"expected a divisor of ppo.batch_steps ({ppo.batch_steps}), got {ppo.minibatches}"
        )
    elif ppo.batch_steps // ppo.minibatches % ppo.chunk_steps:
        yield Fault(
            "ppo.chunk_steps",
            f"expected a divisor of a minibatch ({ppo.batch_steps // ppo.minibatches}), got {ppo.chunk_steps}",
        )
    if segment_steps % ppo.chunk_steps:
        yield Fault(
            "rollout.segment_steps",
            f"expected a multiple of ppo.chunk_steps ({ppo.chunk_steps}), got {segment_steps}",
        )
    if round(ppo.epochs * ppo.minibatches) < 1:
        yield Fault("ppo.epochs", f"expected at least one minibatch, got {ppo.epochs} of {ppo.minibatches}")


def _wire(profile: Profile) -> Iterator[Fault]:
    wire = profile.wire
    if wire.timeout_s <= wire.heartbeat_s:
        yield Fault("wire.timeout_s", f"expected > wire.heartbeat_s ({wire.heartbeat_s}), got {wire.timeout_s}")
    if wire.orphan_timeout_s < wire.timeout_s:
        yield Fault(
            "wire.orphan_timeout_s", f"expected >= wire.timeout_s ({wire.timeout_s}), got {wire.orphan_timeout_s}"
        )


def _vision(profile: Profile) -> Iterator[Fault]:
    if profile.vision is None:
        return
    network = profile.vision.network
    for first, *others in (
        ("filters", "kernels_px", "strides"),
        ("group_filters", "group_blocks", "group_strides"),
    ):
        count = len(getattr(network, first))
        for key in others:
            if len(getattr(network, key)) != count:
                message = f"expected {count} entries, as in {first}, got {len(getattr(network, key))}"
                yield Fault(f"vision.network.{key}", message)
    if profile.vision.training.landmark_weight and (
        network.reading != "spatial-softmax" or network.group_filters[-1] < NUM_LANDMARKS
    ):
        message = f"expected 0 without a spatial softmax over at least {NUM_LANDMARKS} maps"
        yield Fault("vision.training.landmark_weight", message)
    least = 2 if network.reading == "spatial-softmax" else 1
    map_px = last_map_px(profile.vision)
    if map_px < least:
        message = f"expected last maps of at least {least} x {least}, got {map_px} from {profile.vision.image_px} px"
        yield Fault("vision.network.group_strides", message, "Take smaller strides, or larger pictures.")


def last_map_px(vision: Vision) -> int:
    """Edge of the maps that a tower ends with; 0 where nothing is left of a picture."""
    network, edge_px = vision.network, vision.image_px
    for kernel_px, stride in zip(network.kernels_px, network.strides, strict=False):
        edge_px = max(0, (edge_px - kernel_px) // stride + 1)
    edge_px //= network.pool
    for stride in network.group_strides:
        edge_px = -(-edge_px // stride)
    return edge_px
