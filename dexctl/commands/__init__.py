"""The commands: one file each, which parses, calls and emits.

This table is all that is known of a command before it is asked for: its module is imported
only when it runs or tells its own help.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command in the list of commands.

    Attributes:
        target: ``module:function``, or ``module:app`` for a group of commands.
        help: one line, the first of the function's docstring.
    """

    target: str
    help: str


COMMANDS = {
    "simulate": Entry("dexctl.commands.simulate:simulate", "Run the randomized simulation and show or record it."),
    "rollout-worker": Entry(
        "dexctl.commands.rollout_worker:rollout_worker",
        "Generate experience with the newest policy and send it to an optimizer.",
    ),
    "optimize": Entry("dexctl.commands.optimize:optimize", "Train a policy by PPO; the same command again resumes."),
    "status": Entry(
        "dexctl.commands.status:status", "Tell who works for an optimizer: host, rate, staleness, last seen."
    ),
    "train-vision": Entry(
        "dexctl.commands.train_vision:train_vision",
        "Train the pose estimator on rendered pictures; the same command again resumes.",
    ),
    "render": Entry(
        "dexctl.commands.render:render", "Render the cameras' pictures of states with randomized appearance."
    ),
    "evaluate": Entry(
        "dexctl.commands.evaluate:evaluate",
        "Score policies by the goals they reach in a row until a drop, 80 s for one, or 50.",
    ),
    "deploy": Entry("dexctl.commands.deploy:deploy", "Run a policy on a robot, safely, and record every step."),
    "calibrate": Entry(
        "dexctl.commands.calibrate:calibrate",
        "Fit the simulated hand to recorded motion; the same command again resumes.",
    ),
    "profile": Entry("dexctl.commands.profile:app", "List, show and check profiles."),
    "inspect": Entry(
        "dexctl.commands.inspect:inspect", "Tell what a file or folder of dexctl is, and whether it is whole."
    ),
    "doctor": Entry(
        "dexctl.commands.doctor:doctor", "Tell what works on this machine, and the cure for what does not."
    ),
    "keygen": Entry("dexctl.commands.keygen:keygen", "Make a CURVE key pair for sockets off loopback."),
}
