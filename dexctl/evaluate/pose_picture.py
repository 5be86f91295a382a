"""The worst estimates as one picture: every camera's view with the true pose drawn in green, the estimated in red."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from dexctl.evaluate.pose_errors import PoseErrors
from dexctl.profile.schema import Profile
from dexctl.scene.picture import encode_png
from dexctl.store.images import Images
from dexctl.store.whole_file import write_whole
from dexctl.vision.feed import read_pictures
from dexctl.vision.landmarks import landmarks_in_world, project

_TRUE, _ESTIMATED, _CAPTION = (0, 230, 80), (255, 40, 40), (20, 20, 20)
_VIEW_PX = 240
_CAPTION_PX = 18
_COLUMNS = 2
# Corners of a cube are neighbours where their numbers differ in one bit.
_EDGES = [(a, b) for a, b in itertools.combinations(range(8), 2) if (a ^ b).bit_count() == 1]


def worst_rows(errors: PoseErrors, count: int) -> list[int]:
    """Rows with the largest rotation errors, the worst first."""
    return np.argsort(-errors.rotation_deg)[:count].tolist()


def draw_poses(images: Images, profile: Profile, errors: PoseErrors, rows: list[int], path: Path) -> None:
    """Draws rows of a dataset, two side by side.

    Args:
        profile: of the object.

    Raises:
        CreateError, InputOutputError: the picture cannot be written.
    """
    tiles = [_tile(images, profile, errors, row) for row in rows]
    height, width = tiles[0].shape[:2]
    while len(tiles) % _COLUMNS:
        tiles.append(np.full((height, width, 3), 255, np.uint8))
    lines = [np.concatenate(tiles[start : start + _COLUMNS], axis=1) for start in range(0, len(tiles), _COLUMNS)]
    write_whole(path, encode_png(np.concatenate(lines)))


def _tile(images: Images, profile: Profile, errors: PoseErrors, row: int) -> np.ndarray:
    seen = read_pictures(images, row, row + 1)
    camera = (seen.camera_position_m, seen.camera_quaternion_wxyz, seen.camera_fov_deg)
    poses = (
        (_TRUE, seen.position_m, seen.quaternion_wxyz),
        (_ESTIMATED, errors.position_m[row : row + 1], errors.quaternion_wxyz[row : row + 1]),
    )
    views = [Image.fromarray(one).resize((_VIEW_PX, _VIEW_PX), Image.Resampling.NEAREST) for one in seen.pictures[0]]
    for color, position_m, quaternion_wxyz in poses:
        points = landmarks_in_world(profile, torch.from_numpy(position_m), torch.from_numpy(quaternion_wxyz))[:, :8]
        places = project(points, *map(torch.from_numpy, camera))[0]
        for view, corners in zip(views, ((places + 1.0) * 0.5 * _VIEW_PX).tolist(), strict=True):
            pen = ImageDraw.Draw(view)
            for a, b in _EDGES:
                pen.line([*corners[a], *corners[b]], fill=color, width=2)
    tile = Image.new("RGB", (_VIEW_PX * len(views), _VIEW_PX + _CAPTION_PX), (255, 255, 255))
    for index, view in enumerate(views):
        tile.paste(view, (index * _VIEW_PX, _CAPTION_PX))
    text = f"row {row}: {errors.rotation_deg[row]:.1f} degrees, {errors.position_mm[row]:.1f} mm"
    ImageDraw.Draw(tile).text((4, 3), text, fill=_CAPTION)
    return np.asarray(tile)
