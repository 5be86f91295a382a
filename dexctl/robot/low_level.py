"""The low-level controller of a simulated robot: targets held at the loop's rate, and the watchdog.

Its turns belong to one thread and its orders to another. Neither waits for the other: an order
writes single values, a turn reads each once, and the body's history is written by turns alone.
"""

from __future__ import annotations

import numpy as np

from dexctl.errors import SafetyStop, UnavailableError
from dexctl.profile import schema
from dexctl.robot.body import Body
from dexctl.robot.protocol import Mode, Sent, State


class LowLevel:
    """Moves a body towards the last command, holds when none comes, lets go after that.

    Attributes:
        mode: ``idle`` before the first order, ``moving``, ``holding``, ``relaxed``.
        turns: of the loop so far, missed ones counted: the robot's clock.
    """

    def __init__(self, body: Body, robot: schema.Robot) -> None:
        """Args: body: nobody else steps it from now on."""
        self.mode: Mode = "idle"
        self.turns = 0
        self._body = body
        self._period_s = robot.loop_period_s
        self._watchdog_turns = round(robot.watchdog_s / self._period_s)
        self._relax_turns = round(robot.relax_s / self._period_s)
        self._command_age_s = robot.command_age_s
        self._target: np.ndarray | None = None
        self._stepped = 0
        # When the robot began to do what it does, or was last told to go on.
        self._since = 0
        self._placing: State | None = None

    @property
    def time_s(self) -> float:
        """Robot's clock, from 0."""
        return self.turns * self._period_s

    @property
    def idle_s(self) -> float:
        """Since the newest step of physics."""
        return (self.turns - self._stepped) * self._period_s

    @property
    def placing(self) -> bool:
        """Whether a state waits for the next turn."""
        return self._placing is not None

    def turn(self, passed: int = 1) -> None:
        """One turn of the loop; for its own thread.

        Args:
            passed: periods since the last turn; missed ones age a command, and move nothing.
        """
        self.turns += passed
        quiet = self.turns - self._since
        if self.mode == "moving" and quiet > self._watchdog_turns:
            self._hold()
        elif self.mode == "holding" and quiet > self._relax_turns:
            self.mode = "relaxed"
        if self._placing is not None:
            self._put(self._placing)
            self._placing = None
        if not self._body.failed and self.turns // self._body.turns != (self.turns - passed) // self._body.turns:
            self._body.step(self._target if self.mode in ("moving", "holding") else None)
            self._stepped = self.turns

    def advance(self, turns: int) -> None:
        """So many turns on end, where no order can come between them."""
        end, per_step = self.turns + turns, self._body.turns
        while self.turns < end:
            calm = self._calm_turns(end - self.turns)
            if calm < 1:
                self.turn()
                continue
            steps = (self.turns + calm) // per_step - self.turns // per_step
            self.turns += calm
            if steps and not self._body.failed:
                self._body.step(self._target if self.mode in ("moving", "holding") else None, steps)
                self._stepped = self.turns // per_step * per_step

    def _calm_turns(self, most: int) -> int:
        """Turns, ``most`` at most, until the watchdog, or what follows it, has something to do."""
        limits = {"moving": self._watchdog_turns, "holding": self._relax_turns}
        return min(most, self._since + limits[self.mode] - self.turns) if self.mode in limits else most

    def arm(self) -> None:
        """Lets commands move the robot.

        Raises:
            UnavailableError: its simulation broke.
        """
        if self._body.failed:
            raise UnavailableError("the robot's simulation broke", "Place it anew, or start it again.")
        if self.mode != "moving":
            self._target = self._body.target_of(np.zeros(len(self._body.reads)))
        self._since = self.turns
        self.mode = "moving"

    def act(self, change_rad: np.ndarray, observed_s: float) -> Sent:
        """Takes a command (A,), finite; see ``Robot.act``.

        Raises:
            SafetyStop: it is not moving.
        """
        if self.mode != "moving" or self._body.failed:
            why = "its simulation broke" if self._body.failed else f"it is {self.mode}"
            raise SafetyStop(f"the robot takes no command: {why}", "Arm it anew when all is in order.")
        now_s, lengths = self.time_s, self._body.sensed_lengths()
        if not 0.0 <= now_s - observed_s <= self._command_age_s:
            return Sent(now_s, False, np.zeros_like(change_rad), np.asarray(self._target).copy(), 0)
        target = self._body.target_of(change_rad)
        self._target = target
        self._since = self.turns
        clipped = int(np.count_nonzero(target != lengths + change_rad))
        sent = np.where(target == lengths + change_rad, change_rad, target - lengths)
        return Sent(now_s, True, sent, target.copy(), clipped)

    def place(self, state: State, wait: bool) -> None:
        """Puts the robot into a state, where it holds.

        Args:
            wait: leave it to the next turn, where another thread makes the turns.
        """
        if wait:
            self._placing = state
            return
        self._put(state)

    def _put(self, state: State) -> None:
        self._body.place(state)
        self._stepped = self.turns
        self._hold()

    def stop(self) -> None:
        """Holds now, where it moved, and lets go later; motors that were off stay off."""
        if self.mode == "moving":
            self._hold()

    def _hold(self) -> None:
        self._target = self._body.target_of(np.zeros(len(self._body.reads)))
        self._since = self.turns
        self.mode = "holding"
