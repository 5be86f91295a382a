"""``dexctl simulate --samples`` as it is installed: what was drawn, told to people and to programs."""

import json

import pytest
from PIL import Image
from scipy import stats


def test_a_distribution_can_be_checked_from_the_shell(shell):
    done = shell("dexctl simulate -p block-paper --samples 300 --seed 3 --json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["profile"], document["samples"], document["seed"]) == ("block-paper", 300, 3)
    drawn = {one["key"]: one for one in document["drawn"]}
    gain = drawn["randomize.physics.actuator_gain"]
    assert (gain["per"], gain["each"], gain["stated"]) == ("episode", "actuator", {"loguniform": [0.75, 1.5]})
    assert [len(row) for row in gain["values"]] == [20] * 300
    assert gain["count"] == 6000
    numbers = sorted(number for row in gain["values"] for number in row)
    assert stats.kstest(numbers, stats.loguniform(0.75, 1.5).cdf).pvalue > 1e-4
    assert (gain["least"], gain["most"]) == pytest.approx((numbers[0], numbers[-1]), rel=1e-6)
    assert gain["median"] == pytest.approx(numbers[2999], rel=1e-3)
    assert drawn["randomize.unmodeled.delay.probability"]["chance"] is True
    lights = drawn["randomize.appearance.num_lights"]
    assert (lights["per"], lights["stated"], lights["least"], lights["most"]) == ("picture", [4, 6], 4, 6)
    assert drawn["randomize.pose.turned"]["mean"] == pytest.approx(0.4, abs=0.12)


def test_people_get_a_table(shell):
    off = ("observation", "unmodeled", "appearance", "pose")
    settings = " ".join(f"--set randomize.{group}.on=false" for group in off)
    done = shell(f"dexctl simulate -p block-paper {settings} --samples 3")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["randomize.", "for", "each"]
    assert len(lines) == 1 + 8
    assert all(line.startswith("physics.") for line in lines[1:])


@pytest.mark.slow
def test_quiet_prints_only_the_path_of_the_figure(shell, tmp_path):
    done = shell("dexctl simulate -p block-paper --samples 3 --plot a.png --quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.png\n", "")
    with Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 1000


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("-p block --samples 5", 64, "block randomizes nothing"),
        ("-p block-paper --plot a.png", 64, "--plot belongs to --samples N"),
        ("-p block-paper --samples 5 --png a.png", 64, "--png belongs to a policy's play, not to --samples"),
        ("-p block-paper --samples 5 --plot a.jpg", 64, ".png"),
        ("-p block-paper --samples 5 --plot none/a.png", 73, "none"),
        ("-p block-paper --samples 5 --set randomize.physics.mass.uniform=[-0.5,1.5]", 78, "randomize.physics.mass"),
        ("-p block-paper --samples 5 --set randomize.physics.mass.uniform=[1.5,0.5]", 78, "randomize.physics.mass"),
        (
            "-p block-paper --samples 5 --set randomize.physics.mass={loguniform=[0.0,2.0]}",
            78,
            "randomize.physics.mass",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(shell, tmp_path, line, code, told):
    done = shell(f"dexctl simulate {line}")
    assert done.returncode == code
    assert told in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())
