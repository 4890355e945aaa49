"""How fast a pre-training config trains, where the time goes, and how much of the machine it uses.

Runs real training steps (uint8 images to the device, forward, loss, backward, optimiser) and sets them beside a large
matrix multiplication, or beside another way to compute the same: --compare plain is the textbook formulation,
--compare fp32 our own in float32. What is compared takes turns in one process.

    python tools/analysis_tools/benchmark.py configs/pretrain/mirl_vits54_in1k.py --batch-size 8 --compare fp32
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger

from mirl_mm.analysis import pretraining_macs
from mirl_mm.analysis.bench_options import add_bench_options, clock, environment, in_child, parse_bench_options
from mirl_mm.analysis.flops import has_plain_formulation
from mirl_mm.analysis.timing import in_turns, matmul_rate, median_step, time_step, turn_ratios
from mirl_mm.analysis.training_bench import DTYPES, TrainingBench
from mirl_mm.cli import Parser, run
from mirl_mm.datasets import preflight
from mirl_mm.engine.cli import add_cfg_options
from mirl_mm.engine.launch import load_config, set_data_root
from mirl_mm.engine.peak_memory import peak_bytes
from mirl_mm.file_backend import write_file

Choice = tuple[str, bool]  # dtype, and whether plain


def set_up(args: argparse.Namespace) -> tuple[TrainingBench, int]:
    """The bench and the batch size."""
    MMLogger.get_current_instance().setLevel("WARNING")
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = load_config(args.config, args.cfg_options)
    if args.data_root:
        set_data_root(cfg, args.data_root)
    if args.compare == "plain" and not has_plain_formulation(cfg.model):
        raise ValueError(f"--compare plain: {cfg.model.type} has no plain formulation, MIRL and MAE have")
    if args.data == "real":
        preflight({"train_dataloader": cfg.train_dataloader})
    return TrainingBench(cfg, args.compile, args.seed), args.batch_size or cfg.train_dataloader.batch_size


def measure_memory(args: argparse.Namespace, choice: Choice, ready: tuple[TrainingBench, int] | None = None) -> int:
    """Peak bytes of one variant's steps; on the CPU called in a process of its own, where nothing is ready."""
    bench, batch_size = ready or set_up(args)
    variant, batches = bench.variant(*choice), bench.generated(batch_size)
    return peak_bytes(lambda: [time_step(bench.model, variant, batches) for _ in range(2)])


def summarise(
    args: argparse.Namespace,
    bench: TrainingBench,
    batch_size: int,
    batches: Iterator[dict[str, Any]],
    choices: list[Choice],
) -> dict[str, Any]:
    """Measure, and put everything into one dict."""
    variants, now = [bench.variant(*choice) for choice in choices], clock(args)
    size = args.matmul_size or (8192 if bench.device.type == "cuda" else 2048)
    runs: dict[Any, Callable[[], Any]] = {v.name: partial(time_step, bench.model, v, batches, now) for v in variants}
    runs |= {v.dtype: partial(matmul_rate, v.dtype, bench.device, size, now) for v in variants}
    measured = in_turns(runs, args.iters, args.warmup)
    rows = {}
    for variant, (_, plain) in zip(variants, choices, strict=True):
        steps = measured[variant.name]
        seconds = statistics.median(step.total for step in steps)
        flops = pretraining_macs(bench.cfg.model, batch_size, backward=True, plain=plain).flops
        attainable = statistics.median(measured[variant.dtype])
        rows[variant.name] = {
            "images_per_s": batch_size / seconds,
            "step_s": seconds,
            "parts_s": median_step(steps)._asdict(),
            "flop_per_step": flops,
            "flop_per_s": flops / seconds,
            "attainable_flop_per_s": attainable,
            "achieved_over_attainable": flops / seconds / attainable,
            "turns_s": [step._asdict() for step in steps],
        }
    ratio = None
    if len(variants) > 1:
        ratios = turn_ratios(*(measured[variant.name] for variant in variants))
        ratio = {"median": statistics.median(ratios), "turns": ratios}
    return {
        "config": args.config,
        "settings": {key: value for key, value in vars(args).items() if key not in ("config", "json")},
        "environment": environment(),
        "device": str(bench.device),
        "batch_size": batch_size,
        "matmul_size": size,
        "variants": rows,
        "times_as_fast": ratio,
    }


