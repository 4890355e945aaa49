"""Make the pinned environment of this project, or see that it is there.

Usage: ``python tools/misc/setup_env.py [--venv .venv]``; ``make env``, ``make test`` and ``make demo`` call it.

The environment is what requirements/lock.txt says, with mmcv's compiled ops and this project installed in place. A
stamp, written last, tells a complete environment from one whose set-up was killed or whose pins have changed; both are
made again from nothing, because pip takes a package it was killed in for an installed one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import install_mmcv
import machine
from steps import SetupError, duration, exit_with, locked, run_logged, say

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "lock.txt"
STAMP = ".mirl_mm"  # in the environment's folder; holds UNFINISHED or the fingerprint
UNFINISHED = "unfinished"
MINIMUM_PYTHON = (3, 10)
DISK_ENVIRONMENT = 7 * 1024**3  # the packages, 6 GB of which are torch and CUDA's libraries on Linux
DISK_CACHE = 4 * 1024**3  # pip's downloads, and mmcv while it compiles
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV")


def fingerprint(venv: Path) -> str:
    """What a complete environment depends on: the pins, how they are installed, and the place."""
    digest = hashlib.sha256()
    for path in (LOCK, Path(__file__), Path(install_mmcv.__file__)):
        digest.update(path.read_bytes())
    digest.update(f"{ROOT}\n{venv.absolute()}".encode())
    return digest.hexdigest()


def stamp(venv: Path) -> str | None:
    """The environment's stamp; None where we did not make it."""
    path = venv / STAMP
    return path.read_text().strip() if path.is_file() else None


def is_complete(venv: Path) -> bool:
    """Whether the environment is ours, complete, of the present pins, and its Python still exists."""
    return stamp(venv) == fingerprint(venv) and (venv / "bin" / "python").exists()


