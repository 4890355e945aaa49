"""Compile mmcv's ops for the torch of this interpreter, or take them from the cache, and install them.

Usage: ``python tools/misc/install_mmcv.py``, with the Python of the environment that is to have them.

Only detection and segmentation need mmcv. It comes as source, takes 7 to 10 minutes on 2 cores, and fits only the torch
it was compiled against. pip's own cache does not know that, so the wheel is kept in a cache of ours, in a folder named
after all that it depends on.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import machine
from steps import SetupError, duration, exit_with, locked, run_logged, say

ROOT = Path(__file__).resolve().parents[2]
BUILD_TOOLS = ("setuptools", "wheel", "ninja", "packaging", "psutil")
MEMORY_PER_JOB = 2 * 1024**3  # one compiler with torch's headers, with room to spare
TORCH_UNFIT = (2, 14)  # torch's headers ask for C++20 from here on; mmcv 2.3.6 passes -std=c++17

# Runs in a process of its own: an extension made for another torch may crash while it is loaded.
TRY_OPS = """
import sys, torch
from mmcv.ops import RoIAlign
for device in sys.argv[1:]:
    feature = torch.rand(1, 2, 8, 8, device=device, requires_grad=True)
    boxes = torch.tensor([[0.0, 1.0, 1.0, 6.0, 5.0]], device=device)
    RoIAlign(output_size=(3, 3))(feature, boxes).sum().backward()
    assert feature.grad is not None and feature.grad.abs().sum() > 0
