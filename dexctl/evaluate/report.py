"""An evaluation as one page that needs nothing beside it: tables, plots, pictures of trials."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from dexctl.evaluate.film_strip import Frame

_ENDS = {
    "full": ("#009e73", "all goals"),
    "timeout": ("#e69f00", "out of time"),
    "drop": ("#d55e00", "dropped"),
    "error": ("#6b7280", "simulation failed, or robot stopped"),
}
_JPEG_QUALITY = 84
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: #24282e; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.02em; }
h2 { font-size: 19px; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0 0 10px; font-weight: 600; }
p { margin: 0 0 12px; color: #59616b; max-width: 75ch; }
section { background: #fff; border: 1px solid #e4e7eb; border-radius: 10px; padding: 20px 22px; margin-bottom: 14px;
  overflow-x: auto; }
section > svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; color: #59616b; font-size: 13px; padding: 0 0 8px 18px; white-space: nowrap; }
td { text-align: right; padding: 9px 0 9px 18px; border-top: 1px solid #edeff2; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.name { font-weight: 600; white-space: normal; }
tr.paper td { color: #6b7280; font-weight: 400; }
td.big { font-size: 17px; font-weight: 600; }
.bar { display: flex; width: 190px; height: 12px; border-radius: 6px; overflow: hidden; margin-left: auto; }
.legend { display: flex; gap: 18px; margin-top: 14px; color: #59616b; font-size: 13px; flex-wrap: wrap; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.strip { display: grid; grid-template-columns: repeat(8, 1fr); gap: 6px; margin-bottom: 22px; min-width: 860px; }
.strip:last-child { margin-bottom: 0; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 5px; }
figcaption { font-size: 12px; color: #59616b; padding-top: 3px; }
video { display: block; width: 480px; max-width: 100%; border-radius: 6px; margin: -8px 0 22px; }
.trials { color: #59616b; font-variant-numeric: tabular-nums; white-space: normal; text-align: left; }
code { font: 13px/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
"""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A trial to be looked at.

    Attributes:
        title: which it is, and how it ended.
        strip: its pictures.
        film: an MP4 file's content, or empty.
    """

    title: str
    strip: Sequence[Frame]
    film: bytes = b""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says.

    Attributes:
        title: what was scored; lead: how, in a sentence or two.
        names: of what was scored, policies or recordings, as people tell them apart.
        scores: of each, and rows of the paper, as ``dexctl evaluate --json`` gives them.
        sorted_svg, curves_svg: pictures; the second may be empty.
        trials: by name.
        timing: of the control steps on a robot by name, as ``recorded_timing`` gives it; may be empty.
        command: that made it.
    """

    title: str
    lead: str
    names: Sequence[str]
    scores: Sequence[Mapping[str, Any]]
    paper: Sequence[Mapping[str, Any]]
    sorted_svg: str
    curves_svg: str
    trials: Mapping[str, Sequence[Shown]]
    timing: Mapping[str, Mapping[str, float]]
    command: str


def write_page(page: Page) -> str:
    """The page as HTML."""
    title = page.title
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}: goals in a row</title><style>{_STYLE}</style><main>",
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(page.lead)}</p>",
        _section(_scores(page) + _legend()),
        _section(page.sorted_svg),
    ]
    if page.timing:
        parts += ["<h2>Control steps, from reading to command</h2>", _section(_timing(page))]
    if len(page.names) > 1:
        parts += [f"<h2>Compared with {_text(page.names[0])}, trial by trial</h2>", _section(_differences(page))]
    if page.curves_svg:
        parts += ["<h2>While training</h2>", _section(page.curves_svg)]
    for name, shown in page.trials.items():
        parts += [f"<h2>{_text(name)}: trials to look at</h2>", _section("".join(map(_trial, shown)))]
    parts += ["<h2>Every trial, sorted</h2>", _section(_every_trial(page))]
    parts += ["<h2>Made by</h2>", _section(f"<code>{_text(page.command)}</code>"), "</main></html>"]
    return "\n".join(parts) + "\n"


def _scores(page: Page) -> str:
    headings = ("", "mean", "std", "median", "95% interval", "s a goal", "how trials ended")
    rows = []
    for name, one in zip(page.names, page.scores, strict=True):
        cells = (_number(one["std"]), _number(one["median"]), _range(one["interval"]), _number(one["time_per_goal_s"]))
        rows.append(
            f'<tr><td class="name">{_text(name)}</td><td class="big">{_number(one["mean"])}</td>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + f"<td>{_bar(one['ends'])}</td></tr>"
        )
    for row in page.paper:
        label = f"paper, {row['source']}, {row['place']}: {row['label']}"
        numbers = "".join(f"<td>{_number(row[key])}</td>" for key in ("mean", "std", "median"))
        rows.append(f'<tr class="paper"><td>{_text(label)}</td>{numbers}<td></td><td></td><td></td></tr>')
    return _table(headings, rows)


def _differences(page: Page) -> str:
    rows = []
    for name, one in list(zip(page.names, page.scores, strict=True))[1:]:
        apart = one["less_first"]
        cells = (
            ("-", "-", "-", "undecided")
            if apart is None
            else (_signed(apart["mean"]), _range(apart["interval"]), f"{apart['p']:.4f}", apart["verdict"])
        )
        rows.append(
            f'<tr><td class="name">{_text(name)}</td>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        )
    return _table(("", "goals more", "95% interval", "p", "verdict"), rows)


def _timing(page: Page) -> str:
    rows = [
        f'<tr><td class="name">{_text(name)}</td><td>{one["steps"]}</td><td>{one["late"]}</td>'
        + "".join(f"<td>{one[key]:.1f}</td>" for key in ("worst_late_ms", "step_median_ms", "step_p99_ms"))
        + "</tr>"
        for name, one in page.timing.items()
    ]
    return _table(("", "steps", "begun late", "worst, ms", "a step takes, median, ms", "99%, ms"), rows)


def _every_trial(page: Page) -> str:
    rows = [
        f'<tr><td class="name">{_text(name)}</td><td class="trials">{" ".join(map(str, one["trials"]))}</td></tr>'
        for name, one in zip(page.names, page.scores, strict=True)
    ]
    return f"<table>{''.join(rows)}</table>"


def _trial(shown: Shown) -> str:
    frames = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{_base64(_jpeg(frame.picture))}">'
        f"<figcaption>{_clock(frame.seconds)} &middot; {frame.goals} reached</figcaption></figure>"
        for frame in shown.strip
    )
    film = ""
    if shown.film:
        film = f'<video controls muted playsinline src="data:video/mp4;base64,{_base64(shown.film)}"></video>'
    return f'<h3>{_text(shown.title)}</h3><div class="strip">{frames}</div>{film}'


def _bar(ends: Mapping[str, int]) -> str:
    total = max(1, sum(ends.values()))
    parts = "".join(
        f'<span style="width:{100 * ends[end] / total:.2f}%;background:{color}" title="{ends[end]} {words}"></span>'
        for end, (color, words) in _ENDS.items()
    )
    return f'<span class="bar">{parts}</span>'


def _legend() -> str:
    entries = "".join(f'<span><i style="background:{color}"></i>{words}</span>' for color, words in _ENDS.values())
    return f'<div class="legend">{entries}</div>'


def _table(headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{_text(heading)}</th>" for heading in headings)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _section(content: str) -> str:
    return f"<section>{content}</section>"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}".removesuffix(".00")


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _range(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else "-"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _text(words: str) -> str:
    return html.escape(words)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="jpeg", quality=_JPEG_QUALITY, optimize=True)
    return file.getvalue()
