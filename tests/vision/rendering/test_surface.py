import colorsys

import numpy as np
import pytest

from dexctl.randomize.appearance import NUM_PATTERNS
from dexctl.vision.rendering.surface import Tint, pattern, shift, thin, to_hsv, to_rgb


def ball(parts=40):
    theta, phi = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, parts), np.arange(parts) * 2 * np.pi / parts, indexing="ij"
    )
    points = np.stack((np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)), axis=-1).reshape(-1, 3)
    corner = np.arange(parts * (parts - 1)).reshape(parts - 1, parts)
    right = np.roll(corner, -1, axis=1)
    upper = np.stack((corner, corner + parts, right), axis=-1)
    lower = np.stack((right, corner + parts, right + parts), axis=-1)
    return points, np.concatenate((upper.reshape(-1, 3), lower.reshape(-1, 3)))


def area(points, faces):
    a, b, c = points[faces].swapaxes(0, 1)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def test_a_thinner_surface_keeps_its_shape():
    points, faces = ball()
    fewer_points, fewer = thin(points, faces, 0.2)
    assert len(fewer) < 0.35 * len(faces)
    np.testing.assert_allclose(np.linalg.norm(fewer_points, axis=1), 1.0, atol=0.05)
    assert area(fewer_points, fewer) == pytest.approx(area(points, faces), rel=0.06)


def test_tiny_cells_change_nothing():
    points, faces = ball(12)
    _, same = thin(points, faces, 1e-9)
    assert len(same) == len(faces)


def test_colours_go_to_hue_saturation_and_value_and_back():
    rgb = np.random.default_rng(0).random((500, 3))
    hsv = to_hsv(rgb)
    np.testing.assert_allclose(hsv, [colorsys.rgb_to_hsv(*color) for color in rgb], atol=1e-12)
    np.testing.assert_allclose(to_rgb(hsv), rgb, atol=1e-12)


def test_white_letters_stay_white_when_faces_change():
    hsv = to_hsv(np.array([[1.0, 1.0, 1.0], [0.3, 0.5, 0.0]]))
    white, face = shift(hsv, 0.01, 0.15, 0.0)
    np.testing.assert_allclose(white, 1.0)
    assert not np.allclose(face, [0.3, 0.5, 0.0], atol=0.01)


def test_a_tint_of_nothing_leaves_a_texture_nearly_as_it_was():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4], pixels[4:, :4] = (74, 138, 0), (255, 255, 255)
    tint = Tint(pixels)
    assert np.abs(tint.shifted(0.0, 0.0, 0.0).astype(int) - pixels).max() <= 2
    darker = tint.shifted(0.0, 0.0, -0.1)
    assert darker.mean() < pixels.mean() - 10


def test_patterns_differ_and_repeat():
    patterns = [pattern(index) for index in range(NUM_PATTERNS)]
    for index, one in enumerate(patterns):
        assert one.shape == (64, 64, 3)
        assert one.std() > 5
        np.testing.assert_array_equal(one, pattern(index))
        assert all(not np.array_equal(one, other) for other in patterns[:index])
