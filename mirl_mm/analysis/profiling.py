"""What a device does in a step, and where the host waits for it or compiles anew."""

import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch._dynamo.utils import counters
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

#: How PyTorch begins the warning of ``torch.cuda.set_sync_debug_mode("warn")``.
_WAIT = "called a synchronizing"


class Kernel(NamedTuple):
    """A kernel of the device, or an operator of the CPU.

    Attributes:
        name: As the profiler has it.
        seconds: Of all its calls in one run.
        calls: In one run.
    """

    name: str
    seconds: float
    calls: float


class Compilations(NamedTuple):
    """What ``torch.compile`` has done in this process since :func:`forget_compilations`.

    Attributes:
        graphs: Compiled.
        breaks: Places where a graph had to end.
        skipped_cuda_graphs: Graphs that could not become CUDA graphs.
    """

    graphs: int
    breaks: int
    skipped_cuda_graphs: int


def kernels(run: Callable[[], Any], times: int = 1) -> list[Kernel]:
    """What the device computes in ``run()``, the costliest first; on a CPU the operators.

    The sum of the seconds is what the device was busy for, as long as kernels don't run beside each other.

    Args:
        run: Ends without waiting for the device, or with.
        times: How often it is called; everything is divided by it.
    """
    on_gpu = torch.cuda.is_available()
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        for _ in range(times):
            run()
        if on_gpu:
            torch.cuda.synchronize()
    found = []
    for event in profiler.key_averages():
        if event.device_type != kind or getattr(event, "is_user_annotation", False):
            continue
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total  # microseconds
        found.append(Kernel(event.key, spent * 1e-6 / times, event.count / times))
    return sorted(found, key=lambda kernel: -kernel.seconds)


def device_seconds(run: Callable[[], Any], times: int = 1) -> float:
    """How long the device computes ``run()``, without the launches: replays of a CUDA graph; a CPU's time by the clock.

    Args:
        run: Does the same on the same tensors each time, and doesn't wait for the device.
        times: How often; the mean is returned.
    """
    if not torch.cuda.is_available():
        run()
        start = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - start) / times
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()  # compiles, and finds its kernels
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    graph.replay()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    for _ in range(times):
        graph.replay()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1000 / times


def host_waits(run: Callable[[], Any]) -> Counter[str] | None:
    """Where ``run()`` makes the host wait for the GPU, and how often; None without a GPU.

    Counted are the waits that ``torch.cuda.set_sync_debug_mode`` knows of. Those of a backward pass are found, too, but
    at the line that called ``backward``.
    """
    if not torch.cuda.is_available():
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = (warning for warning in caught if _WAIT in str(warning.message))
    return Counter(f"{'/'.join(Path(warning.filename).parts[-2:])}:{warning.lineno}" for warning in waits)


def forget_compilations() -> None:
    """Throw away what was compiled in this process, and count from 0."""
    torch._dynamo.reset()
    counters.clear()


def compilations() -> Compilations:
    """Counts up to now."""
    return Compilations(
        counters["stats"]["unique_graphs"],
        sum(counters["graph_break"].values()),
        counters["inductor"]["cudagraph_skips"],
    )
