"""Telling scripts and supervisors that a command listens: an endpoint file, and ``READY=1``."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from dexctl.store.whole_file import write_whole


def write_endpoint_file(path: Path, endpoint: str) -> None:
    """Writes the endpoint as one line; a reader sees the whole line or no file.

    Raises:
        CreateError: the file cannot be made.
        InputOutputError: the disk is full or lost.
    """
    write_whole(path, f"{endpoint}\n".encode())


def notify_ready(environment: Mapping[str, str] = os.environ) -> bool:
    """Sends ``READY=1`` to the service manager's socket, as sd_notify(3) does.

    Returns:
        Whether somebody was told: no when ``NOTIFY_SOCKET`` is not set or nobody listens there.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    # A leading @ means Linux' abstract namespace, whose names begin with a zero byte.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
        try:
            datagram.sendto(b"READY=1", name)
        except OSError:
            return False
    return True
