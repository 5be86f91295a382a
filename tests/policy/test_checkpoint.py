"""Checkpoints: back bit by bit, and whatever is wrong with one is told before it acts."""

import json
import struct

import msgspec
import pytest
import safetensors
import safetensors.torch
import torch

from dexctl.errors import DataError, MissingError, ProtocolError
from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor
from dexctl.profile.load import digest

PROGRESS = checkpoint.Progress(version=7, steps=123_456, seconds=60.5, learning_rate=3e-4)


@pytest.fixture
def written(toy, tmp_path):
    """A checkpoint of an actor, its path and its profile."""

    def written(kind="lstm", path=None, *settings):
        profile = toy(kind, *settings)
        actor = Actor(profile, 20, seed=3)
        actor.normalization.update(torch.randn(100, 22, generator=torch.Generator().manual_seed(1)))
        path = path or tmp_path / "00000007.safetensors"
        tensors = {f"actor.{name}": value for name, value in actor.state_dict().items()}
        checkpoint.write(
            path, profile=profile, digest=digest(profile), progress=PROGRESS, tensors=tensors, program="1.2.3"
        )
        return path, profile, actor

    return written


def act(actor, seed=5):
    """Bins over a few steps, and the memory after them."""
    generator = torch.Generator().manual_seed(seed)
    state, shown = actor.initial_state(6), []
    for _ in range(4):
        bins, log_probability, state = actor.act(
            torch.randn(6, 22, generator=generator), state, torch.rand(6, 20, generator=generator)
        )
        shown += [bins, log_probability]
    return [*shown, *state]


@pytest.mark.parametrize("kind", ["lstm", "feedforward"])
def test_a_policy_acts_bit_by_bit_as_before(written, kind):
    path, profile, actor = written(kind)
    again = Actor(profile, 20, seed=9)
    assert not all(torch.equal(a, b) for a, b in zip(act(actor), act(again), strict=True))
    checkpoint.load_into(again, checkpoint.read(path), "actor.")
    assert all(torch.equal(a, b) for a, b in zip(act(actor), act(again), strict=True))


def test_the_header_tells_what_it_is_of(written):
    path, profile, _ = written()
    saved = checkpoint.read(path)
    assert saved.profile == profile
    assert saved.header.progress == PROGRESS
    assert saved.header.digest == digest(profile)
    assert saved.header.shapes["actor.dense.0.weight"] == [12, 22]
    assert saved.header.dexctl == "1.2.3"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_never_written(written, number):
    path, profile, actor = written()
    before = path.read_bytes()
    tensors = {"actor.first": actor.head.bias, "actor.second": torch.tensor([0.0, number])}
    with pytest.raises(DataError, match=r"actor\.second has numbers that are not finite"):
        checkpoint.write(
            path, profile=profile, digest=digest(profile), progress=PROGRESS, tensors=tensors, program="1.2.3"
        )
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 0.9999])
def test_a_truncated_file_is_damaged(written, share):
    path, _, _ = written()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"00000007\.safetensors: damaged"):
        checkpoint.read(path)


def test_any_flipped_bit_is_noticed(written, tmp_path):
    path, _, _ = written()
    content = bytearray(path.read_bytes())
    header_bytes = 8 + struct.unpack("<Q", content[:8])[0]
    generator = torch.Generator().manual_seed(0)
    places = torch.cat(
        [
            torch.arange(8),
            torch.randint(8, header_bytes, (700,), generator=generator),
            torch.randint(header_bytes, len(content), (300,), generator=generator),
        ]
    )
    bits = torch.randint(0, 8, (len(places),), generator=generator)
    for place, bit in zip(places.tolist(), bits.tolist(), strict=True):
        content[place] ^= 1 << bit
        path.write_bytes(content)
        content[place] ^= 1 << bit
        # A flip in the number of the format reads as another format, one in a name as a foreign file.
        with pytest.raises((DataError, ProtocolError)):
            checkpoint.read(path)


