import json

import pytest

from dexctl.__main__ import main
from dexctl.profile.load import load, names


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    monkeypatch.delenv("DEXCTL_SET", raising=False)


def answer(capsys, *arguments):
    code = main(["profile", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_show_prints_is_a_profile_with_the_same_digest(capsys, tmp_path):
    code, out, err = answer(capsys, "show", "block-yaw", "--set", "ppo.clip=0.15")
    (tmp_path / "shown.toml").write_text(out)
    assert (code, err) == (0, "")
    assert load(str(tmp_path / "shown.toml")).digest == load("block-yaw", ["ppo.clip=0.15"]).digest
    assert "\nclip = 0.15" in out
    assert "# --set\n" in out


def test_show_as_json_is_one_document_with_origins(capsys):
    _, out, _ = answer(capsys, "show", "block", "--json")
    document = json.loads(out)
    assert out.count("\n") == 1
    assert document["digest"] == load("block").digest
    assert document["origins"]["ppo.clip"] == "profiles/train/paper.toml"


def test_list_names_every_shipped_profile(capsys):
    _, table, _ = answer(capsys, "list")
    _, document, _ = answer(capsys, "list", "--json")
    listed = names()
    assert [line.split()[0] for line in table.splitlines()[1:]] == [one.name for one in listed]
    assert [one["name"] for one in json.loads(document)["profiles"]] == [one.name for one in listed]


def test_check_goes_on_after_a_wrong_profile_and_ends_with_78(capsys, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('inherits = "block"\n[ppo]\nentrpy = 1')
    code, out, err = answer(capsys, "check", "hand/shadow", str(wrong), "blok", "block")
    assert code == 78
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["part", "wrong", "wrong", "whole"]
    assert f"{wrong}: ppo.entrpy: unknown key\nDid you mean 'entropy'?\n" in err
    assert "profile 'blok' is unknown\nDid you mean 'block' or 'block-yaw'?\n" in err


def test_check_of_every_shipped_profile_finds_nothing(capsys):
    code, out, err = answer(capsys, "check", *[one.name for one in names()], "--json")
    assert (code, err, json.loads(out)["faults"]) == (0, "", [])


def test_a_part_cannot_be_shown_and_the_message_says_why(capsys):
    code, out, err = answer(capsys, "show", "hand/shadow")
    assert (code, out) == (78, "")
    assert err.startswith("error: profiles/hand/shadow.toml: lacks object")
    assert "A part is there to be inherited" in err
