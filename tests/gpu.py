"""The device of ``make test-gpu``; as a script it says whether the tests can run there."""

import os
import sys

import torch

#: ``cuda``, or ``cpu`` for a rehearsal of the same tests on a machine without a GPU.
ENVIRONMENT = "MIRL_MM_TEST_DEVICE"


def gpu_device() -> torch.device:
    """Where tests that are marked ``gpu`` compute."""
    return torch.device(os.environ.get(ENVIRONMENT, "cuda"))


def missing(device: str, number: int = 1) -> str:
    """What a test lacks that needs so many of these devices; empty if they are there."""
    if device == "cpu":
        return ""
    if device != "cuda":
        return f"knows the devices cuda and cpu, not {device}"
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    need = "a CUDA device" if number == 1 else f"{number} CUDA devices"
    return "" if found >= number else f"needs {need}, and torch {torch.__version__} sees {found or 'none'}"


def main() -> None:
    """Stop with one line where ``make test-gpu`` would skip all it has."""
    lacking = missing(sys.argv[1])
    if lacking:
        raise SystemExit(f"error: make test-gpu {lacking}. TEST_DEVICE=cpu rehearses the tests on the CPU")


if __name__ == "__main__":
    main()
