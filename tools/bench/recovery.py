"""How well calibration finds a hand whose numbers nobody knows: errors held out, numbers recovered, intervals, time.

    python tools/bench/recovery.py --seeds 0 1 2 3 4 --method least-squares > recovery.json

Each seed draws a hand around hand/shadow, moves it through the script and fits hand/shadow to the recording.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import msgspec
import numpy as np
from drawn_hand import draw_hand, record

from dexctl.calibrate.fingers import FINGERS, fingers
from dexctl.calibrate.fitting import Task, fit, fitted_hand
from dexctl.calibrate.parameters import ACTUATOR_KINDS, JOINT_KINDS, HandNumbers, numbers_of
from dexctl.calibrate.scoring import replayed, score
from dexctl.calibrate.touching import touching
from dexctl.calibrate.windows import cut
from dexctl.profile.load import load

KINDS = (*JOINT_KINDS, *ACTUATOR_KINDS)
# The numbers that matter most, and how near they must come where the interval says that they are known so well.
MATTER = ("damping", "gain", "lower_limit", "upper_limit")
NEAR = 0.15


def recover(seed: int, method: str, noise_rad: float, delay_steps: int, names: tuple[str, ...]) -> dict[str, object]:
    """One seed: draws, records, fits, compares."""
    profile = load("block-paper", ["physics.threads=2"], {}).profile
    assert profile.calibrate is not None
    true = draw_hand(profile.hand, seed)
    parts = fingers(names)
    motion = record(
        msgspec.structs.replace(profile, hand=true), tuple(parts), noise_rad=noise_rad, delay_steps=delay_steps
    )
    period_s = profile.physics.timestep_s * profile.physics.substeps
    wall, cpu = time.perf_counter(), time.process_time()
    windows = cut(motion, ~touching(profile, motion), profile.calibrate, period_s, parts)
    task = Task(profile, profile.calibrate, motion, windows, method, KINDS, parts)

    def tell(told: object) -> bool:
        print(f"seed {seed} {told.finger} {told.iterations} {np.rad2deg(told.error_rad):.3f} deg", file=sys.stderr)
        return True

    fits = fit(task, tell)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    start = numbers_of(profile.hand)
    end, truth = fitted_hand(start, fits), numbers_of(true)
    hands = HandNumbers(
        np.concatenate((start.joints, end.joints, truth.joints)),
        np.concatenate((start.actuators, end.actuators, truth.actuators)),
    )
    simulated = replayed(profile, motion, windows, hands)
    before, after, best = (score(one, motion, windows, parts, True).total_deg for one in simulated)
    rows = []
    for one in fits:
        if one.confidence is None:
            continue
        for index, (kind, owner) in enumerate(one.parameters):
            group = truth.joints if kind in JOINT_KINDS else truth.actuators
            order = list(profile.hand.joints if kind in JOINT_KINDS else profile.hand.actuators)
            value = float(group[0, order.index(owner), KINDS.index(kind) - (kind in ACTUATOR_KINDS) * len(JOINT_KINDS)])
            sure = one.confidence
            rows.append(
                {
                    "parameter": f"{owner} {kind}",
                    "kind": kind,
                    "true": value,
                    "before": float(one.before[index]),
                    "found": float(one.values[index]),
                    "low": float(sure.low[index]),
                    "high": float(sure.high[index]),
                    "deviation": float(sure.deviation[index]),
                    "determined": bool(sure.determined[index]),
                }
            )
    return {
        "seed": seed,
        "method": method,
        "noise_deg": float(np.rad2deg(noise_rad)),
        "delay_ms": delay_steps * profile.physics.timestep_s * 1000,
        "recorded_s": len(motion.angles_rad) * period_s,
        "held_out_before_deg": before,
        "held_out_after_deg": after,
        "held_out_true_hand_deg": best,
        "converged": all(one.converged for one in fits),
        "wall_s": wall,
        "cpu_s": cpu,
        "summary": summary(rows, profile.hand),
        "rows": rows,
    }


def summary(rows: list[dict[str, object]], hand: object) -> dict[str, object]:
    """Coverage of the determined, and for what matters the share within 15% where the interval says so."""
    known = [row for row in rows if row["determined"]]
    covered = [row["low"] <= row["true"] <= row["high"] for row in known]
    found: dict[str, object] = {
        "parameters": len(rows),
        "determined": len(known),
        "coverage": float(np.mean(covered)) if covered else None,
    }
    for kind in MATTER:
        of_kind = [row for row in known if row["kind"] == kind]
        if "limit" in kind:
            widths = [np.ptp(hand.joints[str(row["parameter"]).split()[0]].range_rad) for row in of_kind]
        else:
            widths = [abs(row["true"]) for row in of_kind]
        sure = [(row, w) for row, w in zip(of_kind, widths, strict=True) if (row["high"] - row["low"]) / 2 <= NEAR * w]
        near = [abs(row["found"] - row["true"]) <= NEAR * w for row, w in sure]
        found[kind] = {"sure": len(near), "near": int(np.sum(near))}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--method", choices=("least-squares", "coordinate"), default="least-squares")
    parser.add_argument("--noise-deg", type=float, default=0.0)
    parser.add_argument("--delay-steps", type=int, default=0, help="of physics, 8 ms each")
    parser.add_argument("--fingers", default=",".join(FINGERS))
    asked = parser.parse_args()
    for number in asked.seeds:
        document = recover(
            number, asked.method, np.deg2rad(asked.noise_deg), asked.delay_steps, tuple(asked.fingers.split(","))
        )
        print(json.dumps(document), flush=True)
