#!/usr/bin/env python
"""Puts a trained policy among those that ship, when 100 trials say that it is better than the one there.

tools/ship.py RUN NAME [TRIALS]

Both play the same trials of the profile that RUN names; without a policy of that name there is
nothing to be better than. Exit code 1: it is not better, and nothing was changed.
profiles/policies/NAME then has the networks without the optimizer's state, the profile, the scores, the
learning curve, and the commands and the machine that made them.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.harness import describe_machine
from curves import thinned

from dexctl import __version__
from dexctl.evaluate.curve import draw_curves, read_iterations
from dexctl.policy import checkpoint
from dexctl.policy.naming import shipped_policies

ROOT = Path(__file__).resolve().parent.parent
POLICIES = ROOT / "profiles" / "policies"
LEARNED = ("actor.", "critic.", "value_scale.")


def main(run: Path, name: str, trials: str) -> None:
    """Compares, then writes."""
    saved = checkpoint.read(run)
    there = [name] if name in shipped_policies() else []
    document = _evaluated([*there, str(saved.path)], _option(run, "--profile", "-p"), trials)
    new = document["policies"][-1]
    if there and new["less_first"]["verdict"] != "more":
        old = document["policies"][0]
        sys.exit(f"Not better than the one that ships: {new['mean']:.2f} against {old['mean']:.2f} goals in a row.")
    new["name"] = name
    document["policies"] = [{key: value for key, value in new.items() if key != "less_first"}]

    folder = POLICIES / name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.write(
        folder / "policy.safetensors",
        profile=saved.profile,
        digest=saved.header.digest,
        progress=saved.header.progress,
        tensors={key: value for key, value in saved.tensors.items() if key.startswith(LEARNED)},
        program=__version__,
    )
    (folder / "profile.toml").write_bytes((run / "profile.toml").read_bytes())
    curves = {one.name: thinned(read_iterations(one / "events.jsonl")) for one in _line_of(run)}
    (folder / "curve.json").write_text(json.dumps(curves, separators=(",", ":")) + "\n", encoding="utf-8")
    draw_curves(curves, folder / "curve.png")
    _write_json(folder / "evaluation.json", document)
    _write_json(folder / "made.json", _made(run, saved))
    print(f"{folder}: {new['mean']:.2f} +- {new['std']:.2f} goals in a row, median {new['median']:g}")


def _evaluated(policies: list[str], profile: str, trials: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "dexctl", "evaluate", "--profile", profile, "--trials", trials, "--json"]
    for policy in policies:
        command += ["--policy", policy]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout)


def _made(run: Path, saved: checkpoint.Checkpoint) -> dict[str, Any]:
    line = _line_of(run)
    progress = [*(checkpoint.read(one).header.progress for one in line[:-1]), saved.header.progress]
    return {
        "commands": [_command(one) for one in line],
        "machine": describe_machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "steps": sum(one.steps for one in progress),
        "seconds": round(sum(one.seconds for one in progress)),
    }


def _command(run: Path) -> str:
    """As it was called, with its runs where they lie by default."""
    words = (f"runs/{Path(word).name}" if Path(word).is_dir() else word for word in _arguments(run))
    return shlex.join(["dexctl", *words])


def _line_of(run: Path) -> list[Path]:
    """The runs one began from the other, as far back as their folders are there; the oldest first."""
    before = Path(_option(run, "--from"))
    return [*(_line_of(before) if (before / "events.jsonl").is_file() else []), run]


def _option(run: Path, *names: str) -> str:
    arguments = _arguments(run)
    return next((arguments[arguments.index(name) + 1] for name in names if name in arguments), "")


def _arguments(run: Path) -> list[str]:
    with (run / "events.jsonl").open(encoding="utf-8") as lines:
        return json.loads(next(lines))["argv"][1:]


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "100")
