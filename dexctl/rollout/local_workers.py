"""Rollout workers on this machine: started, restarted when one dies, ended together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# The optimizer's updates go first: its threads wait for one another, the workers for nobody.
_NICENESS = 5
_RESTART_AFTER_S = 1.0
_LEAVE_S = 5.0


class LocalWorkers:
    """``dexctl rollout-worker`` processes; leave the context and they are gone."""

    def __init__(
        self,
        count: int,
        endpoints: Sequence[str],
        log_folder: Path,
        options: Sequence[str] = (),
        dealt: bool = False,
        name: str = "local",
    ) -> None:
        """Starts them; each writes what it says to a log of its own.

        Args:
            endpoints: of the optimizer's processes; a worker chooses one, and another when it is gone.
            options: more of ``dexctl rollout-worker``.
            dealt: give each worker one endpoint, in turn, and no choice.
            name: what the workers' names begin with.
        """
        self._endpoints, self._dealt, self._name = list(endpoints), dealt, name
        self._log_folder, self._options = log_folder, list(options)
        log_folder.mkdir(parents=True, exist_ok=True)
        self._threads = max(1, len(os.sched_getaffinity(0)) // max(1, count))
        self._due = [0.0] * count
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self.tend()

    def tend(self) -> list[tuple[int, int]]:
        """Starts again what has died.

        Returns:
            (worker, exit status) of those that were found dead.
        """
        dead: list[tuple[int, int]] = []
        now = time.monotonic()
        for index, process in enumerate(self._processes):
            if process is not None and process.poll() is not None:
                dead.append((index, process.returncode))
                self._processes[index] = None
                self._due[index] = now + _RESTART_AFTER_S
            if self._processes[index] is None and now >= self._due[index]:
                self._processes[index] = self._start(index)
        return dead

    def _start(self, index: int) -> subprocess.Popen[bytes]:
        endpoints = [self._endpoints[index % len(self._endpoints)]] if self._dealt else self._endpoints
        command = [
            *(sys.executable, "-m", "dexctl", "rollout-worker"),
            *(word for endpoint in endpoints for word in ("--connect", endpoint)),
            *("--name", f"{self._name}-{index}", "--threads", str(self._threads)),
            *self._options,
        ]
        with open(self._log_folder / f"{self._name.replace('local', 'worker')}-{index}.log", "ab") as log:
            # A group of its own: Ctrl-C is the optimizer's, which tells the workers itself.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, process_group=0
            )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
        return process

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        living = [process for process in self._processes if process is not None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + _LEAVE_S
        for process in living:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
