"""Gives one decoder the bytes that libFuzzer finds; tools/fuzz calls it.

tools/try_decoder.py                              names all decoders
tools/try_decoder.py NAME FOLDER CORPUS OPTIONS OF libFuzzer    tries one until it breaks or the time is over

What is new to the decoder is kept in FOLDER/new.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import atheris

# Only what reads is watched: the libraries below it are others'.
with atheris.instrument_imports(include=["dexctl", "tomli", "zarr.core", "json"]):
    from decoders import DECODERS


def main(name: str, folder: Path, corpus: str, options: list[str]) -> None:
    """Tries one decoder; its seeds and the corpus are the beginning of what libFuzzer changes."""
    # libFuzzer ends the process, so what a killed run left is removed by the next.
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    for inner in ("scratch", "seeds", "new"):
        (folder / inner).mkdir(exist_ok=True)
    decoder = DECODERS[name](folder / "scratch")
    for number, seed in enumerate(decoder.seeds):
        (folder / "seeds" / str(number)).write_bytes(seed)
    atheris.Setup([name, str(folder / "new"), str(folder / "seeds"), corpus, *options], decoder.attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(*DECODERS)
    elif sys.argv[1] not in DECODERS:
        sys.exit(f"{sys.argv[1]}: no such decoder, but {', '.join(DECODERS)}")
    else:
        main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
