import numpy as np
import pytest
import torch

from dexctl.errors import ProtocolError
from dexctl.policy import checkpoint
from dexctl.profile.load import load
from dexctl.vision.batch import Augmentation, normalize
from dexctl.vision.estimator import Estimator
from dexctl.vision.learner import PoseLearner


@pytest.fixture
def learner(toy, make_pictures):
    learner = PoseLearner(toy.profile, 0)
    learner.standardize(make_pictures(64).position_m)
    return learner


def save(learner, loaded, path):
    progress = checkpoint.Progress(
        version=learner.batches, steps=learner.states, seconds=1.0, learning_rate=learner.learning_rate
    )
    checkpoint.write(
        path, profile=loaded.profile, digest=loaded.digest, progress=progress, tensors=learner.state(), program="test"
    )
    return checkpoint.read(path)


def test_few_pictures_are_learned_by_heart(learner, make_pictures):
    batch = make_pictures(8)
    first = learner.learn(batch)
    last = [learner.learn(batch) for _ in range(60)][-1]
    assert last.position < 0.5 * first.position
    assert last.rotation < 0.5 * first.rotation
    assert (learner.batches, learner.states) == (61, 488)


def test_a_resumed_run_goes_on_exactly(toy, learner, make_pictures, tmp_path):
    batches = [make_pictures(8, seed=seed) for seed in range(6)]
    for batch in batches[:3]:
        learner.learn(batch)
    resumed = PoseLearner(toy.profile, 5)
    resumed._seed = learner._seed
    resumed.restore(save(learner, toy, tmp_path / "a.safetensors"))
    for batch in batches[3:]:
        assert learner.learn(batch) == resumed.learn(batch)
    for name, tensor in learner.state().items():
        assert torch.equal(tensor, resumed.state()[name]), name


def test_the_learning_rate_is_halved_again_and_again(load_toy):
    profile = load_toy("vision.training.halve_batches=10").profile
    learner = PoseLearner(profile, 0)
    rates = []
    for batches in (0, 9, 10, 20, 39):
        learner.batches = batches
        rates.append(learner.learning_rate / profile.vision.training.learning_rate)
    assert rates == [1, 1, 0.5, 0.25, 0.125]


def test_an_estimator_gives_the_poses_of_the_network_that_was_saved(toy, learner, make_pictures, tmp_path):
    batch = make_pictures(8)
    for _ in range(3):
        learner.learn(batch)
    position_m, quaternion = Estimator(toy.profile, learner.network).estimate(batch.pictures)
    again = Estimator.open(save(learner, toy, tmp_path / "a.safetensors")).estimate(batch.pictures)
    assert np.array_equal(position_m, again[0])
    assert np.array_equal(quaternion, again[1])
    assert position_m.shape == (8, 3)
    assert np.allclose(np.linalg.norm(quaternion, axis=1), 1, atol=1e-5)


def test_another_network_is_refused_by_the_key_that_differs(learner, toy, load_toy, tmp_path):
    saved = save(learner, toy, tmp_path / "a.safetensors")
    other = load_toy("vision.network.dense=8").profile
    with pytest.raises(ProtocolError, match=r"vision\.network"):
        PoseLearner(other, 0).restore(saved)


@pytest.mark.parametrize("setting", ["vision.network.dense=1000000000000", "vision.network.group_blocks=[1000000000]"])
def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(learner, load_toy, tmp_path, setting):
    saved = save(learner, load_toy(setting), tmp_path / "vast.safetensors")
    with pytest.raises(ProtocolError, match=r"vast\.safetensors: (its header wants|estimator\.)"):
        Estimator.open(saved)


def test_a_policy_is_no_estimator(tmp_path):
    loaded = load("block", [], {})
    progress = checkpoint.Progress(version=1, steps=0, seconds=0.0, learning_rate=1.0)
    path = tmp_path / "a.safetensors"
    tensors = {"actor.x": torch.zeros(1)}
    checkpoint.write(path, profile=loaded.profile, digest="", progress=progress, tensors=tensors, program="test")
    with pytest.raises(ProtocolError, match="a policy"):
        Estimator.open(checkpoint.read(path))


