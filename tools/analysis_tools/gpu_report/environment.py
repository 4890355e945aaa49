"""Versions, machine, and how fast it multiplies and copies, to which all figures belong."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import mirl_mm
from mirl_mm.analysis.timing import matmul_rate, steady_seconds
from mirl_mm.cpu_info import cpu_count, cpu_name

from .bench import ROOT, Bench

PACKAGES = (
    "torchvision",
    "timm",
    "triton",
    "mmengine",
    "onedl-mmengine",
    "mmcv",
    "onedl-mmcv",
    "mmdet",
    "mmseg",
    "numpy",
)


def run(bench: Bench) -> None:
    """Facts, then products in each precision, then a copy."""
    for name, value in facts().items():
        bench.record.add("environment", what=name, value=value)
    size = 256 if bench.rehearse else 8192
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        with bench.record.attempt("matmul", what=f"{dtype} product, {size}³"), bench.turn.alone():
            matmul_rate(dtype, bench.device, size)  # the first finds its kernel
            rate = matmul_rate(dtype, bench.device, size)
            name = f"{str(dtype).removeprefix('torch.')} matrix product, {size}³"
            bench.record.add("matmul", what=name, rate=rate / 1e12, unit="TFLOP/s")
    with bench.record.attempt("matmul", what="copy"), bench.turn.alone():
        source = torch.empty(2**20 if bench.rehearse else 2**30, dtype=torch.uint8, device=bench.device)
        target = torch.empty_like(source)
        seconds = min(steady_seconds(lambda: target.copy_(source), 0.05))
        bench.record.add(
            "matmul", what="copy, bytes read and written", rate=2 * len(source) / seconds / 1e12, unit="TB/s"
        )


def facts() -> dict[str, Any]:
    """What decides speed, and what a figure is quoted with."""
    found = {
        "mirl_mm": f"{mirl_mm.__version__}{commit()}",
        "Python": platform.python_version(),
        "torch": torch.__version__,
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found["GPU"] = f"{properties.name}, {properties.total_memory / 1e9:.1f} GB"
        found["compute capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
        found["CUDA, cuDNN"] = f"{torch.version.cuda}, {torch.backends.cudnn.version()}"
    else:
        found["GPU"] = "none"
    found["CPU"] = f"{cpu_name()}, {cpu_count()} cores"
    found["system"] = platform.platform()
    return found


def commit() -> str:
    """The checkout's, in brackets, with a + if files differ from it; nothing without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f" ({name.stdout.strip()}{'+' if changed.stdout.strip() else ''})"
