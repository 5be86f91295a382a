"""A process that draws for another: ``python -m dexctl.vision.rendering.worker``, messages on stdin and stdout.

It has a GL context of its own, never inherited by a fork, and leaves when its stdin closes.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from typing import BinaryIO

import msgspec
import torch

from dexctl.errors import DexctlError
from dexctl.profile import schema
from dexctl.vision.rendering.drawing import Drawing
from dexctl.vision.rendering.frames import read_frame, write_frame


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Opens the renderer that the first message asks for, then draws what each other one says."""
    torch.set_num_threads(1)
    about, _ = read_frame(requests)
    profile = msgspec.convert(about["profile"], schema.Profile)
    try:
        drawing = Drawing(about["renderer"], profile, about["size_px"], about["seed"])
    except DexctlError as error:
        write_frame(answers, {"error": error.args[0], "remedy": error.remedy}, {})
        return
    with drawing:
        columns = {name: dataclasses.asdict(column) for name, column in drawing.appearance.items()}
        write_frame(answers, {"device": drawing.device, "appearance": columns}, {})
        while True:
            try:
                _, arrays = read_frame(requests)
            except EOFError:
                return
            write_frame(answers, {}, drawing.rows(**arrays))


def main() -> None:
    """Serves the process that started this one, until it closes the pipe."""
    # The asking process answers signals: it lets this one finish its rows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Drivers and engines print on stdout as they please.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
