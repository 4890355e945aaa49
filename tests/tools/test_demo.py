"""tools/demo.py on a few images: whole, again, after a stop, and with a failing step."""

import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from mirl_mm.visualization.scalars import read_scalars
from tests.training import ROOT, environment, run_tool

SMALL = [
    "model.backbone.arch.depth=6",
    "model.backbone.arch.embed_dims=24",
    "train_dataloader.batch_size=8",
    "train_dataloader.num_workers=0",
    "val_dataloader.num_workers=0",
    "train_cfg.max_epochs=2",
    "param_scheduler.end=2",
    "default_hooks.logger.interval=1",
]


def arguments(folder, *options):
    return [ROOT / "tools/demo.py", "--work-dir", folder, "--num-images", "16", "8", "--cfg-options", *SMALL, *options]


def interrupt_at_first_epoch(folder):
    """Start the demo and press Ctrl-C as soon as there is a checkpoint; returns exit code and output."""
    command = [sys.executable, *map(str, arguments(folder))]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and so do their children: the tests may run as one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not (folder / "pretrain/epoch_1.pth").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.mark.slow
def test_stop_go_on_and_finish(tmp_path):
    code, output = interrupt_at_first_epoch(tmp_path / "demo")
    assert code == 130, output
    assert output.endswith("Stopped. The same command goes on from here.\n")
    assert "Traceback" not in output

    done = run_tool(*arguments(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resumed epoch: 1" in done.stdout
    assert "left" in done.stdout  # the time that training will take
    assert "optim_wrapper" not in done.stdout  # mmengine's dump of the config stays in the log file
    last = read_scalars(tmp_path / "demo/pretrain").train["pair_1_6"][-1][1]
    assert f"-> {last:.3f}" in done.stdout
    for name in ("loss.png", "reconstruction.png"):
        assert Image.open(tmp_path / "demo" / name).width > 900
        assert str(tmp_path / "demo" / name) in done.stdout

    started = time.monotonic()
    again = run_tool(*arguments(tmp_path / "demo"))
    assert again.returncode == 0
    assert "Finished already" in again.stdout
    assert f"-> {last:.3f}" in again.stdout
    assert time.monotonic() - started < 10
    assert len(list((tmp_path / "demo/pretrain").glob("2*"))) == 2  # it didn't train a third time


def test_a_failing_step_says_why(tmp_path):
    failed = run_tool(*arguments(tmp_path / "demo", "model.num_segments=5"))
    assert failed.returncode == 1
    assert "error: tools/train.py ended with exit code 1" in failed.stderr
    assert "num_segments=5 is not an even number" in failed.stderr
