"""The machine and the versions that the demo's figures come from."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from misc.check_env import describe_machine  # tools/misc

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
    machine = describe_machine()
    git = ["git", "-C", str(Path(mirl_mm.__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    found = {
        "processor": f"{machine['cpu']}, {machine['cores']} cores",
        "memory": f"{machine['memory_gib']:.0f} GiB",
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