def report(result: dict[str, Any]) -> str:
    env, settings = result["environment"], result["settings"]
    where = env["gpu"] or f"{env['cpu']}, {env['threads']} threads, {env['cpu_capability']}"
    lines = [
        f"{Path(result['config']).stem}, batch {result['batch_size']}, {settings['data']} images, "
        f"{'compiled, ' if settings['compile'] else ''}{settings['clock']} clock",
        f"torch {env['torch']} on {where}; medians of {settings['iters']} steps",
        f"{'':12s}{'images/s':>10s}{'step s':>9s}{'data':>8s}{'forward':>9s}{'backward':>10s}{'optimiser':>11s}"
        f"{'memory GB':>11s}{'GFLOP/s':>10s}{'matmul':>9s}{'used':>7s}",
    ]
    for name, row in result["variants"].items():
        parts = row["parts_s"]
        memory = f"{row['peak_memory_bytes'] / 1e9:.2f}" if "peak_memory_bytes" in row else "-"
        lines.append(
            f"{name:12s}{row['images_per_s']:10.2f}{row['step_s']:9.3f}{parts['data']:8.3f}{parts['forward']:9.3f}"
            f"{parts['backward']:10.3f}{parts['optimizer']:11.3f}{memory:>11s}{row['flop_per_s'] / 1e9:10.0f}"
            f"{row['attainable_flop_per_s'] / 1e9:9.0f}{row['achieved_over_attainable']:7.0%}"
        )
    if result["times_as_fast"]:
        ours, other = result["variants"]
        turns = result["times_as_fast"]["turns"]
        lines.append(
            f"{ours} is {result['times_as_fast']['median']:.3f} times as fast as {other} "
            f"(turn by turn {min(turns):.3f} to {max(turns):.3f})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="config of a pre-training, e.g. configs/pretrain/mirl_vits54_in1k.py")
    parser.add_argument("--batch-size", type=int, help="images per step (default: the config's)")
    parser.add_argument("--dtype", choices=list(DTYPES), default="bf16", help="bf16: autocast")
    parser.add_argument("--compare", choices=["none", "plain", "fp32"], default="none", help="measured in turns")
    parser.add_argument("--data", choices=["synthetic", "real"], default="synthetic", help="real: the config's loader")
    parser.add_argument("--data-root", help="folder of the data set, in place of the config's")
    parser.add_argument("--compile", action="store_true", help="as tools/train.py --compile does")
    parser.add_argument("--matmul-size", type=int, help="of the square matrices (default: 2048, on a GPU 8192)")
    add_bench_options(parser, iters=10, warmup=2)
    add_cfg_options(parser)
    args = parse_bench_options(parser)
    if args.compare == args.dtype:
        parser.error("--dtype fp32 --compare fp32 compares a thing with itself: say --dtype bf16")
    other: dict[str, list[Choice]] = {"none": [], "plain": [(args.dtype, True)], "fp32": [("fp32", False)]}
    choices: list[Choice] = [(args.dtype, False), *other[args.compare]]
    on_gpu, measured = torch.cuda.is_available(), [] if args.no_memory else choices
    memory = [] if on_gpu else [in_child(measure_memory, args, choice) for choice in measured]
    bench, batch_size = ready = set_up(args)
    batches = bench.loaded(batch_size) if args.data == "real" else bench.generated(batch_size)
    if on_gpu:
        memory = [measure_memory(args, choice, ready) for choice in measured]
    result = summarise(args, bench, batch_size, batches, choices)
    for row, peak in zip(result["variants"].values(), memory, strict=False):
        row["peak_memory_bytes"] = peak
    print(report(result))
    if args.json:
        write_file(args.json, json.dumps(result, indent=2, default=str))


if __name__ == "__main__":
    run(main)
