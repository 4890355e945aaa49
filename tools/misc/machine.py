"""What the machine offers: compilers, memory, CPU and GPU. Standard library only, so that it runs before any set-up."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

COMPILER_REMEDY = (
    "install one: `apt install g++ make` (Debian, Ubuntu), `dnf install gcc-c++ make` (Fedora), "
    "`xcode-select --install` (macOS)"
)
HEADERS_REMEDY = (
    "install them: `apt install python3-dev` (Debian, Ubuntu), `dnf install python3-devel` (Fedora), "
    "`brew install python` (macOS)"
)
TORCH_REMEDY = "pip install torch==2.12.1 torchvision==0.27.1"  # the two of requirements/lock.txt
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "bf16", "sve")


def first_line(*command: str) -> str | None:
    """The first line a command prints, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def cxx_compiler() -> str | None:
    """The C++ compiler that torch's extensions would use: ``$CXX``, else ``c++``; None where there is none."""
    name = os.environ.get("CXX") or "c++"
    return shutil.which(name.split()[0])


def python_headers() -> Path | None:
    """The ``Python.h`` of the running interpreter, or None where it is not installed."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return header if header.exists() else None


def nvcc() -> str | None:
    """CUDA's compiler, looked for where torch looks for it, or None."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if home:
        return shutil.which(str(Path(home) / "bin" / "nvcc"))
    return shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")


def nvcc_version() -> str | None:
    """The version of `nvcc`, such as ``'13.0'``, or None."""
    compiler = nvcc()
    if compiler is None:
        return None
    try:
        text = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"release (\d+\.\d+)", text)
    return found.group(1) if found else None


def cores() -> int:
    """The number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes(available: bool = False) -> int | None:
    """The machine's memory in bytes, or what is free of it; None where the system does not say."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        key = "MemAvailable" if available else "MemTotal"
        found = re.search(rf"{key}:\s+(\d+) kB", meminfo.read_text())
        return int(found.group(1)) * 1024 if found else None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def cpu_name() -> str:
    """The processor's model name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        if found:
            return found.group(1)
    return first_line("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def cpu_flags() -> list[str]:
    """Those of the processor's instruction sets that decide how fast training is (bf16 above all)."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return []
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    present = set(found.group(1).split()) if found else set()
    return [flag for flag in _CPU_FLAGS if flag in present]


def free_bytes(path: Path) -> int:
    """Free disk space in bytes where ``path`` is, or would be."""
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def cache_dir() -> Path:
    """Our cache: ``$MIRL_MM_CACHE``, else ``mirl_mm`` under ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("MIRL_MM_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mirl_mm"