"""


def pinned_version() -> str:
    """The version of onedl-mmcv in requirements/lock.txt."""
    found = re.search(r"^onedl-mmcv==(\S+)", (ROOT / "requirements" / "lock.txt").read_text(), re.MULTILINE)
    if found is None:
        raise SetupError("requirements/lock.txt pins no onedl-mmcv; run `make lock`")
    return found.group(1)


def wheel_folder(torch_version: str, ops: str) -> Path:
    """Where the wheel for this interpreter, a torch version and a kind of ops is kept."""
    python = f"{'cp' if sys.implementation.name == 'cpython' else sys.implementation.name}{sys.version_info[0]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    name = f"torch{torch_version}-{python}{sys.version_info[1]}-{platform}-{ops}"
    return machine.cache_dir() / "wheels" / name


def find_wheel(folder: Path) -> Path | None:
    """The finished wheel of the pinned version in a cache folder, or None."""
    return next(folder.glob(f"onedl_mmcv-{pinned_version()}-*.whl"), None)


def choose_ops(cuda_available: bool, torch_cuda: str | None, capabilities: list[str]) -> tuple[str, str | None]:
    """What to compile the ops for.

    Args:
        cuda_available: Whether torch sees a GPU.
        torch_cuda: The CUDA version torch was built with.
        capabilities: Compute capabilities of the visible GPUs, such as ``['90']``.

    Returns:
        ``'cpu'`` or a name with CUDA version and architectures; and, where a GPU will go without ops, why.
    """
    forced = os.environ.get("FORCE_CUDA") == "1"  # asks for CUDA ops on a machine without a GPU, as in docker build
    if not (cuda_available or forced) or torch_cuda is None:
        return "cpu", None
    have = machine.nvcc_version()
    if have is None or have.split(".")[0] != torch_cuda.split(".")[0]:
        found = "there is no nvcc" if have is None else f"nvcc is of CUDA {have}"
        return "cpu", (
            f"torch uses CUDA {torch_cuda} and {found}: mmcv's ops will run on the CPU only. For detection and "
            f"segmentation on the GPU, install the CUDA {torch_cuda} toolkit and run tools/misc/install_mmcv.py again"
        )
    chosen = re.sub(r"[^0-9A-Za-z.+]+", "_", os.environ.get("TORCH_CUDA_ARCH_LIST", ""))
    return f"cuda{have}-sm{chosen or '_'.join(sorted(set(capabilities))) or 'all'}", None


def check_ready(torch_version: str) -> None:
    """See that a build can succeed, before minutes go into it.

    Raises:
        SetupError: Names what is missing and how to get it.
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", torch_version)[:2])
    if numbers >= TORCH_UNFIT:
        raise SetupError(
            f"torch {torch_version} needs C++20, which mmcv {pinned_version()} does not compile with; "
            f"take an older one: {machine.TORCH_REMEDY}"
        )
    if machine.cxx_compiler() is None:
        raise SetupError(f"mmcv has to be compiled and there is no C++ compiler; {machine.COMPILER_REMEDY}")
    if machine.python_headers() is None:
        raise SetupError(f"mmcv has to be compiled and Python's headers are missing; {machine.HEADERS_REMEDY}")
    missing = [name for name in BUILD_TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(f"building mmcv needs {', '.join(missing)}: pip install 'setuptools>=80' {' '.join(missing)}")


def build(folder: Path, ops: str) -> Path:
    """Compile the wheel and put it into its cache folder, where only finished ones get."""
    jobs = machine.cores()
    memory = machine.memory_bytes(available=True)
    if memory is not None:
        jobs = max(1, min(jobs, memory // MEMORY_PER_JOB))
    env = {"MAX_JOBS": str(jobs), **os.environ}
    if ops == "cpu":
        env.pop("FORCE_CUDA", None)
        env["CUDA_VISIBLE_DEVICES"] = ""  # mmcv asks torch whether there is a GPU, not whether there is an nvcc
    minutes = max(1, 18 // jobs)  # measured: 10 on 2 cores that were not quite idle
    say(f"mmcv: compiling its {ops} ops, about {minutes} minutes with {jobs} jobs; the wheel will be kept in {folder}")

    start, reported = time.monotonic(), 0

    def report(line: str) -> None:
        nonlocal reported
        found = re.match(r"\s*\[(\d+)/(\d+)\]", line)
        if found and int(found.group(1)) * 8 // int(found.group(2)) > reported:
            reported = int(found.group(1)) * 8 // int(found.group(2))
            say(f"mmcv: {found.group(1)} of {found.group(2)} files, {duration(start)}")

    for left_over in folder.glob("building-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=folder))
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-build-isolation"]
    command += ["--no-cache-dir", "--wheel-dir", str(scratch), f"onedl-mmcv=={pinned_version()}"]
    log = folder / "build.log"
    log.unlink(missing_ok=True)
    try:
        run_logged(command, log, {**env, "TMPDIR": str(scratch)}, report)
        made = find_wheel(scratch)
        if made is None:
            raise SetupError(f"pip made no mmcv wheel; see {log}")
        return made.replace(folder / made.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def ops_error(devices: list[str]) -> str | None:
    """Run RoIAlign forward and backward on each device; the last line of the error, or None.

    Raises:
        SetupError: Something else than mmcv is missing, so that a new build would not help.
    """
    done = subprocess.run([sys.executable, "-c", TRY_OPS, *devices], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    error = (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]
    if error.startswith("ModuleNotFoundError") and "mmcv" not in error:
        raise SetupError(f"mmcv cannot be tried: {error}; install the core first: pip install -e {ROOT}")
    return error


def install(wheel: Path, devices: list[str]) -> str | None:
    """Install a wheel and try its ops; returns what is wrong with them, or None."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()
    return ops_error(devices)


def main() -> int:
    """Take the wheel from the cache, or build it; install it; see that it works."""
    text = "Compile mmcv's ops for the torch of this Python, or take them from the cache, and install them."
    argparse.ArgumentParser(description=text).parse_args()
    try:
        import torch
    except ImportError as error:
        raise SetupError(f"mmcv is compiled against torch, and `import torch` failed: {error}") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    capabilities = ["".join(map(str, torch.cuda.get_device_capability(index))) for index in range(count)]
    ops, warning = choose_ops(count > 0, torch.version.cuda, capabilities)
    if warning:
        say(f"warning: {warning}")
    devices = ["cpu", "cuda"] if ops != "cpu" and count else ["cpu"]
    folder = wheel_folder(torch.__version__, ops)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock", "another build of mmcv"):
        wheel = find_wheel(folder)
        if wheel is not None:
            error = install(wheel, devices)
            if error is None:
                say(f"mmcv: taken from {folder}")
                return 0
            say(f"mmcv: the wheel in {folder} does not work ({error}); building it again")
            wheel.unlink()
        check_ready(torch.__version__)
        error = install(build(folder, ops), devices)
        if error is not None:
            raise SetupError(f"mmcv was built, but its ops do not work: {error}")
    return 0


if __name__ == "__main__":
    exit_with(main)
