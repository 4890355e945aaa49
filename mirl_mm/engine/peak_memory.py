"""How much memory a piece of work takes."""

import gc
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def peak_bytes(run: Callable[[], Any]) -> int:
    """Bytes that ``run()`` takes at most: with a GPU what PyTorch allocates there, else the whole process's.

    On Linux not ``ru_maxrss``, which a process has from the one that started it, if that was larger.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    gc.collect()
    status = Path("/proc/self/status")
    if status.exists():
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is in use (man 5 proc)
    run()
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
