"""Where tests see a GPU, and what is said where there is none."""

import shutil
import subprocess

import pytest
import torch

from tests import gpu
from tests.training import ROOT


@pytest.mark.parametrize(
    ("device", "number", "found", "expected"),
    [
        ("cpu", 2, 0, ""),
        ("cuda", 1, 1, ""),
        ("cuda", 1, 0, f"needs a CUDA device, and torch {torch.__version__} sees none"),
        ("cuda", 2, 1, f"needs 2 CUDA devices, and torch {torch.__version__} sees 1"),
        ("tpu", 1, 0, "knows the devices cuda and cpu, not tpu"),
    ],
)
def test_what_is_missing(device, number, found, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    assert gpu.missing(device, number) == expected


def test_make_test_gpu_stops_with_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu.py", "cuda"])
    with pytest.raises(SystemExit) as stopped:
        gpu.main()
    assert str(stopped.value).startswith("error: make test-gpu needs a CUDA device")
    assert str(stopped.value).endswith("TEST_DEVICE=cpu rehearses the tests on the CPU")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        (["test"], True),
        (["test-all"], True),
        (["test-matrix", "MATRIX=pinned"], True),
        (["test-gpu"], False),
        (["test-gpu", "TEST_DEVICE=cpu"], True),
    ],
)
def test_only_test_gpu_sees_gpus(arguments, hidden):
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (call,) = [line for line in done.stdout.replace("\\\n", " ").splitlines() if "-m pytest" in line]
    assert ("CUDA_VISIBLE_DEVICES= " in call) == hidden
    assert ("-m gpu" in call) == (arguments[0] == "test-gpu")
