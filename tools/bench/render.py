"""Images per second with everything randomized, beside the bare renderer drawing the very same scenes again.

At the size of ``vision-small``, in one process. Bare is the renderer's own call and reading the picture
back; rendering draws the look, poses, dresses, lights, aims, averages samples, and hands rows over.
Storing adds writing the rows to Zarr. The first argument limits the bench to one renderer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import mujoco
import numpy as np
import torch
from harness import bench

from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.store.images import ImagesMetadata, ImagesWriter
from dexctl.vision.rendering.classic import ClassicRenderer
from dexctl.vision.rendering.drawing import Drawing
from dexctl.vision.rendering.filament import FilamentRenderer
from dexctl.vision.rendering.renderer import Kind

PROFILE = "vision-small"
STATES = {"classic": 256, "filament": 24}


class Subject:
    """One renderer, and the states that it draws."""

    def __init__(self, kind: Kind) -> None:
        self.loaded = load(PROFILE)
        profile = self.loaded.profile
        assert profile.vision
        self.kind, self.size_px, self.count = kind, profile.vision.image_px, STATES[kind]
        self.drawing = Drawing(kind, profile, self.size_px, seed=0)
        scene = build_scene(profile)
        self.qpos = np.repeat(scene.model.qpos0[None].astype(np.float32), self.count, axis=0)
        at = scene.object_qpos
        self.qpos[:, at : at + 3] = profile.object.spawn_m
        self.images = self.count * len(profile.cameras)
        self.folder = tempfile.TemporaryDirectory()
        self.written = 0

    def draw(self, first: int = 0, count: int | None = None) -> dict[str, np.ndarray]:
        """Rows from ``first`` on."""
        row = np.arange(first, first + (self.count if count is None else count))
        return self.drawing.rows(row, row, row, self.qpos[: len(row)])

    def bare(self) -> dict[str, float]:
        """Draws each row once, and times the renderer drawing it again."""
        renderer = self.drawing._renderer
        again = _classic_again if isinstance(renderer, ClassicRenderer) else _filament_again
        seconds = 0.0
        for row in range(self.count):
            self.draw(row, 1)
            started = time.perf_counter()
            again(renderer)
            seconds += time.perf_counter() - started
        return {f"bare_{self.kind}_images_per_s": self.images / seconds}

    def render(self) -> dict[str, float]:
        """Rows, as a process of ``dexctl render`` makes them."""
        started = time.perf_counter()
        for first in range(0, self.count, 16):
            self.draw(first, min(16, self.count - first))
        return {f"{self.kind}_images_per_s": self.images / (time.perf_counter() - started)}

    def store(self) -> dict[str, float]:
        """The same, written to Zarr."""
        profile = self.loaded.profile
        metadata = ImagesMetadata(
            profile=msgspec.to_builtins(profile),
            profile_digest=self.loaded.digest,
            cameras=list(profile.cameras),
            renderer=self.kind,
            seed=0,
            height_px=self.size_px,
            width_px=self.size_px,
            positions=self.qpos.shape[1],
        )
        self.written += 1
        path = Path(self.folder.name) / f"{self.written}.zarr"
        started = time.perf_counter()
        with ImagesWriter(path, metadata, self.drawing.appearance) as writer:
            for first in range(0, self.count, 16):
                writer.append(self.draw(first, min(16, self.count - first)))
        return {"stored_images_per_s": self.images / (time.perf_counter() - started)}


def _classic_again(renderer: ClassicRenderer) -> None:
    for view in renderer._views:
        mujoco.mjr_render(view, renderer._scene, renderer._context)
    mujoco.mjr_readPixels(renderer._pixels, None, renderer._whole, renderer._context)


def _filament_again(renderer: FilamentRenderer) -> None:
    renderer._context.wait_for_frame(renderer._context.render(renderer._requests, [renderer._read]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    only = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in STATES else list(STATES)
    cases: list[Callable[[], Mapping[str, float]]] = []
    ratios: dict[str, tuple[str, str]] = {}
    for name in only:
        subject = Subject("classic" if name == "classic" else "filament")
        cases += [subject.bare, subject.render]
        ratios[f"{name}_over_bare"] = (f"{name}_images_per_s", f"bare_{name}_images_per_s")
        if name == "classic":
            cases.append(subject.store)
            ratios["store_over_render"] = ("stored_images_per_s", "classic_images_per_s")
    bench("render", cases, ratios)
