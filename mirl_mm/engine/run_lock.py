"""A lock, so that one run at a time is in a work dir."""

import atexit
import fcntl
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from .main_process import on_main_process

#: In the work dir; empty when no run is in it.
LOCK = ".lock"
#: How disks are mounted, on Linux.
MOUNTS = Path("/proc/self/mounts")
#: Kinds of disks that other machines have, too, but not their locks.
_LOCAL_LOCKS = {f"fuse.{name}" for name in ("sshfs", "s3fs", "gcsfuse", "goofys", "rclone")}
#: Options of NFS and Lustre that keep locks to the machine: nfs(5), mount.lustre(8).
_LOCAL_OPTIONS = {"nolock", "local_lock=all", "local_lock=posix", "localflock"}
#: Work dirs that this process holds, and the open files by which it does.
_held: dict[Path, int] = {}


def lock_work_dir(work_dir: str | Path, make: bool = True) -> None:
    """Take a work dir for this run alone, until :func:`unlock_work_dir` or the end of the process.

    The lock is the kernel's (``fcntl``), so nothing is left of it when a process dies in whatever way, and workers that
    outlive it do not keep it. It holds between machines, too, on NFS and other shared disks. Where a disk's
    locks are unknown to other machines (:func:`_locks_are_local`), or there are none, what the file says counts: of a
    process of this machine it is known whether it lives; that of another machine is believed.

    With several processes, rank 0 takes the lock, and all of them fail if it can't. A process that has the lock
    already keeps it. A folder that is not there is made, or left alone unless ``make``.

    Raises:
        RuntimeError: If another run is in the work dir, with its process, machine and start.
    """
    on_main_process(_lock, Path(work_dir).resolve(), make)


def unlock_work_dir(work_dir: str | Path) -> None:
    """Leave a work dir to others; nothing if this process does not hold it."""
    descriptor = _held.pop(Path(work_dir).resolve(), None)
    if descriptor is not None:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _lock(folder: Path, make: bool) -> None:
    if folder in _held or not (make or folder.is_dir()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = not _locks_are_local(folder)
        except (BlockingIOError, PermissionError):
            raise RuntimeError(_refusal(folder, _read(descriptor), "stop it, wait for it")) from None
        except OSError:  # ENOLCK, ENOSYS, EOPNOTSUPP: no locks on this disk
            is_locked = False
        other = _read(descriptor)
        if not is_locked and other and _lives(other):
            raise RuntimeError(_refusal(folder, other, f"stop it, remove {path} if it is dead"))
        os.ftruncate(descriptor, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        ours = {"pid": os.getpid(), "host": platform.node(), "began": _began(os.getpid()), "since": since}
        os.pwrite(descriptor, json.dumps(ours).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    _held[folder] = descriptor


def _refusal(folder: Path, other: dict[str, Any], remedy: str) -> str:
    who = f"process {other.get('pid', '?')} on {other.get('host', 'another machine')}"
    since = f", since {other['since']}" if "since" in other else ""
    return f"'{folder}' is in use by another run ({who}{since}): {remedy}, or give another --work-dir"


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:  # empty, or killed while it was written
        return {}
    return found if isinstance(found, dict) else {}


def _lives(other: dict[str, Any]) -> bool:
    """Whether a process lives, as far as this machine knows: numbers are used again, so its start has to agree."""
    if other.get("host") != platform.node():
        return True
    return other.get("began") == _began(other.get("pid", 0))


def _began(pid: int) -> str | None:
    """When a process of this machine was started, in ticks since the boot and with its boot; None if there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():  # no Linux
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        return str(pid)
    try:
        ticks = stat.read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {ticks}"


def _locks_are_local(folder: Path) -> bool:
    """Whether locks of the folder's disk are unknown to other machines that have it, by how it is mounted."""
    if not MOUNTS.exists():
        return False
    depth, kind, options = -1, "", ""
    for line in MOUNTS.read_text().splitlines():
        _, where, its_kind, its_options, *_ = line.split()
        place = Path(where.replace("\\040", " "))
        if len(place.parts) >= depth and folder.is_relative_to(place):
            depth, kind, options = len(place.parts), its_kind, its_options
    return kind in _LOCAL_LOCKS or not _LOCAL_OPTIONS.isdisjoint(options.split(","))


@atexit.register
def _unlock_all() -> None:
    for folder in list(_held):
        unlock_work_dir(folder)


os.register_at_fork(after_in_child=_held.clear)  # a worker has the open file, but not the lock
