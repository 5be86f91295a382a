import msgspec
import numpy as np
import pytest
import torch

from dexctl import rotation
from dexctl.errors import CreateError, DataError, ProtocolError
from dexctl.evaluate.pose_curve import draw_pose_curve, read_measurements
from dexctl.evaluate.pose_errors import PoseErrors, check_images, rotation_error_deg
from dexctl.profile.load import load
from dexctl.store.images import ImagesMetadata


class Images:
    """What checking asks of a dataset."""

    path = "a.zarr"

    def __init__(self, profile, **changes):
        about = {
            "profile": msgspec.to_builtins(profile),
            "profile_digest": "",
            "cameras": list(profile.cameras),
            "renderer": "classic",
            "seed": 0,
            "height_px": profile.vision.image_px,
            "width_px": profile.vision.image_px,
            "positions": 31,
        }
        self.metadata = ImagesMetadata(**(about | changes))


@pytest.fixture(scope="module")
def profile():
    return load("vision-small", [], {}).profile


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 8.0, 90.0, 180.0])
def test_the_error_is_the_angle_of_the_relative_rotation_whatever_the_sign(degrees):
    true = rotation.uniform(torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    turn = rotation.from_rotation_vector(torch.tensor([[0.6, 0.0, 0.8]], dtype=torch.float64) * np.radians(degrees))
    estimated = rotation.multiply(turn.expand(5, 4), true)
    for sign in (1.0, -1.0):
        found = rotation_error_deg((sign * estimated).numpy(), true.numpy())
        assert found == pytest.approx(np.full(5, degrees), abs=1e-5)


def test_the_summary_is_mean_sample_deviation_median_and_percentile():
    values = np.array([1.0, 2.0, 3.0, 10.0])
    errors = PoseErrors("a", "classic", np.zeros((4, 3)), np.zeros((4, 4)), values, 2 * values)
    found = errors.document()
    assert found["rotation_deg"]["mean"] == 4.0
    assert found["rotation_deg"]["std"] == pytest.approx(np.sqrt(50 / 3))
    assert found["rotation_deg"]["median"] == 2.5
    assert found["rotation_deg"]["percentile_95"] == pytest.approx(8.95)
    assert found["position_mm"]["worst"] == 20.0


def test_pictures_of_the_same_profile_fit_and_others_are_refused(profile):
    check_images(Images(profile), profile)
    with pytest.raises(DataError, match="array images: pictures of 32 x 64 px"):
        check_images(Images(profile, width_px=32), profile)
    with pytest.raises(ProtocolError, match="cameras left"):
        check_images(Images(profile, cameras=["left"]), profile)
    moved = load("vision-small", ["cameras.left.vertical_fov_deg=40.0"], {}).profile
    with pytest.raises(ProtocolError, match="camera left"):
        check_images(Images(moved), profile)


def test_the_curve_of_a_run_is_drawn_from_its_events(tmp_path):
    summary = {"mean": 9.0, "median": 8.0}
    rows = [
        {"images": name, "renderer": name, "states_learned": states, "rotation_deg": summary, "position_mm": summary}
        for name in ("classic", "filament")
        for states in (16, 32)
    ]
    lines = ['{"event":"start"}', *(msgspec.json.encode({"event": "measurement", **row}).decode() for row in rows)]
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join([*lines, '{"event":"measurement","torn']))
    found = read_measurements(events)
    assert [row["states_learned"] for row in found] == [16, 32, 16, 32]
    path = tmp_path / "vision.png"
    draw_pose_curve([], "a", path)
    assert not path.exists()
    draw_pose_curve(found, "a", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(CreateError):
        draw_pose_curve(found, "a", tmp_path / "nowhere" / "vision.png")
