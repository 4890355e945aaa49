"""The machine's processor."""

import os
import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """As Linux calls the processor; elsewhere what Python knows of it."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return name[1] if name else platform.processor() or platform.machine()


def cpu_count() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
