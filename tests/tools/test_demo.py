"""tools/demo.py on a few images: stopped, gone on with, finished, called again; and with a failing step."""

import json
import signal
import subprocess
import sys
import time

import pytest

from mirl_mm.visualization.scalars import read_scalars
from tests.tools.browser import assert_sound
from tests.training import ROOT, environment, run_tool

SMALL = ["--num-images", "48", "16", "--epochs", "2", "--lengths", "2", "2", "2"]


def arguments(folder, *options):
    return [ROOT / "tools/demo.py", "--work-dir", folder, *SMALL, *options]


def interrupt_at_first_epoch(folder):
    """Start the demo and press Ctrl-C as soon as pre-training has a checkpoint; returns exit code and output."""
    command = [sys.executable, *map(str, arguments(folder))]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so do their children: the tests may run as one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not (folder / "pretrain/last_checkpoint").exists():  # written after the checkpoint
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.det
@pytest.mark.seg
def test_stop_go_on_and_finish(tmp_path):
    folder = tmp_path / "demo"
    code, output = interrupt_at_first_epoch(folder)
    assert code == 130, output
    assert output.endswith("Stopped. The same command goes on from here.\n")
    assert "Traceback" not in output
    assert "Pre-train with MIRL: done" not in output

    done = run_tool(*arguments(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 15 steps are done already" in done.stdout
    assert "resumed epoch: 1" in (folder / "steps/pretrain.log").read_text()
    assert len(json.loads((folder / "steps/pretrain.json").read_text())["spans"]) == 2
    assert "left" in done.stdout
    assert "optim_wrapper = " not in done.stdout  # mmengine's dump of the config stays in the log
    page = folder / "index.html"
    assert page.as_uri() in done.stdout
    mask_ap = 100 * read_scalars(folder / "det_mirl").val["coco/segm_mAP"][-1][1]
    line = next(line for line in done.stdout.splitlines() if "Detection, mask AP" in line)
    assert line.split()[4] == f"{mask_ap:.1f}"

    seen = assert_sound(page, tmp_path)
    assert seen["desktop"]["images"] == 3 + 3 + 2 * 8 * 3
    assert {"Pre-training", "What each depth knows", "Detections", "Segmentations", "Environment"} <= set(
        seen["phone"]["headings"]
    )

    written, started = page.stat().st_mtime_ns, time.monotonic()
    again = run_tool(*arguments(folder))
    assert again.returncode == 0
    assert "Finished already" in again.stdout and line in again.stdout
    assert time.monotonic() - started < 10
    assert page.stat().st_mtime_ns == written
    assert len(list((folder / "pretrain").glob("2*"))) == 2  # it didn't train a third time


def test_a_failing_step_says_why(tmp_path):
    failed = run_tool(*arguments(tmp_path / "demo", "--num-images", "3", "8"))
    assert failed.returncode == 1
    assert "error: tools/dataset_converters/generate_shapes.py ended with exit code 1" in failed.stderr
    assert "num_train=3: an image folder needs an image of each class" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_needless_numbers_are_refused(tmp_path):
    failed = run_tool(*arguments(tmp_path / "demo", "--jobs", "0"))
    assert failed.returncode == 2
    assert "--jobs must be at least 1, got 0" in failed.stderr
    assert not (tmp_path / "demo").exists()
