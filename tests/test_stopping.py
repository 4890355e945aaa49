"""Ctrl-C and SIGTERM end a training within two seconds, with a last line that says how to go on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mirl_mm import stopping
from tests.conftest import forget_runs
from tests.stress.compare import differences
from tests.training import ROOT, environment, run_here, small_classifier, train, write_class_folders

WAIT = 60


def children(pid: int) -> list[int]:
    """Living processes whose parent it is, or was when we looked."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(word) for word in found.split()]


def by_iterations(folder, name, **options):
    """A training of 12 iterations, a checkpoint every four, updates of two, two workers."""
    cfg = small_classifier(folder / "data", folder / name, optim_wrapper__accumulative_counts=2, **options)
    cfg.train_dataloader.sampler = {"type": "EndlessSampler"}
    cfg.train_dataloader.update(num_workers=2, persistent_workers=True)
    cfg.train_cfg = {"type": "IterBasedTrainLoop", "max_iters": 12, "val_interval": 100}
    cfg.param_scheduler = None
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=4, max_keep_ckpts=5)
    cfg.log_processor = {"by_epoch": False}
    return cfg


def hear_ctrl_c() -> None:
    """What a shell starts in the background ignores it, and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begin(config, *arguments, until, **env):
    """Start a training, and wait until a line of its log has a text."""
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", config, *map(str, arguments)],
        cwd=ROOT,
        env=environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until in line:
            return process
    raise AssertionError("".join(lines[-20:]))


def stop(process, number):
    """Send the signal; seconds until it had ended, the last line, and children that are left."""
    workers = children(process.pid)
    begun = time.monotonic()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=WAIT)
    seconds = time.monotonic() - begun
    assert "Traceback" not in rest
    alive = [pid for pid in workers if os.path.exists(f"/proc/{pid}") and "train.py" in cmdline(pid)]
    return seconds, rest.strip().splitlines()[-1], alive


def cmdline(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


def test_sigterm_saves_and_says_how_to_go_on(tmp_path, monkeypatch):
    write_class_folders(tmp_path / "data")
    train(by_iterations(tmp_path, "whole"))
    cfg = by_iterations(tmp_path, "run")
    cfg.custom_imports = {"imports": ["tests.slow_steps"]}
    cfg.custom_hooks = [*cfg.custom_hooks, {"type": "SlowSteps", "seconds": 0.3}]
    cfg.dump(tmp_path / "config.py")
    process = begin(tmp_path / "config.py", until="Iter(train) [ 5/12]", MIRL_STOP_SECONDS="20")
    seconds, line, alive = stop(process, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert not alive
    saved = (tmp_path / "run/last_checkpoint").read_text()
    number = int(saved.rpartition("_")[2].removesuffix(".pth"))
    assert number % 4 == 2, "a checkpoint between those of its interval, at an update"
    assert line == (
        f"stopped by SIGTERM; to go on from {saved}: python tools/train.py {tmp_path / 'config.py'} --resume"
    )
    assert seconds < 20
    forget_runs()
    run_here(monkeypatch, "tools/train.py", tmp_path / "config.py", "--resume")
    found = differences(tmp_path / "run/iter_12.pth", tmp_path / "whole/iter_12.pth")
    assert [each for each in found if "keep_ckpt_ids" not in each] == []


def test_ctrl_c_in_a_long_step(tmp_path):
    """Nothing can be saved: it ends all the same."""
    write_class_folders(tmp_path / "data")
    cfg = by_iterations(tmp_path, "run")
    cfg.custom_imports = {"imports": ["tests.slow_steps"]}
    cfg.custom_hooks = [*cfg.custom_hooks, {"type": "SlowSteps", "seconds": 30, "since": 5}]
    cfg.dump(tmp_path / "config.py")
    process = begin(tmp_path / "config.py", until="Iter(train) [ 5/12]")
    seconds, line, alive = stop(process, signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT
    assert not alive
    assert line.startswith("stopped by Ctrl-C; to go on from ") and "iter_4.pth: python tools/train.py" in line
    assert seconds < 10  # 2 on a machine of one's own


def test_before_there_is_a_checkpoint():
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", "nothing.py"], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    while not catches(process.pid, signal.SIGTERM):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)  # it imports
    _, errors = process.communicate(timeout=WAIT)
    assert errors.strip() == "stopped by SIGTERM before there was a checkpoint; to start again, give the same command"


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status") as file:
        (mask,) = [int(line.split()[1], 16) for line in file if line.startswith("SigCgt")]
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("given", "again"),
    [
        ("c.py", "c.py --resume"),
        ("c.py --resume", "c.py --resume"),
        ("c.py --resume --amp", "c.py --amp --resume"),
        ("c.py --resume=a.pth --amp", "c.py --amp --resume"),
        ("c.py --resume a.pth", "c.py --resume"),
    ],
)
def test_the_command_to_go_on_with(monkeypatch, given, again):
    monkeypatch.setattr(sys, "argv", ["tools/train.py", *given.split()])
    for name in stopping._RANKS:
        monkeypatch.delenv(name, raising=False)
    stopping.set_checkpoint("w/epoch_1.pth")
    line = stopping.last_line(signal.SIGINT)
    assert line == f"stopped by Ctrl-C; to go on from w/epoch_1.pth: python tools/train.py {again}"
    monkeypatch.setenv("RANK", "0")
    assert stopping.last_line(signal.SIGTERM).endswith("epoch_1.pth: the same command with --resume")
    stopping.set_checkpoint(None)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stopping._NAMES]
    with stopping.ends_well(), stopping.ends_well():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
        stopping.finish()  # nothing asked for it
    assert [signal.getsignal(number) for number in stopping._NAMES] == before
    assert signal.set_wakeup_fd(-1) == -1
