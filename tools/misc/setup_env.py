"""Make the pinned environment of this project, or see that it is there.

Usage: ``python tools/misc/setup_env.py [--venv .venv]``; ``make env``, ``make test`` and ``make demo`` call it.

The environment is what requirements/lock.txt says, with this project installed in place; uv installs it where it is on
the PATH, else pip. A stamp, written last, tells a complete environment from one whose set-up was killed or whose pins
have changed; both are made again from nothing, because pip takes a package it was killed in for an installed one.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "lock.txt"
STAMP = ".mirl_mm"  # in the environment's folder; holds the fingerprint once all is there
ENVIRONMENT, DOWNLOADS = 7.2e9, 3.7e9  # bytes; measured on Linux: 6.8 and 3.5


class SetupError(Exception):
    """Why the set-up cannot go on, and what to do about it."""


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold a lock that ends with its holders, however they end; yields its file descriptor, for those to inherit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for {waiting_for}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def fingerprint(venv: Path) -> str:
    """What a complete environment depends on: the pins, how they are installed, and the place."""
    parts = (LOCK.read_bytes(), Path(__file__).read_bytes(), f"{ROOT}\n{venv}".encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def is_complete(venv: Path) -> bool:
    """Whether the environment is ours, complete, of the present pins, and its Python still exists."""
    stamp = venv / STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint(venv) and (venv / "bin" / "python").exists()


def check_python(uv: str | None) -> None:
    """Refuse a Python that the set-up would fail with.

    Raises:
        SetupError: Names what is missing and how to get it.
    """
    if sys.version_info < (3, 10):  # noqa: UP036  it is for this that an older one runs us
        have = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python {have} is too old, 3.10 is needed: make env PYTHON=<a newer python>")
    for module in ("venv",) if uv else ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(f"Python has no `{module}`: `apt install python3-venv` (Debian, Ubuntu), or install uv")


def check_disk(venv: Path, uv: str | None) -> bool:
    """Refuse a disk that would be full before the end.

    pip holds all downloads in the folder for temporary files until all is installed, besides those that it caches. uv
    unpacks into its cache; the environment's files are links to that, or copies where the cache is on another disk.

    Returns:
        Whether pip's cache finds room, too.

    Raises:
        SetupError: Says what is free, what is needed, and what can be moved.
    """

    def needed(place: Path) -> int:
        return sum(need for folder, need in needs.items() if folder.stat().st_dev == place.stat().st_dev)

    cache = Path(os.environ.get("UV_CACHE_DIR" if uv else "PIP_CACHE_DIR", Path.home()))
    while not cache.exists():
        cache = cache.parent
    needs = {venv: ENVIRONMENT}
    if not uv:
        needs[Path(tempfile.gettempdir())] = DOWNLOADS
    elif cache.stat().st_dev != venv.stat().st_dev:
        needs[cache] = ENVIRONMENT
    movable = "uv's cache (UV_CACHE_DIR)" if uv else "downloads (TMPDIR)"
    for folder in needs:
        free, need = shutil.disk_usage(folder).free, needed(folder)
        if free < need:
            raise SetupError(
                f"{free / 1e9:.1f} GB are free at {folder}, {need / 1e9:.1f} GB are needed: free some, or move the "
                f"environment (make env VENV=<folder>) or {movable}"
            )
    return shutil.disk_usage(cache).free > needed(cache) + DOWNLOADS


def create(venv: Path, uv: str | None, has_cache: bool, lock: int) -> None:
    """Make the environment in its folder, which holds nothing but the stamp; ``lock`` is kept by what we call."""

    def run(*command: str | Path) -> None:
        if subprocess.run(command, pass_fds=[lock]).returncode:
            raise SetupError(f"`{' '.join(map(str, command))}` failed, see above; the next call starts afresh")

    python = venv / "bin" / "python"  # isolated below (-I), as PYTHONPATH's packages would count as installed
    run(sys.executable, "-m", "venv", venv, *(["--without-pip"] if uv else []))
    pip = [python, "-I", "-m", "pip", "install", "--no-compile"]  # as uv: what is imported is compiled then
    pip += [] if has_cache else ["--no-cache-dir"]
    install = [uv, "pip", "install", "--python", python] if uv else pip
    # Source packages are built apart from torch: beside it, mmcv would compile its ops.
    run(*install, "--no-deps", "--requirement", LOCK, "--editable", ROOT)
    run(python, "-I", Path(__file__).with_name("check_env.py"), "--require", "core,det,seg")


def main() -> None:
    """See that the environment is complete, or make it."""
    parser = argparse.ArgumentParser(description="Make the pinned environment, or see that it is there.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="its folder (default: %(default)s)")
    venv = parser.parse_args().venv.absolute()
    if is_complete(venv):
        return
    if venv.is_dir() and any(venv.iterdir()) and not (venv / STAMP).exists():
        raise SetupError(
            f"{venv} was not made by this set-up, and is left as it is. Remove it, or have the environment in another "
            f"place: make env VENV=<folder>. To use it instead: {venv}/bin/python -m pip install -e '.[det,seg,dev]'"
        )
    uv = shutil.which("uv")
    check_python(uv)
    with locked(venv / STAMP, f"another set-up of {venv}") as lock:
        if is_complete(venv):
            return
        start = time.monotonic()
        (venv / STAMP).write_text("")  # which stays, so that the folder stays ours if this is interrupted
        old = [path for path in venv.iterdir() if path.name != STAMP]
        if old:
            print(f"{venv} is unfinished, or of other pins or another place; making it again", flush=True)
        for path in old:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        has_cache = check_disk(venv, uv)
        print(f"{venv}: about 3.5 GB to download, less what {'uv' if uv else 'pip'} has cached", flush=True)
        create(venv, uv, has_cache, lock)
        (venv / STAMP).write_text(fingerprint(venv))
        print(f"ready in {time.monotonic() - start:.0f} s: {venv}")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the next call starts afresh")
