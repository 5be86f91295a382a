"""In which order effects act on an action and on a reading (appendix C.2.9), worked by hand."""

import numpy as np
import torch

from .conftest import OFF, acted

# So large that no two effects could change places without being seen.
STRONG = (
    *OFF[:2],
    "randomize.unmodeled.timing.on=false",
    "randomize.unmodeled.force.on=false",
    "randomize.unmodeled.action_noise.step={normal=[0.0,0.8]}",
    "randomize.unmodeled.action_noise.episode={normal=[0.0,0.3]}",
    "randomize.unmodeled.action_noise.factor={normal=[1.0,0.3]}",
)
NOISY = (OFF[0], "randomize.unmodeled.marker_loss.probability_per_s=0.9", "randomize.unmodeled.force.on=false")
PERIOD_S = 0.08


def test_an_action_meets_noise_average_delay_backlash_clip_and_target_in_this_order(make):
    env = make(3, STRONG)
    effects, rows = env.randomization, torch.arange(3)
    low, high = env.physics.scene.model.actuator_ctrlrange.T
    late, speed = effects.delay.late.numpy(), effects.backlash.speed.numpy()
    total, before, slack = np.zeros((3, 20)), np.zeros((3, 20)), np.zeros((3, 20))
    generator, clipped = torch.Generator().manual_seed(4), 0
    for step in range(1, 7):
        bins = torch.randint(11, (3, 20), generator=generator)
        length = env.physics.actuator_length.numpy().copy()
        new = {
            name: value.numpy() for name, value in effects.noise.step(env.key, torch.full_like(rows, step - 1)).items()
        }
        env.step(bins)
        noisy = (bins.numpy() / 5 - 1) * new["factor"] + effects.noise.offset.numpy() + new["offset"]
        total = 0.3 * total + 0.7 * noisy
        average = total / (1 - 0.3**step)
        told = np.where(late, before, average)
        before = average
        change = told * np.where(told < 0, speed[..., 0], speed[..., 1]) * PERIOD_S
        left = told * (1 - np.clip(np.abs(np.sign(told) - slack) / (np.abs(change) + 1e-12), 0, 1))
        slack = np.clip(slack + change, -1, 1)
        target = np.clip(length + np.clip(left, -1, 1) * (high - low) / 2, low, high)
        np.testing.assert_allclose(env.physics.ctrl.numpy(), target, atol=1e-9)
        clipped += int((np.abs(left) > 1).sum())
    assert clipped > 10


def test_a_reading_meets_noise_then_occlusion_then_loss(make):
    env = make(4, NOISY)
    effects, rows = env.randomization, torch.arange(4)
    generator, true = torch.Generator().manual_seed(5), []
    hidden = torch.rand(12, 4, 5, generator=generator) < 0.4
    sense, steps = effects.sense, iter(hidden)
    effects.occlusion.hidden = lambda rows: next(steps)
    effects.sense = lambda rows, key, step, reading, first: (
        true.append(reading),
        sense(rows, key, step, reading, first),
    )
    occluded = lost = env.perceive(env.observe())["fingertip_positions"].unflatten(1, (5, 3))
    left = torch.zeros(4, 5, dtype=torch.int64)
    probability, both = 1 - 0.1**PERIOD_S, 0
    for index in range(12):
        acted(env, 1, seed=index)
        noisy = effects.observation.read(rows, effects.observation.step(env.key, env.steps), true[-1])
        noisy = noisy.fingertips.unflatten(1, (5, 3))
        occluded = torch.where(hidden[index][..., None], occluded, noisy)
        new = effects.loss.step(env.key, env.steps)
        whole = torch.floor(new["seconds"] / PERIOD_S + new["rounding"]).long()
        left = torch.where((left == 0) & (new["chance"] < probability), whole, left)
        lost = torch.where((left > 0)[..., None], lost, occluded)
        both += int((hidden[index] & (left > 0)).sum())
        left = (left - 1).clamp_min(0)
        seen = env.perceive(env.observe())["fingertip_positions"].unflatten(1, (5, 3))
        torch.testing.assert_close(seen, lost, atol=1e-12, rtol=0)
    assert both > 5
