"""The machine and the versions that the demo's figures come from."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from misc.machine import cores, cpu_name, first_line, memory_bytes  # tools/misc

import mirl_mm

_PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmseg": "onedl-mmsegmentation",
}


def facts() -> dict[str, str]:
    """Name and value of each."""
    memory = memory_bytes()
    commit = first_line("git", "-C", str(Path(mirl_mm.__file__).parent), "rev-parse", "--short", "HEAD")
    found = {
        "processor": f"{cpu_name()}, {cores()} cores",
        "memory": f"{memory / 2**30:.0f} GiB" if memory else "",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": platform.python_version(),
        "mirl_mm": mirl_mm.__version__ + (f", commit {commit}" if commit else ""),
    }
    found |= {name: _version(package) for name, package in _PACKAGES.items()}
    return {name: value for name, value in found.items() if value}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