@pytest.mark.parametrize("how", ["picture", "channel"])
def test_normalized_pictures_have_mean_0_and_deviation_1_and_one_colour_stays_finite(how, make_pictures):
    pictures = torch.from_numpy(make_pictures(4).pictures).clone()
    pictures[0] = 77
    found = normalize(pictures, how)
    over = (2, 3) if how == "channel" else (2, 3, 4)
    assert found.mean(over).abs().max() < 1e-4
    assert torch.allclose(found[1:].std(over, correction=0), torch.ones(()), atol=1e-4)
    assert torch.equal(found[0], torch.zeros_like(found[0]))


def test_a_picture_that_is_brighter_throughout_is_normalized_to_the_same():
    pictures = torch.randint(0, 100, (2, 3, 8, 8, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.allclose(normalize(pictures, "picture"), normalize(2 * pictures + 7, "picture"), atol=1e-4)


def test_contrast_and_noise_have_the_distributions_of_the_profile(load_toy, make_pictures):
    noise_alone = load_toy("randomize.appearance.contrast=1.0").profile
    pictures = torch.from_numpy(make_pictures(32).pictures)
    found, _ = Augmentation(noise_alone, 0)(pictures)
    noise = found - normalize(pictures, "picture")
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0.0, abs=1e-3)
    contrast_alone = load_toy("randomize.appearance.pixel_noise=0.0").profile
    found, _ = Augmentation(contrast_alone, 0)(pictures)
    factor = found.std((2, 3, 4), correction=0)
    assert 0.5 <= float(factor.min()) < 0.6
    assert 1.4 < float(factor.max()) <= 1.5
    assert float(factor.mean()) == pytest.approx(1.0, abs=0.1)


def test_colors_are_brought_nearer_to_grey_and_made_brighter_or_darker(load_toy, make_pictures):
    pictures = torch.from_numpy(make_pictures(4).pictures)
    plain = ("randomize.appearance.on=false",)

    def seen(*settings):
        return Augmentation(load_toy(*plain, *settings).profile, 0)(pictures)[0]

    share = pictures.double() / 255.0
    squared = (share**2 * 255.0).float()
    torch.testing.assert_close(seen("vision.training.gamma=2.0"), normalize(squared, "picture"), atol=1e-4, rtol=0)
    grey = pictures.float().mean(-1, keepdim=True)
    half = (grey + 0.5 * (pictures - grey)).clamp(0.0, 255.0)
    torch.testing.assert_close(seen("vision.training.saturation=0.5"), normalize(half, "picture"), atol=1e-4, rtol=0)


def test_each_picture_has_a_gamma_of_its_own_from_the_profile_s_range(load_toy):
    profile = load_toy("vision.training.gamma={uniform=[0.5,2.0]}", "randomize.appearance.on=false").profile
    pictures = torch.zeros(200, 3, 16, 16, 3, dtype=torch.uint8)
    pictures[:, :, 8:] = 255
    pictures[:, :, :4] = 64
    found = Augmentation(profile, 0)(pictures)[0][:, :, :, 0, 0]
    black, grey, white = found[:, :, 5], found[:, :, 0], found[:, :, 15]
    gamma = ((grey - black) / (white - black)).log() / torch.tensor(64 / 255).log()
    assert gamma.unique().numel() == 600
    assert 0.5 <= float(gamma.min()) < 0.52
    assert 1.98 < float(gamma.max()) <= 2.0
    assert float(gamma.mean()) == pytest.approx(1.25, abs=0.06)


def test_moved_pictures_tell_by_how_much(load_toy, make_pictures):
    profile = load_toy("vision.training.shift_px=3", "randomize.appearance.on=false").profile
    pictures = torch.from_numpy(make_pictures(6).pictures)
    edge_px = pictures.shape[2]
    found, by = Augmentation(profile, 0)(pictures)
    plain = normalize(pictures, "picture")
    for state in range(6):
        right, down = (by[state, 0] * edge_px / 2).round().int().tolist()
        assert max(abs(right), abs(down)) <= 3
        there = found[state, 0, max(0, down) : edge_px + min(0, down), max(0, right) : edge_px + min(0, right)]
        here = plain[state, 0, max(0, -down) : edge_px + min(0, -down), max(0, -right) : edge_px + min(0, -right)]
        # Normalizing a picture whose edge went away shifts and scales it: compare by correlation.
        both = torch.stack((there.flatten(), here.flatten()))
        assert float(torch.corrcoef(both)[0, 1]) > 0.99
    assert by.abs().max() > 0
