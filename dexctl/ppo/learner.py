"""PPO over chunks: what arrives is staged and gathered, then both networks learn from it in minibatches."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor, Critic
from dexctl.policy.adam import adam_tensors, restore_adam
from dexctl.policy.normalization import RunningNormalization, statistics_of
from dexctl.policy.precision import uses_bf16
from dexctl.ppo.batch import Chunks, join
from dexctl.ppo.loss import normalized, policy_loss, value_loss
from dexctl.ppo.peers import Alone, Peers
from dexctl.ppo.staging import Stager
from dexctl.profile import schema

CPU = torch.device("cpu")
# The learning rate moves by this factor when the divergence leaves its band (as in rl_games).
_RATE_STEP = 1.5
# What each minibatch tells, the gradients' norm last.
_TOLD = ("policy_loss", "value_loss", "entropy", "kl", "clip_share", "gradient_norm")


@dataclasses.dataclass(frozen=True)
class Update:
    """What one update did, for people and events."""

    steps: int
    policy_loss: float
    value_loss: float
    entropy: float
    kl: float
    clip_share: float
    explained_variance: float
    gradient_norm: float
    learning_rate: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Gathered:
    """What one update learns from.

    Attributes:
        chunks: of this process; it may have none where others have some.
        seen: observations of actor and critic, for the statistics of their inputs.
        staleness: transitions by how many updates the policy that acted is behind the one that learns.
        dropped_steps: transitions that became too old to be among them.
    """

    chunks: list[Chunks]
    seen: list[tuple[Tensor, Tensor]]
    staleness: Mapping[int, int]
    dropped_steps: int


class Learner:
    """Actor, critic and their optimizer; experience in, updates out.

    With peers every process gathers its own experience, and ``join``, ``learn_scale`` and ``learn``
    are called by all of them: networks and statistics are the same everywhere, and an update is
    the one that a single process would have made of everybody's experience, in the order of ranks.
    """

    def __init__(self, profile: schema.Profile, num_actuators: int, seed: int, device: torch.device = CPU) -> None:
        """Makes both networks on ``device``, where all that is learned from goes, too."""
        self.profile, self.device = profile, device
        self.peers: Peers = Alone()
        self.actor = Actor(profile, num_actuators, seed).to(device)
        self.critic = Critic(profile, seed + 1).to(device)
        self.value_scale = RunningNormalization(1, profile.policy.clip_std).to(device)
        self._parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self._parameters, lr=profile.ppo.learning_rate, eps=profile.ppo.adam_epsilon)
        self.version = 1
        self.steps = 0
        self._seed = seed
        self._bf16 = uses_bf16(profile.ppo.autocast, device)
        self._stager = Stager(profile.ppo, self.critic, self.value_scale)
        self._waiting: list[tuple[dict[str, Tensor], int, int]] = []
        self._chunks: list[Chunks] = []
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._dropped_steps = 0

    @property
    def learning_rate(self) -> float:
        """What Adam uses now."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def gathered_steps(self) -> int:
        """Transitions of this process that wait for the next update."""
        return sum(chunks.num_steps for chunks in self._chunks)

    @property
    def ready(self) -> bool:
        """Whether this process alone has enough for an update."""
        return self.gathered_steps >= self.profile.ppo.batch_steps

    @property
    def knows_scale(self) -> bool:
        """Whether the networks know the scale of their inputs: before, nothing can be staged."""
        return float(self.actor.normalization.count) > 0

    @property
    def waits_for_scale(self) -> bool:
        """Whether segments wait for the scale that is not known yet."""
        return bool(self._waiting)

    def add(self, segment: Mapping[str, np.ndarray | Tensor], worker: int, version: int | None = None) -> None:
        """Takes one segment (``rollout/segment.py``) of one worker; segments of a worker come in order.

        Before the first, both networks know nothing of their inputs' scale: the very first segment
        only tells them that.

        Args:
            version: of the policy that acted; None for the newest.
        """
        acted = self.version if version is None else version
        tensors = {name: _tensor(array).to(self.device) for name, array in segment.items()}
        self._waiting.append((tensors, worker, acted))
        if self.knows_scale:
            self._stage()
        elif self.peers.count == 1:
            self.learn_scale()

    def learn_scale(self) -> None:
        """Learns the scale of the inputs from the first segment of the first process that has one."""
        first = next((rank for rank, count in enumerate(self.peers.counts(len(self._waiting))) if count), None)
        if first is None:
            return
        mine = [self._waiting.pop(0)] if self.peers.rank == first else []
        self._normalize([_seen(segment) for segment, _, _ in mine])
        self.settle()
        for segment, worker, version in mine:
            self._chunks += self._stager.stage(segment, worker, version)
        self._stage()

    def forget(self, worker: int) -> None:
        """Drops what is kept between a worker's segments: its next one does not follow on its last."""
        self._waiting = [waiting for waiting in self._waiting if waiting[1] != worker]
        self._stager.forget(worker)

    def _stage(self) -> None:
        for segment, worker, version in self._waiting:
            self._seen.append(_seen(segment))
            self._chunks += self._stager.stage(segment, worker, version)
        self._waiting = []
        self._drop_old()

    def _drop_old(self) -> None:
        """Drops what is further behind than ``ppo.max_staleness``: chunks wait for their episodes, and for updates."""
        oldest, before = self.version - self.profile.ppo.max_staleness, self.gathered_steps
        # What lies here together came from one segment.
        self._chunks = [chunks for chunks in self._chunks if int(chunks.version[0]) >= oldest]
        self._dropped_steps += before - self.gathered_steps

    def update(self, stop: Callable[[], bool] = lambda: False) -> Update:
        """Learns from all that was gathered and raises ``version`` by one.

        Args:
            stop: asked between minibatches; when true, the rest of them is left out.
        """
        update = self.learn(self.take(), stop)
        self.settle()
        return update

    def take(self) -> Gathered:
        """All that was gathered, for ``learn``; what comes from now on is for the update after it."""
        staleness = Counter[int]()
        for chunks in self._chunks:
            staleness[self.version - int(chunks.version[0])] += chunks.num_steps
        gathered = Gathered(self._chunks, self._seen, staleness, self._dropped_steps)
        self._chunks, self._seen, self._dropped_steps = [], [], 0
        return gathered

    def settle(self) -> None:
        """From now on segments are staged with the critic as it is: after ``learn``, in the thread that adds."""
        self._stager.follow(self.critic, self.value_scale)
        self._drop_old()

    def learn(self, gathered: Gathered, stop: Callable[[], bool] = lambda: False) -> Update:
        """Learns and raises ``version`` by one; segments may be added meanwhile, from another thread."""
        started = time.perf_counter()
        ppo = self.profile.ppo
        batch = join(gathered.chunks) if gathered.chunks else None
        counts = self.peers.counts(len(batch) if batch else 0)
        first, whole = sum(counts[: self.peers.rank]), sum(counts)
        self._learn_value_scale(batch)
        # Shuffling depends on seed and version alone, so a resumed run goes on as it would have.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.version)
        passes = max(1, round(ppo.epochs * ppo.minibatches))
        # Whole episodes may be few at first, and an empty minibatch has no mean.
        minibatches = min(ppo.minibatches, whole)
        rows: list[Tensor] = []
        pieces: list[_Piece] = []
        for _ in range(passes):
            if not pieces:
                drawn = torch.randperm(whole, generator=generator, device="cpu").tensor_split(minibatches)
                pieces = self._pieces(drawn, batch, first)
            row, stopped = self._learn(pieces.pop(), stop)
            rows.append(row)
            if stopped:
                break
        # Until here nothing waits for the device.
        told = self.peers.total(torch.stack(rows).double().cpu())
        mean = dict(zip(_TOLD, told.mean(dim=0).tolist(), strict=True))
        self._adapt_rate(float(told[-ppo.minibatches :, _TOLD.index("kl")].mean()))
        explained = self._explained(batch)
        self._normalize(gathered.seen)
        steps = sum(self.peers.counts(batch.num_steps if batch else 0))
        self.version += 1
        self.steps += steps
        return Update(
            steps=steps,
            explained_variance=explained,
            learning_rate=self.learning_rate,
            seconds=time.perf_counter() - started,
            **mean,
        )

    def _learn_value_scale(self, batch: Chunks | None) -> None:
        seen = [statistics_of(batch.value_target.reshape(-1, 1))] if batch else []
        for statistics in self.peers.pooled(seen, 1):
            self.value_scale.merge(*statistics)

    def _pieces(self, drawn: Sequence[Tensor], batch: Chunks | None, first: int) -> list[_Piece]:
        """What this process has of each minibatch of all; its own chunks are numbered from ``first``."""
        end = first + (len(batch) if batch else 0)
        mine = [(piece[(piece >= first) & (piece < end)] - first).to(self.device) for piece in drawn]
        nothing = torch.empty(0, device=self.device)
        moments = self.peers.moments([batch.advantage[own] if batch else nothing for own in mine])
        return [
            _Piece(batch.pick(own) if batch and len(own) else None, len(own) / len(whole), *moment)
            for own, whole, moment in zip(mine, drawn, moments, strict=True)
        ]

    def _learn(self, piece: _Piece, stop: Callable[[], bool]) -> tuple[Tensor, bool]:
        """One step; what ``_TOLD`` names, this process's share of it, and whether somebody stops."""
        self.optimizer.zero_grad(set_to_none=True)
        told = torch.zeros(len(_TOLD), device=self.device)
        if piece.chunks is not None:
            loss, *watched = self._loss(piece.chunks, piece)
            (loss * piece.share).backward()
            told = torch.stack([*watched, told[-1]]) * piece.share
        stopped = self.peers.add_gradients(self._parameters, stop())
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.profile.ppo.gradient_norm)
        self.optimizer.step()
        told[-1] = norm / self.peers.count
        return told, stopped

    def _loss(self, part: Chunks, piece: _Piece) -> tuple[Tensor, ...]:
        ppo = self.profile.ppo
        fresh = part.fresh.T
        actor_seen, critic_seen = part.actor_observation.transpose(0, 1), part.critic_observation.transpose(0, 1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits, _ = self.actor.logits(actor_seen, (part.hidden, part.cell), fresh)
            value, _ = self.critic(critic_seen, (part.critic_hidden, part.critic_cell), fresh)
        policy = policy_loss(
            logits.float(),
            part.bins.transpose(0, 1).long(),
            part.log_probability.transpose(0, 1),
            normalized(part.advantage, piece.mean, piece.std).T,
            ppo.clip,
            ppo.entropy,
            ppo.ratio,
        )
        target = self.value_scale(part.value_target.reshape(-1, 1)).reshape(part.value_target.shape)
        regression = value_loss(value.float().squeeze(-1), target.T)
        watched = (policy.loss.detach(), regression.detach(), policy.entropy, policy.kl, policy.clip_share)
        return policy.loss + ppo.value_weight * regression, *watched

    def _explained(self, batch: Chunks | None) -> float:
        """Share of the variance of the returns that the critic foresaw."""
        nothing = torch.empty(0, device=self.device)
        (_, missed), (_, whole) = self.peers.moments(
            [batch.advantage, batch.value_target] if batch else [nothing, nothing]
        )
        return 1.0 - float(missed.square() / whole.square().clamp_min(1e-8))

    def _adapt_rate(self, kl: float) -> None:
        """Keeps the divergence of an update's last pass inside the profile's band.

        Once an update: within one, the first minibatches always diverge little and the last ones much.
        """
        ppo = self.profile.ppo
        if ppo.kl_high == 0.0:
            return
        rate = self.learning_rate
        if kl > ppo.kl_high:
            rate = max(ppo.learning_rate_min, rate / _RATE_STEP)
        elif kl < ppo.kl_low:
            rate = min(ppo.learning_rate_max, rate * _RATE_STEP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def state(self) -> dict[str, Tensor]:
        """All that a resumed run needs, by name and in each parameter's shape, in the host's memory.

        The policy's own is below ``actor.``.
        """
        tensors: dict[str, Tensor] = {}
        for prefix, module in self._modules():
            tensors |= {f"{prefix}{name}": value for name, value in module.state_dict().items()}
        tensors |= {f"adam.{name}": value for name, value in adam_tensors(self.optimizer).items()}
        return {name: value.cpu() for name, value in tensors.items()}

    def begin_from(self, saved: checkpoint.Checkpoint) -> None:
        """Takes over the networks of another run, and nothing of how far it was.

        Raises:
            ProtocolError: they are other networks.
        """
        checkpoint.check_networks(saved, self.profile, ["actor", "critic"])
        for prefix, module in self._modules():
            checkpoint.load_into(module, saved, prefix)
        self.settle()

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Goes on from a checkpoint.

        Raises:
            ProtocolError: it is of other networks.
        """
        self.begin_from(saved)
        progress = saved.header.progress
        self._go_on(saved.module("adam."), progress.version, progress.steps, progress.learning_rate)

    def join(self, peers: Peers) -> None:
        """Learns with others from now on; all go on as the first one would."""
        self.peers = peers
        done = self.peers.handed_round(msgspec.json.encode((self.version, self.steps, self.learning_rate)))
        tensors = self.peers.handed_round(safetensors.torch.save(self.state()))
        if self.peers.rank == 0:
            return
        state = safetensors.torch.load(tensors)
        for prefix, module in self._modules():
            module.load_state_dict(_below(state, prefix))
        self._go_on(_below(state, "adam."), *msgspec.json.decode(done, type=tuple[int, int, float]))
        self.settle()

    def _go_on(self, adam: Mapping[str, Tensor], version: int, steps: int, learning_rate: float) -> None:
        restore_adam(self.optimizer, adam, learning_rate)
        self.version, self.steps = version, steps

    def _modules(self) -> tuple[tuple[str, torch.nn.Module], ...]:
        return ("actor.", self.actor), ("critic.", self.critic), ("value_scale.", self.value_scale)

    def _normalize(self, seen: Sequence[tuple[Tensor, Tensor]]) -> None:
        for index, normalization in enumerate((self.actor.normalization, self.critic.normalization)):
            statistics = [statistics_of(observations[index]) for observations in seen]
            for pooled in self.peers.pooled(statistics, len(normalization.mean)):
                normalization.merge(*pooled)


@dataclasses.dataclass(frozen=True)
class _Piece:
    """What a process has of a minibatch.

    Attributes:
        chunks: None for none.
        share: of the minibatch's chunks.
        mean, std: of the advantages of the whole minibatch.
    """

    chunks: Chunks | None
    share: float
    mean: Tensor
    std: Tensor


def _seen(segment: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    return segment["actor_observation"], segment["critic_observation"][:-1]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _tensor(array: np.ndarray | Tensor) -> Tensor:
    if isinstance(array, Tensor):
        return array
    # Arrays that came over the wire are read-only views of the message; they are only read here.
    return torch.from_numpy(array if array.flags.writeable else array.copy())
