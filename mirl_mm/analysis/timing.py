"""Time training steps part by part, and the matrix multiplications they are measured against."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor

Clock = Callable[[], float]
K = TypeVar("K")
T = TypeVar("T")


class Variant(NamedTuple):
    """One way to compute a training step.

    Attributes:
        name: For the report.
        loss: From the keyword arguments that the data preprocessor made (``inputs``, ``noise``, ...) to the loss.
        optim_wrapper: Decides the precision and updates the weights.
        dtype: In which its matrix multiplications run.
    """

    name: str
    loss: Callable[..., Tensor]
    optim_wrapper: OptimWrapper
    dtype: torch.dtype


class StepTimes(NamedTuple):
    """Seconds of a training step's parts."""

    data: float
    forward: float
    backward: float
    optimizer: float

    @property
    def total(self) -> float:
        """Seconds of the whole step."""
        return sum(self)


def time_step(
    model: BaseModel, variant: Variant, batches: Iterator[dict[str, Any]], clock: Clock = time.perf_counter
) -> StepTimes:
    """Run one training step, as mmengine's ``train_step`` does, with a clock between its parts.

    Data is waiting for the loader, the copy to the device and normalisation. The device is synchronised at each
    reading.
    """
    ticks = [tick(clock)]
    for _ in _parts_of_step(model, variant, batches):
        ticks.append(tick(clock))
    return StepTimes(*(end - start for start, end in pairwise(ticks)))


def run_step(model: BaseModel, variant: Variant, batches: Iterator[dict[str, Any]]) -> None:
    """The step of :func:`time_step`, without a clock: nothing waits for the device."""
    for _ in _parts_of_step(model, variant, batches):
        pass


def _parts_of_step(model: BaseModel, variant: Variant, batches: Iterator[dict[str, Any]]) -> Iterator[None]:
    """Stops after each of the parts of :class:`StepTimes`."""
    batch = model.data_preprocessor(next(batches), True)
    batch.pop("data_samples", None)
    yield
    with variant.optim_wrapper.optim_context(model):
        loss = variant.loss(**batch)
    yield
    variant.optim_wrapper.backward(loss)
    yield
    variant.optim_wrapper.step()
    variant.optim_wrapper.zero_grad()
    yield


def steady_seconds(
    run: Callable[[], Any], seconds: float, least: int = 3, clock: Clock = time.perf_counter
) -> list[float]:
    """Seconds of one ``run()`` among others that follow at once: the host goes on while the device computes.

    Args:
        run: What is timed; what happens at its first call alone, such as compiling, has to be over.
        seconds: How long all takes, about.
        least: Calls of each group at least.
        clock: Seconds.

    Returns:
        Averages of three groups of calls.
    """
    start = tick(clock)
    run()
    one = tick(clock) - start
    calls = max(least, round(seconds / 3 / max(one, 1e-9)))
    averages = []
    for _ in range(3):
        start = tick(clock)
        for _ in range(calls):
            run()
        averages.append((tick(clock) - start) / calls)
    return averages


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int, clock: Clock = time.perf_counter) -> float:
    """FLOP/s of one square matrix multiplication of ``size``, the best of three: what the device can attain."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(3):
        start = tick(clock)
        a @ b
        seconds.append(tick(clock) - start)
    return 2 * size**3 / min(seconds)


def in_turns(runs: Mapping[K, Callable[[], T]], rounds: int, warmup: int) -> dict[K, list[T]]:
    """What runs give that take turns, so that whatever else the machine does meets all.

    Args:
        runs: What is measured, by name.
        rounds: Turns that are measured.
        warmup: Turns before, which are not.
    """
    measured: dict[K, list[T]] = {name: [] for name in runs}
    for turn in range(warmup + rounds):
        for name, run in runs.items():
            result = run()
            if turn >= warmup:
                measured[name].append(result)
    return measured


def median_step(steps: Sequence[StepTimes]) -> StepTimes:
    """Median of each part."""
    return StepTimes(*(statistics.median(part) for part in zip(*steps, strict=True)))


def turn_ratios(ours: Sequence[StepTimes], other: Sequence[StepTimes]) -> list[float]:
    """How many times as fast ours is, turn by turn."""
    return [b.total / a.total for a, b in zip(ours, other, strict=True)]


def tick(clock: Clock) -> float:
    """The clock, once the GPU has done its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock()
