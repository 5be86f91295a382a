"""The folder of a report: one page for people, and the document it was made of."""

from __future__ import annotations

import dataclasses
import functools
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dexctl.console.json_text import to_json
from dexctl.console.run_folder import EVENTS
from dexctl.errors import CreateError
from dexctl.evaluate.curve import curves_svg, read_iterations
from dexctl.evaluate.film_strip import chosen_trials, film_trial, paint_strips
from dexctl.evaluate.paper import Goals
from dexctl.evaluate.report import Page, Shown, write_page
from dexctl.evaluate.sorted_plot import sorted_svg
from dexctl.evaluate.tracks import Track
from dexctl.evaluate.trials import Trial
from dexctl.profile.schema import Profile
from dexctl.scene.picture import Painter
from dexctl.scene.stage import Stage
from dexctl.store.whole_file import write_whole

PAGE = "index.html"
DOCUMENT = "evaluation.json"
# A film that a page carries along is to stay small.
_FILM_S = 12.0
_ENDED = {"drop": "dropped", "timeout": "out of time", "full": "all goals reached"}


@dataclasses.dataclass(frozen=True)
class Played:
    """The trials of a policy, or of a recording, to be shown.

    Attributes:
        profile: that they were played in.
        track: from a trial's index to its states.
        run: the folder where the policy may have learned, or empty.
    """

    profile: Profile
    trials: Sequence[Trial]
    track: Callable[[int], Track]
    run: str = ""


def check_report(folder: Path, profile: Profile) -> None:
    """Checks that a report can be made, and makes nothing.

    Raises:
        CreateError: there is no place for it.
        UnavailableError: this machine cannot draw.
    """
    if not folder.parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise CreateError(f"{folder}: no folder can be made there", "Give --report another.")
    with Painter(Stage(profile).model, 16, 16):
        pass


def write_report(
    folder: Path,
    heading: tuple[str, str],
    document: dict[str, Any],
    scores: Sequence[tuple[str, dict[str, Any]]],
    paper: Sequence[Goals],
    played: Sequence[Played],
    film: bool,
    on_picture: Callable[[str], None],
    timing: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """Writes the page and its document into a folder, and returns the page's path.

    Args:
        heading: title and lead of the page.
        document: what ``--json`` shows; scores: in it, with the names that tell them apart.
        played: the trials of each score.
        film: also film the trials that are shown.
        on_picture: told before each picture whose it is; it may raise to leave.
        timing: of the control steps on a robot, by name.

    Raises:
        CreateError, InputOutputError: it cannot be written.
    """
    names = [name for name, _ in scores]
    shown = {}
    for name, one in zip(names, played, strict=True):
        shown[name] = _show(one, film, functools.partial(on_picture, name))
    page = Page(
        title=heading[0],
        lead=heading[1],
        names=names,
        scores=[score for _, score in scores],
        paper=document["paper"],
        sorted_svg=sorted_svg(scores, paper),
        curves_svg=curves_svg(_runs(names, played)),
        trials=shown,
        timing=timing or {},
        command=shlex.join(["dexctl", *sys.argv[1:]]),
    )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CreateError(f"{folder}: {error.strerror}", "Give --report another.") from error
    write_whole(folder / DOCUMENT, f"{to_json(document)}\n".encode())
    write_whole(folder / PAGE, write_page(page).encode())
    return folder / PAGE


def _show(played: Played, film: bool, on_picture: Callable[[], None]) -> list[Shown]:
    profile, trials = played.profile, chosen_trials(played.trials)
    chosen = [played.track(trial.index) for trial in trials.values()]
    strips = paint_strips(profile, chosen, on_picture)
    shown = []
    for (which, trial), track, strip in zip(trials.items(), chosen, strips, strict=True):
        goals = "1 goal" if trial.goals == 1 else f"{trial.goals} goals"
        title = f"The {which}, trial {trial.index}: {goals} in {trial.seconds:.1f} s, {_ENDED[trial.end]}"
        content = b""
        if film:
            with tempfile.TemporaryDirectory() as place:
                path = Path(place) / "trial.mp4"
                film_trial(profile, track, path, _ENDED[trial.end], _FILM_S, on_picture)
                content = path.read_bytes()
        shown.append(Shown(title=title, strip=strip, film=content))
    return shown


def _runs(names: Sequence[str], played: Sequence[Played]) -> dict[str, list[dict[str, Any]]]:
    """Learning curves of those policies that are runs with their events beside them."""
    events = {name: Path(one.run) / EVENTS for name, one in zip(names, played, strict=True) if one.run}
    return {name: read_iterations(path) for name, path in events.items() if path.is_file()}
