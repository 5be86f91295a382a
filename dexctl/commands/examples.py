"""What people type, command by command: shown at the end of a command's help and in its manual page."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A line to type.

    Attributes:
        line: as a shell takes it.
        what: it does, in a few words.
    """

    line: str
    what: str


EXAMPLES = {
    "simulate": (
        Example("dexctl simulate --policy block-yaw --view", "watch a policy in a window"),
        Example("dexctl simulate --policy runs/yaw --video yaw.mp4", "film it"),
        Example("dexctl simulate -p block-paper --samples 1000 --plot drawn.png", "what randomization draws"),
        Example("dexctl simulate -p vision-small --policy block-yaw --states 20000 -o s.zarr", "states to render"),
        Example("dexctl simulate --serve tcp://127.0.0.1:5556 --robot-seed 1", "stand in for a robot"),
    ),
    "rollout-worker": (
        Example("dexctl rollout-worker --connect tcp://127.0.0.1:5555", "with all cores of this machine"),
        Example("dexctl rollout-worker --connect tcp://127.0.0.1:5555 --threads 1 --name left", "one core, one id"),
    ),
    "optimize": (
        Example("dexctl optimize -p block-yaw --workers 2 --sync --minutes 10", "train here, the same each time"),
        Example("dexctl optimize -p block --workers 0 --bind tcp://127.0.0.1:5555", "with workers started elsewhere"),
        Example("dexctl optimize -p block-yaw --from block-yaw --run runs/better", "go on from a shipped policy"),
    ),
    "status": (Example("dexctl status tcp://127.0.0.1:5555", "who works, how fast, how stale"),),
    "train-vision": (
        Example("dexctl train-vision images.zarr -p vision-small -o runs/vision", "from files"),
        Example("dexctl render s.zarr -o i.zarr | dexctl train-vision - -o runs/vision", "while they are drawn"),
    ),
    "render": (
        Example("dexctl render s.zarr --sheet a.png", "look before drawing many"),
        Example("dexctl render s.zarr -o images.zarr --count 100000", "each state several times, with another look"),
        Example("dexctl render s.zarr -o held-out.zarr --renderer filament", "the renderer never learned from"),
    ),
    "evaluate": (
        Example("dexctl evaluate --policy runs/yaw --policy random", "goals in a row, and whether more than at random"),
        Example("dexctl evaluate --policy block-yaw --report report --film", "a page with plots and films"),
        Example("dexctl evaluate --recording trials.zarr", "what a robot did"),
        Example("dexctl evaluate --vision runs/vision --images held-out.zarr", "a pose estimator's errors"),
    ),
    "deploy": (
        Example("dexctl deploy --robot tcp://127.0.0.1:5556 --policy block-yaw -n", "what would be done"),
        Example("dexctl deploy --robot tcp://127.0.0.1:5556 --policy block-yaw --arm -o t.zarr", "do it, and record"),
    ),
    "calibrate": (
        Example("dexctl calibrate --record --robot tcp://127.0.0.1:5556 --arm -o motion.zarr", "move and record"),
        Example("dexctl calibrate motion.zarr -o mine.toml", "fit; mine.html tells how sure it is"),
        Example("dexctl calibrate motion.zarr --fingers ff --groups motors -o ff.toml", "a part of it"),
    ),
    "profile": (
        Example("dexctl profile list", "what there is to run"),
        Example("dexctl profile show block --set ppo.discount=0.98", "each value, and where it came from"),
        Example("dexctl profile check mine.toml", "before a long run"),
    ),
    "inspect": (Example("dexctl inspect runs/yaw", "a run; also a checkpoint, a dataset, a recording"),),
    "doctor": (Example("dexctl doctor", "before the first run, and when pictures stay black"),),
    "keygen": (Example("dexctl keygen keys/optimizer", "keys/optimizer.key to give away, .key_secret to keep"),),
}
