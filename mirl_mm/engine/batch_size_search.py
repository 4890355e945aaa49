"""The search for the largest batch size, in a process of its own, which may run out of memory.

python -m mirl_mm.engine.batch_size_search FOLDER
"""

import contextlib
import copy
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from .launch import build_runner
from .peak_memory import peak_bytes

#: Images that are loaded; larger batches have them several times.
IMAGES = 32
#: Steps of each size: the first makes the optimiser's states, the second has them.
STEPS = 2
#: Share of the free memory that a step may take: pieces of it get lost between tensors, and images differ.
MARGIN = 0.9


class _Done(Exception):
    """There is nothing left to try."""


class BatchTrial(Hook):
    """Tries sizes when a runner is about to train, and writes what came of each, a line of JSON as soon as it is known.

    The lines' keys: ``size``; ``bytes`` at most in use, or foreseen; ``fits``; ``error`` where something else than
    memory was in the way. A line before them has ``budget`` in bytes and ``batch_norm``.

    Args:
        out_file: For the lines.
        images: Of an update in each process; only its divisors are tried, unless none can be.
        processes: Of the training; with several, DDP holds the gradients a second time.
        shared_memory: How many of them share the memory: those on this machine, on a CPU.
        free: Bytes of memory that were free on the CPU before this process was started.
    """

    def __init__(self, out_file: Path, images: int, processes: int, shared_memory: int, free: int) -> None:
        self.out_file = out_file
        self.images = images
        self.processes = processes
        self.shared_memory = shared_memory
        self.free = free
        self.measured: list[tuple[int, int]] = []

    def before_train(self, runner: Runner) -> None:
        """Try, and stop."""
        loader = runner.train_dataloader
        self.samples = [loader.dataset[index] for index in islice(loader.sampler, IMAGES)]
        self.runner = runner
        runner.model.train()
        for group in runner.optim_wrapper.param_groups:
            group["lr"] = 0.0  # nothing is to be learnt: without a warm-up it might be that the loss is infinite
        self._budget(runner.model)
        norm = any(isinstance(m, _BatchNorm) and m.weight is not None for m in runner.model.modules())
        self._write(budget=self.budget, batch_norm=norm)
        most = min(self.images, max(len(loader.dataset) // self.processes, 1))
        divisors = [size for size in range(1, most + 1) if self.images % size == 0]
        if search(divisors, self._attempt) is None:
            search([size for size in range(1, most + 1) if size not in divisors], self._attempt)
        raise _Done

    def _budget(self, model: torch.nn.Module) -> None:
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            free += torch.cuda.memory_reserved()
        else:
            free, total = self.free // self.shared_memory, 0
        gradients = 4 * sum(p.numel() for p in model.parameters() if p.requires_grad) if self.processes > 1 else 0
        self.budget = int(MARGIN * free) - gradients
        if total:
            torch.cuda.set_per_process_memory_fraction(max(self.budget, 0) / total)

    def _attempt(self, size: int) -> bool | None:
        """Whether the size fits; None if it can't be trained at all."""
        foreseen = self._foresee(size)
        if not torch.cuda.is_available() and foreseen > self.budget:
            self._write(size=size, bytes=foreseen, fits=False)
            return False
        try:
            peak = self._measure(size)
        except Exception as error:
            if not out_of_memory(error):
                self._write(size=size, fits=False, error=f"{type(error).__name__}: {error}")
                return None
            peak = 0
        fits = 0 < peak <= self.budget
        if peak:
            self.measured.append((size, peak))
        self._write(size=size, bytes=peak, fits=fits)
        return fits

    def _foresee(self, size: int) -> int:
        """Bytes on the line through the two largest sizes: what a process doesn't get on a CPU may end it."""
        if len(self.measured) < 2:
            return 0
        (a, low), (b, high) = sorted(self.measured)[-2:]
        return int(high + max(high - low, 0) / (b - a) * (size - b))

    def _measure(self, size: int) -> int:
        return peak_bytes(partial(self._steps, size))

    def _steps(self, size: int, number: int = STEPS) -> None:
        runner = self.runner
        for _ in range(number):
            images = [copy.deepcopy(self.samples[i % len(self.samples)]) for i in range(size)]
            batch = runner.train_dataloader.collate_fn(images)
            runner.model.train_step(batch, runner.optim_wrapper)

    def _write(self, **line: Any) -> None:
        with self.out_file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def search(sizes: Sequence[int], attempt: Callable[[int], bool | None]) -> int | None:
    """The largest size that fits, found by doubling and then by bisection.

    Args:
        sizes: In ascending order.
        attempt: Whether a size fits; None for one that can't be, such as a single image with batch norm.

    Returns:
        None if no size fits.
    """
    left, best, too_large = list(sizes), -1, len(sizes)
    while best + 1 < too_large:
        index = (best + too_large) // 2
        if too_large == len(left):  # none was too large yet
            doubled = (i for i in range(best + 1, too_large) if best < 0 or left[i] >= 2 * left[best])
            index = next(doubled, too_large - 1)
        fits = attempt(left[index])
        if fits is None:
            del left[index]
            too_large -= 1
        elif fits:
            best = index
        else:
            too_large = index
    return left[best] if best >= 0 else None


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory was not enough."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def try_sizes(cfg: Config, trial: BatchTrial) -> None:
    """Let a config's training get as far as its first step, and try."""
    runner = build_runner(cfg, ["train_dataloader"])
    runner.register_hook(trial, "LOWEST")
    with contextlib.suppress(_Done):
        runner.train()


def main(folder: Path) -> None:
    """Try what ``config.py`` and ``settings.json`` of a folder ask for."""
    settings = json.loads((folder / "settings.json").read_text())
    try_sizes(Config.fromfile(folder / "config.py"), BatchTrial(folder / "tries.jsonl", **settings))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
