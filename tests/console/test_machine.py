import os

import pytest

from dexctl.console import machine


def test_every_failure_has_a_cure(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    monkeypatch.setattr(machine, "PACKAGES", ("dexctl", "no-such-package"))
    failed = [*machine.check_packages(), machine.check_gl(), machine.check_writable(tmp_path / "file" / "runs")]
    assert [check.name for check in failed if check.state == "failed"] == ["no-such-package", "gl", "runs"]
    assert all(check.cure for check in failed if check.state != "ok")


def test_a_frame_is_really_rendered(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    check = machine.check_gl()
    assert check.name == "gl"
    assert check.found.startswith("egl: ")
    assert check.state == "ok" or "libegl1" in check.cure


def test_trying_the_runs_folder_leaves_nothing(tmp_path):
    assert machine.check_writable(tmp_path / "runs").state == "ok"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "check", [machine.check_port, machine.check_profiles, machine.check_video, machine.check_curve]
)
def test_what_the_tests_themselves_need_is_found(check):
    assert check().state == "ok"


def test_usable_cores_are_those_of_this_process():
    assert 1 <= machine.usable_cores() <= os.cpu_count()


def test_without_vulkan_the_second_renderer_is_absent_and_its_packages_are_named(monkeypatch, tmp_path):
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, str(tmp_path / "none.json"))
    check = machine.check_vulkan()
    assert (check.name, check.state) == ("vulkan", "absent")
    assert "mesa-vulkan-drivers" in check.cure