def pin(name: str) -> str:
    """The first requirement for a package in the lock, such as ``'torch==2.12.1'``, without its marker."""
    found = re.search(rf"^{re.escape(name)}==\S+", LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SetupError(f"{LOCK} pins no {name}; run `make lock`")
    return found.group(0)


def foreign_environment(venv: Path) -> str | None:
    """What to say about an environment that is not ours, and so not ours to replace; None where there is none."""
    if not venv.exists() or not any(venv.iterdir()) or stamp(venv) is not None:
        return None
    found = next(venv.glob("lib/python*/site-packages/torch-*.dist-info"), None)
    holds = ""
    if found is not None:
        have, want = found.name.removesuffix(".dist-info").removeprefix("torch-"), pin("torch").partition("==")[2]
        if have.partition("+")[0] != want:
            holds = f" It holds torch {have}, and the pinned stack was tried with {want} only."
    return (
        f"{venv} was not made by this set-up, and is left as it is.{holds} Remove it, or have the environment in "
        f"another place: make env VENV=<folder>. To repair it instead: {venv}/bin/pip install {pin('torch')} "
        f"{pin('torchvision')}, then what {venv}/bin/python tools/misc/check_env.py says"
    )


def find_problems(venv: Path) -> list[str]:
    """All that would make the set-up fail after minutes, each with its remedy."""
    problems = []
    if sys.version_info < MINIMUM_PYTHON:
        have = ".".join(map(str, sys.version_info[:3]))
        problems.append(f"Python {have} is too old, 3.10 is needed: make env PYTHON=<a newer python>")
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            problems.append(f"Python has no `{module}`: `apt install python3-venv` (Debian, Ubuntu)")
    torch = pin("torch").partition("==")[2]
    folders = install_mmcv.wheel_folder(f"{torch}*", "*")  # torch's local version is known only once it is installed
    if not any(install_mmcv.find_wheel(folder) for folder in folders.parent.glob(folders.name)):
        core = "pre-training and classification alone need none: pip install -e ."
        if machine.cxx_compiler() is None:
            problems.append(f"there is no C++ compiler, which mmcv's ops need; {machine.COMPILER_REMEDY}; {core}")
        if machine.python_headers() is None:
            problems.append(f"Python's headers are missing, which mmcv's ops need; {machine.HEADERS_REMEDY}; {core}")
    needs: dict[int, tuple[Path, int]] = {}
    wanted = [(machine.cache_dir(), DISK_CACHE)]
    if stamp(venv) is None:  # else the old one makes room for the new
        wanted.append((venv, DISK_ENVIRONMENT))
    for folder, need in wanted:
        exists = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        device = exists.stat().st_dev
        needs[device] = (exists, need + needs.get(device, (exists, 0))[1])
    for exists, need in needs.values():
        free = machine.free_bytes(exists)
        if free < need:
            problems.append(
                f"{free / 1e9:.1f} GB are free at {exists}, {need / 1e9:.0f} GB are needed: free some, or move the "
                "environment (make env VENV=<folder>) or the cache (MIRL_MM_CACHE and PIP_CACHE_DIR)"
            )
    return problems


def remove(venv: Path) -> None:
    """Empty the environment's folder, its stamp last, so that it stays ours if this is interrupted."""
    if not venv.exists():
        return
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != STAMP:
            path.unlink()


def write_stamp(venv: Path, text: str) -> None:
    """Write the stamp in one step."""
    partial = venv / f"{STAMP}.partial"
    partial.write_text(f"{text}\n")
    partial.replace(venv / STAMP)


def create(venv: Path, hold: int) -> None:
    """Make the environment.

    Args:
        venv: Its folder, empty or absent.
        hold: File descriptor of the lock, kept by pip, which goes on for a moment if only we are killed.
    """
    env = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    env["PYTHONNOUSERSITE"] = "1"
    log = venv / "setup.log"
    python = str(venv / "bin" / "python")

    def run(*command: str) -> None:
        run_logged(command, log, env, show_download, hold=[hold])

    start = time.monotonic()
    say(f"[1/4] {venv}, Python {'.'.join(map(str, sys.version_info[:3]))}; log in {log}")
    run(sys.executable, "-m", "venv", str(venv))
    # mmdet and mmseg come as source and are built with these, so these go first.
    run(python, "-m", "pip", "install", "--no-deps", *(pin(name) for name in install_mmcv.BUILD_TOOLS))

    say("[2/4] the packages of requirements/lock.txt, about 2.5 GB to download where pip has not cached them")
    with tempfile.TemporaryDirectory() as folder:
        rest = Path(folder) / "requirements.txt"
        lines = LOCK.read_text().splitlines()
        rest.write_text("\n".join(line for line in lines if not line.startswith("onedl-mmcv==")))
        run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "-r", str(rest))
    say(f"      {duration(start)}")

    say("[3/4] mmcv's compiled ops")
    if subprocess.run([python, install_mmcv.__file__], env=env, pass_fds=[hold]).returncode:
        raise SetupError("the environment is unfinished: mmcv is missing; put it right and call again")

    say("[4/4] this project, in place")
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    check = str(Path(__file__).with_name("check_env.py"))
    run(python, check, "--require", "core,det,seg")
    say(f"ready in {duration(start)}: {venv}")


def show_download(line: str) -> None:
    """Report the downloads that take long."""
    found = re.match(r"\s*Downloading (\S+) \((\d+(?:\.\d+)?) (MB|GB)\)", line)
    if found and (found.group(3) == "GB" or float(found.group(2)) >= 100):
        say(f"      downloading {found.group(1).rpartition('/')[2]}, {found.group(2)} {found.group(3)}")


def main() -> int:
    """See that the environment is complete, or make it."""
    parser = argparse.ArgumentParser(description="Make the pinned environment, or see that it is there.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="its folder (default: %(default)s)")
    venv = parser.parse_args().venv.absolute()
    if is_complete(venv):
        return 0
    place = hashlib.sha256(str(venv).encode()).hexdigest()[:16]
    with locked(machine.cache_dir() / "locks" / place, f"another set-up of {venv}") as hold:
        if is_complete(venv):
            return 0
        foreign = foreign_environment(venv)
        if foreign is not None:
            raise SetupError(foreign)
        problems = find_problems(venv)
        if problems:
            raise SetupError("\n       ".join(["the environment cannot be made:", *problems]))
        if stamp(venv) is not None:
            why = "its set-up did not end" if stamp(venv) == UNFINISHED else "its pins, set-up or place have changed"
            say(f"{venv}: {why}; making it again")
            write_stamp(venv, UNFINISHED)
            remove(venv)
        venv.mkdir(parents=True, exist_ok=True)
        write_stamp(venv, UNFINISHED)
        create(venv, hold)
        write_stamp(venv, fingerprint(venv))
    return 0


if __name__ == "__main__":
    exit_with(main)
