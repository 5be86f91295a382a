"""Training figures for TensorBoard, where the extra is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dexctl.errors import UnavailableError

FOLDER = "tensorboard"


class Board:
    """Writes the numbers of every ``iteration`` event, environment steps along the axis."""

    def __init__(self, run: Path) -> None:
        """Opens the run's ``tensorboard`` folder.

        Raises:
            UnavailableError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UnavailableError("TensorBoard is not installed", "pip install 'dexctl[tensorboard]'") from error
        self._writer = SummaryWriter(str(run / FOLDER))

    def write(self, fields: Mapping[str, Any]) -> None:
        """Writes all numbers of an event, nested ones by path."""
        self._write(fields, "", int(fields["steps"]))
        self._writer.flush()

    def _write(self, fields: Mapping[str, Any], prefix: str, steps: int) -> None:
        for name, value in fields.items():
            if isinstance(value, Mapping):
                self._write(value, f"{prefix}{name}/", steps)
            elif isinstance(value, int | float):
                self._writer.add_scalar(f"{prefix}{name}", value, steps)

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
