"""A work dir is one run's at a time."""

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from mirl_mm.engine import run_lock
from mirl_mm.engine.run_lock import LOCK, lock_work_dir, unlock_work_dir
from tests.training import ROOT, environment

HOLD = "import sys, time; from mirl_mm.engine.run_lock import lock_work_dir; lock_work_dir(sys.argv[1]); print(1); "


@pytest.fixture
def other(tmp_path):
    """A process that holds ``tmp_path / "run"``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + "sys.stdout.flush(); time.sleep(100)", tmp_path / "run"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_another_run_is_named_and_its_death_frees_the_folder(tmp_path, other):
    who = rf"process {other.pid} on {platform.node()}, since 20\d\d-"
    with pytest.raises(RuntimeError, match=rf"run' is in use by another run \({who}.*\): stop it, .* --work-dir"):
        lock_work_dir(tmp_path / "run")
    other.send_signal(signal.SIGKILL)
    other.wait()
    lock_work_dir(tmp_path / "run")
    lock_work_dir(tmp_path / "run")  # ours already
    assert json.loads((tmp_path / "run" / LOCK).read_text())["pid"] == os.getpid()
    unlock_work_dir(tmp_path / "run")
    assert (tmp_path / "run" / LOCK).read_text() == ""


def test_a_folder_that_is_not_there_is_made_if_asked_for(tmp_path):
    lock_work_dir(tmp_path / "run", make=False)
    assert not (tmp_path / "run").exists()
    lock_work_dir(tmp_path / "run")
    assert (tmp_path / "run" / LOCK).exists()
    unlock_work_dir(tmp_path / "run")


def record(folder, **more):
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_text(json.dumps({"pid": 1, "host": platform.node(), "began": "?", "since": "then"} | more))


def no_locks(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)


def test_a_disk_without_locks(tmp_path, monkeypatch):
    no_locks(monkeypatch)
    record(tmp_path, host="elsewhere")
    with pytest.raises(RuntimeError, match=r"process 1 on elsewhere, since then\): stop it, remove .*lock if it is de"):
        lock_work_dir(tmp_path)
    record(tmp_path, began=run_lock._began(os.getppid()), pid=os.getppid())
    with pytest.raises(RuntimeError, match="in use by another run"):
        lock_work_dir(tmp_path)
    record(tmp_path, pid=os.getppid())  # the number was used again
    lock_work_dir(tmp_path)
    unlock_work_dir(tmp_path)


def test_locks_that_other_machines_do_not_see(tmp_path, monkeypatch):
    record(tmp_path, host="elsewhere")
    monkeypatch.setattr(run_lock, "_locks_are_local", lambda _: True)
    with pytest.raises(RuntimeError, match="process 1 on elsewhere"):
        lock_work_dir(tmp_path)
    monkeypatch.setattr(run_lock, "_locks_are_local", lambda _: False)
    lock_work_dir(tmp_path)  # the other machine's lock is gone: its process is, too
    unlock_work_dir(tmp_path)


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("server:/x {} nfs4 rw,hard,local_lock=none 0 0", False),
        ("server:/x {} nfs rw,nolock,local_lock=all 0 0", True),
        ("server:/x {} nfs rw,local_lock=flock 0 0", False),
        ("me@x:/x {} fuse.sshfs rw 0 0", True),
        ("/dev/sda1 {} ext4 rw 0 0", False),
    ],
)
def test_mounts(tmp_path, monkeypatch, line, local):
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\n{line.format(tmp_path)}\n")
    monkeypatch.setattr(run_lock, "MOUNTS", table)
    assert run_lock._locks_are_local(tmp_path / "a") == local


def test_a_worker_that_outlives_its_run_does_not_keep_the_lock(tmp_path):
    worker = "import os; pid = os.fork()\nif pid == 0: time.sleep(20)\nprint(pid, flush=True); time.sleep(100)"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + worker, tmp_path], cwd=ROOT, env=environment(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    lock_work_dir(tmp_path)
    unlock_work_dir(tmp_path)
    os.kill(pid, signal.SIGKILL)
