"""PPO over chunks: values and advantages of what arrives, then minibatch updates of both networks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor, Critic
from dexctl.policy.network import State
from dexctl.policy.normalization import RunningNormalization
from dexctl.ppo.batch import Chunks, join
from dexctl.ppo.episodes import Appraised, EpisodeStream, advantages, chunks_of
from dexctl.ppo.loss import normalized, policy_loss, value_loss
from dexctl.profile import schema
from dexctl.reorient.environment import End

# The learning rate moves by this factor when the divergence leaves its band (as in rl_games).
_RATE_STEP = 1.5


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


class Learner:
    """Actor, critic and their optimizer; experience in, updates out."""

    def __init__(self, profile: schema.Profile, num_actuators: int, seed: int) -> None:
        self.profile = profile
        self.actor = Actor(profile, num_actuators, seed)
        self.critic = Critic(profile, seed + 1)
        self.value_scale = RunningNormalization(1, profile.policy.clip_std)
        self.optimizer = torch.optim.Adam(
            [*self.actor.parameters(), *self.critic.parameters()],
            lr=profile.ppo.learning_rate,
            eps=profile.ppo.adam_epsilon,
        )
        self.version = 1
        self.steps = 0
        self._seed = seed
        self._bf16 = profile.ppo.autocast == "bf16" or (profile.ppo.autocast == "auto" and _has_bf16())
        self._critic_state: dict[int, State] = {}
        self._streams: dict[int, EpisodeStream] = {}
        self._chunks: list[Chunks] = []
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def learning_rate(self) -> float:
        """What Adam uses now."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def gathered_steps(self) -> int:
        """Transitions waiting for the next update."""
        return sum(chunks.num_steps for chunks in self._chunks)

    @property
    def ready(self) -> bool:
        """Whether there is enough for an update."""
        return self.gathered_steps >= self.profile.ppo.batch_steps

    def add(self, segment: Mapping[str, np.ndarray], worker: int) -> None:
        """Takes one segment (``rollout/segment.py``) of one worker; segments of a worker come in order.

        Before the first, both networks know nothing of their inputs' scale: the very first segment
        only tells them that.
        """
        tensors = {name: _tensor(array) for name, array in segment.items()}
        self._seen.append((tensors["actor_observation"], tensors["critic_observation"][:-1]))
        if self.actor.normalization.count == 0:
            self._normalize_anew()
        appraised = self._appraise(tensors, worker)
        if self.profile.ppo.whole_episodes:
            stream = self._streams.setdefault(worker, EpisodeStream(self.profile.ppo))
            self._chunks += [chunks for chunks in stream.add(appraised) if len(chunks)]
        else:
            self._chunks.append(chunks_of(appraised, advantages([appraised], self.profile.ppo), self.profile.ppo))

    def forget(self, worker: int) -> None:
        """Drops what is kept between a worker's segments: its next one does not follow on its last."""
        self._critic_state.pop(worker, None)
        self._streams.pop(worker, None)

    @torch.no_grad()
    def _appraise(self, segment: Mapping[str, Tensor], worker: int) -> Appraised:
        """The value of every state of a segment, and the critic's memory at the start of each chunk."""
        chunk_steps = self.profile.ppo.chunk_steps
        fresh_TN, end_TN = segment["fresh"], segment["end"]
        observation = segment["critic_observation"]
        values, states = [], []
        state = self._critic_state.get(worker) or self.critic.initial_state(observation.shape[1])
        for start in range(0, len(fresh_TN), chunk_steps):
            states.append(state)
            stop = start + chunk_steps
            value, state = self.critic(observation[start:stop], state, fresh_TN[start:stop])
            values.append(value.squeeze(-1))
        self._critic_state[worker] = state
        final, _ = self.critic(observation[-1:], state, end_TN[-1:] != End.RUNNING)
        return Appraised(
            segment=segment,
            value_TN=self.value_scale.inverse(torch.cat(values)),
            final_value_N=self.value_scale.inverse(final[0, :, 0]),
            critic_hidden=torch.stack([hidden for hidden, _ in states]),
            critic_cell=torch.stack([cell for _, cell in states]),
        )

    def update(self, stop: Callable[[], bool] = lambda: False) -> Update:
        """Learns from all that was gathered and raises ``version`` by one.

        Args:
            stop: asked between minibatches; when true, the rest of them is left out.
        """
        started = time.perf_counter()
        ppo = self.profile.ppo
        batch, self._chunks = join(self._chunks), []
        self.value_scale.update(batch.value_target.reshape(-1, 1))
        # Shuffling depends on seed and version alone, so a resumed run goes on as it would have.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.version)
        passes = max(1, round(ppo.epochs * ppo.minibatches))
        # Whole episodes may be few at first, and an empty minibatch has no mean.
        minibatches = min(ppo.minibatches, len(batch))
        rows: list[dict[str, float]] = []
        pieces: list[Tensor] = []
        for _ in range(passes):
            if not pieces:
                pieces = list(torch.randperm(len(batch), generator=generator).tensor_split(minibatches))
            rows.append(self._learn(batch.pick(pieces.pop())))
            if stop():
                break
        last = rows[-ppo.minibatches :]
        self._adapt_rate(sum(row["kl"] for row in last) / len(last))
        residual = batch.advantage.var()
        explained = 1.0 - float(residual / batch.value_target.var().clamp_min(1e-8))
        self._normalize_anew()
        self.version += 1
        self.steps += batch.num_steps
        mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        return Update(
            steps=batch.num_steps,
            explained_variance=explained,
            learning_rate=self.learning_rate,
            seconds=time.perf_counter() - started,
            **mean,
        )

    def _learn(self, part: Chunks) -> dict[str, float]:
        ppo = self.profile.ppo
        fresh = part.fresh.T
        actor_seen, critic_seen = part.actor_observation.transpose(0, 1), part.critic_observation.transpose(0, 1)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            logits, _ = self.actor.logits(actor_seen, (part.hidden, part.cell), fresh)
            value, _ = self.critic(critic_seen, (part.critic_hidden, part.critic_cell), fresh)
        policy = policy_loss(
            logits.float(),
            part.bins.transpose(0, 1).long(),
            part.log_probability.transpose(0, 1),
            normalized(part.advantage).T,
            ppo.clip,
            ppo.entropy,
            ppo.ratio,
        )
        target = self.value_scale(part.value_target.reshape(-1, 1)).reshape(part.value_target.shape)
        regression = value_loss(value.float().squeeze(-1), target.T)
        self.optimizer.zero_grad(set_to_none=True)
        (policy.loss + ppo.value_weight * regression).backward()
        norm = torch.nn.utils.clip_grad_norm_([*self.actor.parameters(), *self.critic.parameters()], ppo.gradient_norm)
        self.optimizer.step()
        return {
            "policy_loss": float(policy.loss.detach()),
            "value_loss": float(regression.detach()),
            "entropy": float(policy.entropy),
            "kl": float(policy.kl),
            "clip_share": float(policy.clip_share),
            "gradient_norm": float(norm),
        }

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
        """All that a resumed run needs, by name; the policy's own part is below ``actor.``."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in self._modules():
            tensors |= {f"{prefix}{name}": value for name, value in module.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        return tensors

    def begin_from(self, saved: checkpoint.Checkpoint) -> None:
        """Takes over the networks of another run, and nothing of how far it was.

        Raises:
            ProtocolError: they are other networks.
        """
        checkpoint.check_networks(saved, self.profile, ["actor", "critic"])
        for prefix, module in self._modules():
            checkpoint.load_into(module, saved, prefix)

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Goes on from a checkpoint.

        Raises:
            ProtocolError: it is of other networks.
        """
        self.begin_from(saved)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in saved.module("adam.").items():
            index, _, field = name.partition(".")
            moments.setdefault(int(index), {})[field] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        for group in groups:
            group["lr"] = saved.header.progress.learning_rate
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.version, self.steps = saved.header.progress.version, saved.header.progress.steps

    def _modules(self) -> tuple[tuple[str, torch.nn.Module], ...]:
        return ("actor.", self.actor), ("critic.", self.critic), ("value_scale.", self.value_scale)

    def _normalize_anew(self) -> None:
        for actor_seen, critic_seen in self._seen:
            self.actor.normalization.update(actor_seen)
            self.critic.normalization.update(critic_seen)
        self._seen = []


def _has_bf16() -> bool:
    # Without the instructions bfloat16 is emulated, and several times slower than float32.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _tensor(array: np.ndarray) -> Tensor:
    # Arrays that came over the wire are read-only views of the message; they are only read here.
    return torch.from_numpy(array if array.flags.writeable else array.copy())
