"""Waits in a poller until a signal stops it, as a server does; with ``linger``, goes on waiting after that."""

import signal
import sys

import zmq

from dexctl.console.events import Events
from dexctl.console.exit_codes import Stopped, exit_code
from dexctl.console.signals import Signals

try:
    with Signals() as signals, Events("wait", sys.stdout.buffer) as events:
        poller = zmq.Poller()
        poller.register(signals, zmq.POLLIN)
        events.emit("ready")
        while signals.stopped_by is None:
            poller.poll()
            signals.drain()
            if signals.take_status_request():
                events.emit("status", answer=42)
        events.emit("stopping")
        while "linger" in sys.argv:
            signal.pause()
        signals.raise_if_stopped()
except Stopped as stopped:
    sys.exit(exit_code(stopped))
