"""An optimizer process that is not the first: it serves workers and learns with the others, and keeps no files."""

from __future__ import annotations

import contextlib
from pathlib import Path

from dexctl.console import messages
from dexctl.console.optimizer_parts import bound, local_workers, share_cores, waited_for
from dexctl.console.optimizer_processes import company
from dexctl.console.signals import Signals
from dexctl.console.training_plan import Place, Plan
from dexctl.ppo.device import learning_device
from dexctl.ppo.learner import Learner
from dexctl.ppo.training import Training
from dexctl.profile.load import Loaded
from dexctl.reorient.action import num_actuators


def learn_along(loaded: Loaded, plan: Plan, place: Place, run: Path) -> None:
    """Trains until the processes agree to end.

    Args:
        run: folder of the run, for the logs of what is started here.

    Raises:
        TemporaryError: another process is gone.
        Stopped: a signal.
    """
    share_cores(place)
    device = learning_device(loaded.profile, plan.fused, place.local_rank)
    learner = Learner(loaded.profile, num_actuators(loaded.profile), loaded.profile.run.seed, device)
    with (
        Signals() as signals,
        bound(loaded, plan, place) as endpoint,
        company(place, endpoint.endpoint, run / "processes", signals, device) as all_of_us,
    ):
        learner.join(all_of_us.learning)
        training = Training(learner, endpoint, _tell_nobody, waited_for(plan, place), all_of_us.meeting)
        with contextlib.closing(training), local_workers(plan, place, all_of_us, training, run) as workers:
            while not training.ended(signals.stopped_by is not None):
                training.turn(1.0, signals.fileno(), lambda: signals.stopped_by is not None)
                signals.drain()
                for index, status in workers.tend():
                    messages.warning(f"local worker {index} ended with status {status}; starting it again")
            training.finish()
            endpoint.dismiss("the training is over")
        signals.raise_if_stopped()


def _tell_nobody(event: str, /, **fields: object) -> None:
    """Events reach the first process over the training's own connections."""