@pytest.mark.parametrize(("old", "new"), [(b"123456", b"923456"), (b'version\\":7', b'version\\":8')])
def test_a_wrong_digit_in_the_header_is_noticed(written, old, new):
    path, _, _ = written()
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(DataError, match="checksum"):
        checkpoint.read(path)


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"dexctl": "[]"}, {"dexctl": '{"format": "other"}'}, {"dexctl": "{"}]
)
def test_a_foreign_file_is_no_checkpoint(tmp_path, metadata):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, metadata=metadata)
    with pytest.raises(DataError, match=r"model\.safetensors"):
        checkpoint.read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 100, b"\xff" * 100])
def test_any_other_file_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a checkpoint"):
        checkpoint.read(path)


def rewritten(path, change):
    """The same file with another header, its checksum right."""
    with safetensors.safe_open(path, "pt") as file:
        raw = json.loads(file.metadata()["dexctl"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    change(raw)
    text = json.dumps(raw)
    metadata = {"dexctl": text, "checksum": checkpoint.checksum(text, tensors)}
    path.write_bytes(safetensors.torch.save(tensors, metadata))


def test_a_newer_format_is_another_program_s(written):
    path, _, _ = written()
    rewritten(path, lambda raw: raw.update(format_version=2, new_field=1))
    with pytest.raises(ProtocolError, match="format 2, this program reads 1") as refused:
        checkpoint.read(path)
    assert refused.value.code == 76


def test_a_header_that_lacks_something_names_it(written):
    path, _, _ = written()
    rewritten(path, lambda raw: raw["profile"]["action"].pop("bins"))
    with pytest.raises(ProtocolError, match=r"bins.*profile\.action"):
        checkpoint.read(path)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("policy.actor.hidden=[12, 9]", r"actor\.dense\.1"),
        ("policy.actor.hidden=[12]", r"actor\.dense\.1"),
        ("policy.actor.lstm=7", r"actor\.gates\.bias is \(24,\), the profile wants \(28,\)"),
        ("action.bins=5", r"actor\.head"),
    ],
)
def test_another_network_s_shape_is_refused_with_what_differs(written, toy, setting, named):
    path, _, _ = written()
    with pytest.raises(ProtocolError, match=named):
        checkpoint.load_into(Actor(toy("lstm", setting), 20), checkpoint.read(path), "actor.")


def test_an_lstm_is_no_feedforward_network(written, toy):
    path, _, _ = written("lstm")
    with pytest.raises(ProtocolError, match=r"actor\.gates\.bias is \(24,\), the profile wants none"):
        checkpoint.load_into(Actor(toy("feedforward"), 20), checkpoint.read(path), "actor.")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ('policy.actor.activation="relu"', "policy.actor.activation = elu, the profile has relu"),
        ("policy.clip_std=9.0", "policy.clip_std"),
        ('policy.actor.observe=["joint_angles"]', "policy.actor.observe"),
        ('task.angular_velocity="vector"', "task.angular_velocity"),
    ],
)
def test_what_weights_do_not_show_is_compared_too(written, toy, setting, named):
    path, profile, _ = written()
    saved = checkpoint.read(path)
    checkpoint.check_networks(saved, profile, ["actor", "critic"])
    with pytest.raises(ProtocolError, match=named):
        checkpoint.check_networks(saved, toy("lstm", setting), ["actor", "critic"])


def test_the_newest_of_a_run_is_read(written, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    with pytest.raises(MissingError, match="without a checkpoint"):
        checkpoint.read(run)
    for version in (9, 10, 100):
        written("lstm", run / "checkpoints" / checkpoint.name_of(version))
    (run / "checkpoints" / ".00000999.safetensors.tmp").touch()
    assert checkpoint.read(run).path.name == "00000100.safetensors"
    assert [path.name for path in checkpoint.listed(run)] == [checkpoint.name_of(v) for v in (9, 10, 100)]


def test_what_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingError, match="no such run"):
        checkpoint.read(tmp_path / "nowhere")


def test_a_written_profile_comes_back_whole(written):
    path, profile, _ = written()
    assert msgspec.to_builtins(checkpoint.read(path).profile) == msgspec.to_builtins(profile)
