"""The tools of a part, timing above all, and its process."""

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.logging import MMLogger

from mirl_mm.analysis.timing import matmul_rate, steady_seconds

from .plan import Part
from .record import DONE, FAILED, Record, shorten
from .turn import Turn

#: Of the checkout, or of an installed package's copy of tools and configs.
ROOT = Path(__file__).resolve().parents[3]


class Timed(NamedTuple):
    """A step's figures, as they stand in a row.

    Attributes:
        ms: Of a step, the median of three groups of steps.
        ms_of_groups: All three.
        gb: Allocated at most since the warm-up, in which CUDA graphs are recorded: what they use is counted then alone.
        tflops: Of a large bfloat16 matrix multiplication right after, 10^12 FLOP/s.
    """

    ms: float
    ms_of_groups: list[float]
    gb: float | None
    tflops: float


class Bench:
    """A part's surroundings.

    Args:
        work_dir: The report's.
        part: Which.
        rehearse: Whether everything is to be small, for a CPU.

    Attributes:
        record: Takes the findings.
        turn: Has the machine to itself on request.
        device: Where it runs.
        scratch: A folder of the part's own, beside those of others; removed when all is over.
    """

    def __init__(self, work_dir: Path, part: Part, rehearse: bool) -> None:
        self.record = Record(work_dir / "parts" / f"{part.name}.json", part.name)
        self.turn = Turn(work_dir / "turn.lock", self.record)
        self.rehearse = rehearse
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.scratch = work_dir / "scratch" / part.name
        self.scratch.mkdir(parents=True, exist_ok=True)

    def time(self, step: Callable[[], Any]) -> Timed:
        """Time a step that has been warmed up, with the machine to itself."""
        seconds, least = (0.05, 1) if self.rehearse else (1.5, 3)
        with self.turn.alone():
            step()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            averages = [1000 * average for average in steady_seconds(step, seconds, least)]
            gb = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else None
            rate = matmul_rate(torch.bfloat16, self.device, 256 if self.rehearse else 8192)
        return Timed(sorted(averages)[1], averages, gb, rate / 1e12)

    def warm_up(self, step: Callable[[], Any], times: int = 2) -> float:
        """Take a step some times, other parts beside it; returns the seconds, of which compiling is most."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        for _ in range(times):
            step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def run_part(work_dir: Path, part: Part, rehearse: bool) -> None:
    """Do a part in this process, and write what comes of it, whatever that is."""
    MMLogger.get_current_instance().setLevel("WARNING")
    os.chdir(ROOT)
    bench = Bench(work_dir, part, rehearse)
    try:
        importlib.import_module(f"{__package__}.{part.module}").run(bench, **part.settings)
    except BaseException as error:
        bench.record.end(FAILED, shorten(error) if isinstance(error, Exception) else type(error).__name__)
        raise
    bench.record.end(DONE)
