"""Networks, the optimizer, and the processes that a training run is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dexctl.profile.schema.kinds import Count, Fraction, NonNegative, Positive, PositiveCount, Table


class Network(Table, frozen=True, kw_only=True):
    """A policy or value network.

    Attributes:
        kind: ``lstm`` (dense layers, then an LSTM) or ``feedforward``.
        observe: names of the observations it sees, in order (``reorient/observation.py``).
        hidden: sizes of the dense layers.
        lstm: size of the LSTM, used by ``lstm`` alone.
    """

    kind: Literal["lstm", "feedforward"]
    observe: Annotated[list[str], Meta(min_length=1)]
    hidden: Annotated[list[PositiveCount], Meta(min_length=1)]
    lstm: PositiveCount
    activation: Literal["relu", "elu"]


class Policy(Table, frozen=True, kw_only=True):
    """Actor and critic, and how their inputs are normalized.

    Attributes:
        initial_std: standard deviation of the discretized Gaussian that the bins start as, in units of the action;
            0 starts uniform.
        clip_std: normalized inputs are clipped to this many standard deviations.
    """

    actor: Network
    critic: Network
    initial_std: NonNegative
    clip_std: Positive


class PPO(Table, frozen=True, kw_only=True):
    """Proximal policy optimization.

    Attributes:
        batch_steps: transitions of one update, of all optimizer processes together.
        minibatches: parts that an epoch splits the batch into.
        epochs: passes over the batch; may be fractional, counted in whole minibatches.
        chunk_steps: length of the pieces that back-propagation through time sees.
        ratio: what the clip bounds: the probability ratio of the whole action, or of each coordinate by itself.
        kl_low, kl_high: the learning rate grows when an update diverges less, and shrinks when it diverges more;
            0 and 0 keep it fixed.
        entropy: weight of the entropy, summed over the action's coordinates.
        whole_episodes: advantages over whole episodes, not over segments cut at the batch's end.
        bootstrap_timeouts: a timeout cuts the segment, not the return.
        max_staleness: experience older than this many updates is dropped.
        device: where networks and batches are: ``cpu``, ``cuda``, where each process of a machine takes a GPU of its
            own, or ``cuda:1``; empty for the processor, and beside physics on a GPU with ``--fused`` for that GPU.
    """

    batch_steps: PositiveCount
    minibatches: PositiveCount
    epochs: Positive
    chunk_steps: PositiveCount
    discount: Fraction
    gae_lambda: Fraction
    clip: Positive
    ratio: Literal["joint", "coordinate"] = "joint"
    entropy: NonNegative
    value_weight: Positive
    learning_rate: Positive
    learning_rate_min: Positive
    learning_rate_max: Positive
    kl_low: NonNegative
    kl_high: NonNegative
    gradient_norm: Positive
    adam_epsilon: Positive
    whole_episodes: bool
    bootstrap_timeouts: bool
    max_staleness: Count
    autocast: Literal["auto", "bf16", "off"]
    device: str = ""


class Rollout(Table, frozen=True, kw_only=True):
    """How a worker gathers experience.

    Attributes:
        environments: simulations of one worker.
        segment_steps: control steps of one message to the optimizer.
    """

    environments: PositiveCount
    segment_steps: PositiveCount


class Evaluate(Table, frozen=True, kw_only=True):
    """Trials, as the paper scores them.

    Attributes:
        batch: trials simulated at once.
    """

    trials: PositiveCount
    goals: PositiveCount
    goal_timeout_s: Positive
    batch: PositiveCount


class Wire(Table, frozen=True, kw_only=True):
    """Sockets between workers and optimizer.

    Attributes:
        credits: segments a worker may have sent and not seen acknowledged.
        buffer_mib: segments that all workers together may have sent so, in MiB; at least one.
        heartbeat_s, timeout_s: how often each side says that it lives, and how long it may be silent.
        orphan_timeout_s: a worker whose optimizer is silent for so long leaves.
    """

    credits: PositiveCount
    buffer_mib: PositiveCount
    heartbeat_s: Positive
    timeout_s: Positive
    orphan_timeout_s: Positive


class Run(Table, frozen=True, kw_only=True):
    """One training run on one layout of machines.

    Attributes:
        workers: rollout workers that ``optimize`` starts itself.
        steps: environment steps in all after which training is over; 0 for never.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: how many of the newest are kept.
    """

    seed: Count
    workers: Count
    checkpoint_s: Positive
    keep_checkpoints: Annotated[int, Meta(ge=2)]
    steps: Count = 0
