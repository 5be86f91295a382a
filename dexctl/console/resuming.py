"""What a run goes on from: its newest checkpoint that is whole."""

from __future__ import annotations

from pathlib import Path

from dexctl.errors import DataError
from dexctl.policy import checkpoint


def newest_whole(run: Path) -> tuple[checkpoint.Checkpoint | None, list[str]]:
    """The newest whole checkpoint of a run, and what is wrong with those after it.

    Damaged ones after it are renamed: out of the way of who asks for the newest, or removes old ones,
    and still there.

    Returns:
        The checkpoint, None where the run has none yet; and a warning for each damaged one.

    Raises:
        DataError: every checkpoint is damaged.
        ProtocolError: one is of another version of the program.
    """
    damaged: dict[Path, str] = {}
    for path in reversed(checkpoint.listed(run)):
        try:
            saved = checkpoint.read(path)
        except DataError as error:
            damaged[path] = str(error)
            continue
        for one in damaged:
            one.rename(one.with_suffix(".damaged"))
        return saved, list(damaged.values())
    if damaged:
        path, reason = next(iter(damaged.items()))
        first_line = reason.partition("\n")[0]
        raise DataError(
            f"{path.parent}: every checkpoint is damaged: {first_line}", "--fresh starts over beside this run."
        )
    return None, []
