"""The names of MuJoCo's compiled modules, which type checkers cannot look into."""

from typing import Any

__version__: str

def __getattr__(name: str) -> Any: ...
