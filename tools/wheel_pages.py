"""Puts every manual page into the wheel, under its section; hatchling runs this when it builds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface):
    """Adds man/NAME.N as share/man/manN/NAME.N."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the pages to what the wheel installs beside the package."""
        for page in sorted(Path(self.root, "man").glob("*.[157]")):
            build_data["shared_data"][str(page)] = f"share/man/man{page.suffix[1:]}/{page.name}"
