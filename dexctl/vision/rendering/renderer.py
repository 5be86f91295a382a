"""What a renderer is, and how one is opened: one for each process, which has one GL or Vulkan context."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from dexctl.profile import schema

if TYPE_CHECKING:
    from dexctl.randomize.appearance import Look

Kind = Literal["classic", "filament"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Renderer(Protocol):
    """Draws states as all cameras see them; a context manager.

    Attributes:
        look: draws how pictures look.
        object_qpos: where the object's seven numbers begin in qpos.
        device: what draws, as its driver calls it.
    """

    look: Look
    object_qpos: int
    device: str

    def draw(self, qpos: np.ndarray, appearance: Mapping[str, np.ndarray]) -> np.ndarray:
        """Draws n states.

        Args:
            qpos: (n, Q) of hand and object.
            appearance: (n, ...) arrays as ``look.draw`` gives them.

        Returns:
            (n, C, size, size, 3) uint8, rows from the top.
        """
        ...

    def __enter__(self) -> Renderer: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_renderer(kind: Kind, profile: schema.Profile, size_px: int) -> Renderer:
    """Opens a renderer.

    Raises:
        UnavailableError: this machine cannot draw so.
    """
    if kind == "classic":
        from dexctl.vision.rendering.classic import ClassicRenderer

        return ClassicRenderer(profile, size_px)
    from dexctl.vision.rendering.filament import FilamentRenderer

    return FilamentRenderer(profile, size_px)
