from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from dexctl.profile import schema
from dexctl.profile.check import OBSERVATIONS
from dexctl.profile.validate import describe, shown

PAGE = (Path(__file__).parents[2] / "man" / "dexctl-profile.5").read_text().replace("\\-", "-")

TABLES = {
    "[hand]": schema.Hand,
    "[hand.names]": schema.HandNames,
    "[hand.joints.NAME]": schema.Joint,
    "[hand.actuators.NAME]": schema.Actuator,
    "[hand.fingertip_markers.NAME]": schema.Marker,
    "[hand.sensors.NAME]": schema.JointSensor,
    "[object]": schema.Object,
    "[cameras.NAME]": schema.Camera,
    "[physics]": schema.Physics,
    "[task]": schema.Task,
    "[reward]": schema.Reward,
    "[action]": schema.Action,
    "[randomize]": schema.Randomize,
    "[randomize.physics]": schema.RandomizePhysics,
    "[randomize.observation]": schema.RandomizeObservation,
    "[randomize.unmodeled]": schema.RandomizeUnmodeled,
    "[randomize.unmodeled.action_noise]": schema.ActionNoise,
    "[randomize.unmodeled.delay]": schema.Delay,
    "[randomize.unmodeled.backlash]": schema.Backlash,
    "[randomize.unmodeled.timing]": schema.Timing,
    "[randomize.unmodeled.marker_loss]": schema.MarkerLoss,
    "[randomize.unmodeled.occlusion]": schema.Occlusion,
    "[randomize.unmodeled.force]": schema.Force,
    "[randomize.appearance]": schema.RandomizeAppearance,
    "[randomize.pose]": schema.RandomizePose,
    "[policy]": schema.Policy,
    "[policy.actor] and [policy.critic]": schema.Network,
    "[ppo]": schema.PPO,
    "[rollout]": schema.Rollout,
    "[evaluate]": schema.Evaluate,
    "[wire]": schema.Wire,
    "[run]": schema.Run,
    "[calibrate]": schema.Calibrate,
    "[calibrate.parameters.NAME]": schema.FittedParameter,
    "[robot]": schema.Robot,
    "[robot.safety]": schema.Safety,
    "[robot.gap]": schema.Gap,
    "[robot.sensors]": schema.Sensors,
    "[robot.cameras.NAME]": schema.RobotCamera,
    "[robot.ros]": schema.Ros,
    "[render]": schema.Render,
    "[vision]": schema.Vision,
    "[vision.network]": schema.VisionNetwork,
    "[vision.training]": schema.VisionTraining,
}


def section(title):
    return PAGE.partition(f'.SS "{title}"\n')[2].partition("\n.S")[0]


def test_the_page_has_a_section_for_every_table_of_the_schema():
    kinds = {kind for kind in vars(schema).values() if isinstance(kind, type) and issubclass(kind, schema.Table)}
    assert set(TABLES.values()) == kinds - {schema.Table, schema.Profile}


def spelled(field):
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, schema.Table):
        return "that of each key"
    if default is None:
        return "none"
    if default in ("", [], {}):
        return "empty"
    if isinstance(default, bool) or not isinstance(default, float):
        return shown(default).strip('"')
    return f"{default:g}"


@pytest.mark.parametrize("title", TABLES)
def test_a_section_has_every_key_with_its_type_and_default_and_no_other(title):
    types = get_type_hints(TABLES[title], include_extras=True)
    expected = {}
    for field in msgspec.structs.fields(TABLES[title]):
        default = "" if field.required else f", default {spelled(field)}"
        expected[field.name] = f"({describe(types[field.name])}{default})"
    lines = section(title).splitlines()
    given = {line[3:]: lines[index + 1] for index, line in enumerate(lines) if line.startswith(".B ")}
    assert given == expected


def test_the_page_names_every_observation():
    assert f"{', '.join(OBSERVATIONS)}." in section("[policy.actor] and [policy.critic]")
