"""What the command lines of the benchmarks share: options, a process of its own for memory, the environment."""

import argparse
import multiprocessing
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import mmengine
import timm
import torch

import mirl_mm
from mirl_mm.cpu_info import cpu_name


def add_bench_options(parser: argparse.ArgumentParser, iters: int, warmup: int) -> None:
    """Give a parser the options of every benchmark, with these defaults."""
    parser.add_argument("--iters", type=int, default=iters, help="steps of each that are measured")
    parser.add_argument("--warmup", type=int, default=warmup, help="steps of each before")
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's choice)")
    cpu = "cpu: seconds of computing, for a machine with other work; with --threads 1, on the CPU"
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help=cpu)
    parser.add_argument("--no-memory", action="store_true", help="don't measure memory; on the CPU it takes a process")
    parser.add_argument("--seed", type=int, default=0, help="of weights and images")
    parser.add_argument("--json", metavar="FILE", help="write everything to this file, too")


def parse_bench_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, and refuse what can't be measured."""
    args = parser.parse_args()
    if args.clock == "cpu" and (args.threads != 1 or torch.cuda.is_available()):
        parser.error("--clock cpu adds up the threads' seconds, so it needs --threads 1 and no GPU")
    if (args.batch_size is not None and args.batch_size < 1) or args.iters < 1 or args.warmup < 0:
        parser.error("--batch-size and --iters must be positive, --warmup must not be negative")
    return args


def clock(args: argparse.Namespace) -> Callable[[], float]:
    """The clock that ``--clock`` asks for, in seconds."""
    return time.process_time if args.clock == "cpu" else time.perf_counter


def in_child(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a process of its own, whose memory it alone has used."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def environment() -> dict[str, Any]:
    """Versions and machine that figures belong to."""
    return {
        **{module.__name__: module.__version__ for module in (torch, timm, mmengine, mirl_mm)},
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
