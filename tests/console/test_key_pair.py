import stat

import pytest
import zmq
from zmq.auth import load_certificate

from dexctl.console.key_pair import key_files, make_key_pair
from dexctl.errors import CreateError


def test_files_hold_one_pair_that_zeromq_reads(tmp_path):
    pair = make_key_pair(tmp_path / "worker")
    public, secret = load_certificate(pair.secret_file)
    assert secret is not None
    assert zmq.curve_public(secret) == public == pair.public_key.encode()
    assert load_certificate(pair.public_file) == (public, None)


def test_only_the_owner_reads_them(tmp_path):
    pair = make_key_pair(tmp_path / "worker")
    modes = [stat.S_IMODE(file.stat().st_mode) for file in (pair.public_file, pair.secret_file)]
    assert modes == [0o600, 0o600]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("there", ["worker.key", "worker.key_secret"])
def test_keys_are_never_overwritten(tmp_path, there):
    (tmp_path / there).write_text("precious")
    with pytest.raises(CreateError, match="never overwritten"):
        make_key_pair(tmp_path / "worker")
    assert (tmp_path / there).read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_appears_meanwhile_is_kept_too(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dexctl.console.key_pair.key_files", lambda path: (tmp_path / "w.key", tmp_path / "w.key_secret")
    )
    (tmp_path / "w.key").write_text("precious")
    with pytest.raises(CreateError, match="never overwritten"):
        make_key_pair(tmp_path / "w")
    assert (tmp_path / "w.key").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["w.key"]


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(CreateError, match="missing"):
        key_files(tmp_path / "missing" / "worker")
