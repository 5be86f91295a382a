"""What a calibration found, as a document and as one page that needs nothing beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dexctl.calibrate.fitting import FingerFit
from dexctl.calibrate.scoring import Score
from dexctl.scene import names

_STYLE = """
body { margin: 0; background: #f5f6f8; color: #24282e; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; margin: 0 0 6px; } h2 { font-size: 19px; margin: 36px 0 12px; }
section { background: #fff; border: 1px solid #e4e7eb; border-radius: 10px; padding: 20px 22px; overflow-x: auto; }
section > svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; color: #59616b; font-size: 13px; padding: 0 0 8px 18px; }
td { text-align: right; padding: 6px 0 6px 18px; border-top: 1px solid #edeff2; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.open td { color: #8a9099; } p { color: #59616b; max-width: 75ch; }
"""


def joints_document(before: Mapping[str, Score], after: Mapping[str, Score]) -> list[dict[str, Any]]:
    """Errors of every joint that was measured, before and after, by split, degrees."""
    rows = []
    for index, joint in enumerate(names.JOINTS):
        if any(one.windows[index] for one in before.values()):
            row: dict[str, Any] = {"joint": joint}
            for split in before:
                row |= {
                    f"{split}_windows": int(before[split].windows[index]),
                    f"{split}_before_deg": _number(before[split].joint_deg[index]),
                    f"{split}_after_deg": _number(after[split].joint_deg[index]),
                }
            rows.append(row)
    return rows


def parameters_document(fits: Sequence[FingerFit]) -> list[dict[str, Any]]:
    """Every parameter: before, now, its 95% interval, and whether the recording determines it."""
    rows = []
    for one in fits:
        for index, (kind, owner) in enumerate(one.parameters):
            sure = one.confidence
            rows.append(
                {
                    "finger": one.finger,
                    "of": owner,
                    "kind": kind,
                    "before": float(one.before[index]),
                    "value": float(one.values[index]),
                    "low": float(sure.low[index]) if sure else None,
                    "high": float(sure.high[index]) if sure else None,
                    "share_of_spread": float(sure.deviation[index]) if sure else None,
                    "determined": bool(sure.determined[index]) if sure else False,
                }
            )
    return rows


def page(document: Mapping[str, Any], overlays: Mapping[str, str]) -> str:
    """The page.

    Args:
        document: of the session.
        overlays: SVG by finger.
    """
    joints = [
        (one["joint"], one["held_out_windows"], one["held_out_before_deg"], one["held_out_after_deg"])
        for one in document["joints"]
    ]
    parameters = document["parameters"]
    known = [one for one in parameters if one["determined"]]
    unknown = [f"{one['of']} {one['kind']}" for one in parameters if not one["determined"]]
    total = document["error_deg"]["held_out"]
    parts = [
        f"<h1>Calibration of {html.escape(document['hand'])}</h1>",
        f"<p>Joint angles one second after each window's beginning, in {document['windows']['held_out']} windows that "
        f"the fit never saw: {_text(total['before'])}&deg; before, {_text(total['after'])}&deg; after. "
        f"Method {html.escape(document['method'])}, recording {html.escape(document['recording'])} "
        f"({document['digest']}).</p>",
        "<h2>Error by joint, held-out windows</h2>",
        _table(("joint", "windows", "before, deg", "after, deg"), joints),
        "<h2>Measured and simulated motion, held-out windows</h2>",
        *(f"<h3>{html.escape(finger)}</h3><section>{svg}</section>" for finger, svg in overlays.items()),
        f"<h2>Determined by the recording: {len(known)} of {len(parameters)}</h2>",
        _table(
            ("number", "before", "now", "95% from", "to"),
            [(f"{one['of']} {one['kind']}", one["before"], one["value"], one["low"], one["high"]) for one in known],
        ),
        "<h2>Not determined</h2>",
        f"<section><p>{html.escape(', '.join(unknown)) or 'None.'}</p></section>",
        "<h2>Left out</h2>",
        f"<section><p>{'<br>'.join(map(html.escape, document['faults'])) or 'Nothing.'}</p></section>",
    ]
    title = html.escape(f"Calibration of {document['hand']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<main>{''.join(parts)}</main></html>"
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(one)}</th>" for one in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(_text(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<section><table><tr>{head}</tr>{body}</table></section>"


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
