"""Faults of the machine under a run: a full disk, a kill in the middle of a checkpoint, a worker that is stopped."""

import os
import shutil
import signal
import subprocess

import pytest

from dexctl.errors import DataError
from dexctl.policy import checkpoint


def mounts():
    """Whether a file system of our own can be mounted, seen by nobody else."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, timeout=20, check=False
    )
    return tried.returncode == 0


@pytest.fixture
def toy(toy):
    return f"{toy} --run run --set run.checkpoint_s=0.001 --set run.keep_checkpoints=1000 --set run.workers=1"


@pytest.mark.slow
@pytest.mark.skipif(not mounts(), reason="mounting needs root")
def test_a_full_disk_ends_the_run_with_74_and_the_run_goes_on_when_there_is_room(shell, toy, tmp_path):
    told = shell(
        f"""
        exec unshare -m sh -c '
            mkdir run && mount -t tmpfs -o size=350k none run || exit 99
            dexctl {toy} --sync >first.jsonl 2>first.log
            echo "full: $?"
            cp -r run/checkpoints before
            mount -o remount,size=64m run
            newest=$(basename $(ls run/checkpoints/*.safetensors | tail -n 1) .safetensors)
            dexctl {toy} --sync --quiet --steps $(expr \\( $newest + 1 \\) \\* 256) 2>&1
            echo "room: $?"
            cp -r run/checkpoints after
        '
        """
    )
    assert "full: 74\n" in told.stdout, told.stdout + told.stderr + (tmp_path / "first.log").read_text()
    assert "room: 0\n" in told.stdout, told.stdout + told.stderr
    assert "No space left on device" in (tmp_path / "first.log").read_text()
    # Whatever has a checkpoint's name is one.
    saved = [checkpoint.read(path) for path in checkpoint.listed(tmp_path / "before")]
    assert len(saved) >= 1
    later = checkpoint.read(tmp_path / "after").header.progress
    assert later.version > saved[-1].header.progress.version
    assert not list((tmp_path / "after").glob(".*"))


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_checkpoint_leaves_the_one_before(start, toy, tmp_path):
    steps = 0
    for _ in range(5):
        program = start(f"{toy} --sync")
        program.wait("checkpoint")
        folder = tmp_path / "run" / "checkpoints"
        # A file that is being written has a name of its own until it is whole.
        while not any(name.endswith(".part") for name in os.listdir(folder)):
            assert program.process.poll() is None
        program.ask(signal.SIGKILL)
        program.end()
        for path in checkpoint.listed(tmp_path / "run"):
            try:
                checkpoint.read(path)
            except DataError as error:
                raise AssertionError(f"{path} reads as whole and is not") from error
        assert checkpoint.read(tmp_path / "run").header.progress.steps >= steps
        steps = checkpoint.read(tmp_path / "run").header.progress.steps
    again = start(f"{toy} --sync --steps {steps + 256}")
    assert again.wait("ready")[0]["steps"] == steps
    assert again.end() == 0


@pytest.mark.slow
def test_a_worker_that_is_stopped_for_a_minute_is_lost_and_comes_back(start, toy):
    program = start(f"{toy} --workers 2 --set run.checkpoint_s=1000.0")
    stopped, _ = program.wait("worker_joined", 2)
    program.wait("iteration")
    os.kill(stopped["pid"], signal.SIGSTOP)
    (lost,) = program.wait("worker_lost")
    assert lost["name"] == stopped["name"]
    assert lost["reason"].startswith("silent for")
    before = len(program.of("iteration"))
    # The length of the stop is what is tested: training goes on all the while.
    with pytest.raises(subprocess.TimeoutExpired):
        program.process.wait(60)
    assert len(program.of("iteration")) > before
    os.kill(stopped["pid"], signal.SIGCONT)
    back = program.wait("worker_joined", 3)[2]
    assert (back["name"], back["pid"]) == (stopped["name"], stopped["pid"])
    before = len(program.of("iteration"))
    assert program.wait("iteration", before + 3)[-1]["workers"] == 2


@pytest.mark.slow
def test_a_synchronous_worker_that_hangs_is_told_of_waited_for_and_replaced_when_it_is_killed(start, toy):
    program = start(f"{toy} --sync --workers 2 --set run.checkpoint_s=1000.0")
    hung, _ = program.wait("worker_joined", 2)
    program.wait("iteration")
    waits = f"a synchronous update waits for {hung['name']} (process {hung['pid']} on "

    def of_the_hung(told):
        return told["name"] == hung["name"]

    for times, cure in enumerate((signal.SIGCONT, signal.SIGKILL), start=1):
        os.kill(hung["pid"], signal.SIGSTOP)
        lost = program.wait("worker_lost", times, of_the_hung)[-1]
        assert lost["reason"].startswith("silent for")
        program.wait("warning", times, lambda told: waits in told["message"] and "gone: silent" in told["message"])
        before = len(program.of("iteration"))
        os.kill(hung["pid"], cure)
        back = program.wait("worker_joined", 1 + times, of_the_hung)[-1]
        assert (back["pid"] == hung["pid"]) == (cure == signal.SIGCONT)
        program.wait("iteration", before + 3)
    assert any("ended with status -9; starting it again" in told["message"] for told in program.of("warning"))
