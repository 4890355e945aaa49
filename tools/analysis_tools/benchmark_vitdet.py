"""Time and memory of a detection backbone beside explicit attention, scores and bias stored, as in detectron2's ViTDet.

A step is the forward and backward pass of a DeepViT with windows of 14 and relative positions, on random images. What
is compared shares the weights and takes turns; memory is measured in a process of its own for each.

    python tools/analysis_tools/benchmark_vitdet.py --arch vit-b --size 1024 1024 --dtype fp32
"""

import argparse
import json
import statistics
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from mmengine.device import get_device

from mirl_mm import DeepViT
from mirl_mm.analysis.bench_options import add_bench_options, clock, environment, in_child, parse_bench_options
from mirl_mm.analysis.explicit import explicit_attention
from mirl_mm.analysis.timing import Clock, in_turns, tick
from mirl_mm.analysis.training_bench import DTYPES
from mirl_mm.cli import Parser, run
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.engine.peak_memory import peak_bytes
from mirl_mm.file_backend import write_file
from mirl_mm.models.backbones import ARCHS

#: name -> (explicit attention, activation checkpointing). The first is what the others are set beside.
WAYS = {
    "explicit": (True, False),
    "explicit+checkpointing": (True, True),
    "ours": (False, False),
    "ours+checkpointing": (False, True),
}


class Bench:
    """A backbone, images, and its step in each way."""

    def __init__(self, args: argparse.Namespace) -> None:
        if args.threads:
            torch.set_num_threads(args.threads)
        torch.manual_seed(args.seed)
        device = get_device()
        self.model = DeepViT(
            args.arch,
            img_size=tuple(args.size),
            pretrain_img_size=224,
            pos_embed="learned",
            class_token=False,
            window_size=args.window_size,
            use_rel_pos=True,
            final_norm=False,
        ).to(device)
        self.model.train()
        self.images = torch.randn(args.batch_size, 3, *args.size, device=device)
        self.dtype = DTYPES[args.dtype]

    def step(self, way: str) -> None:
        """Forward and backward pass; the gradients are dropped."""
        explicit, checkpointing = WAYS[way]
        if checkpointing:
            checkpoint_activations(self.model)
        with explicit_attention(self.model) if explicit else nullcontext():
            with torch.autocast(self.images.device.type, self.dtype, enabled=self.dtype != torch.float32):
                out = self.model(self.images)[0]
            out.float().square().mean().backward()
        self.model.zero_grad(set_to_none=True)
        for block in self.model.blocks if checkpointing else ():
            del block.forward  # its class's is there again


def measure_memory(args: argparse.Namespace, way: str) -> int:
    """Peak bytes of two steps, called in a process of its own."""
    bench = Bench(args)
    return peak_bytes(lambda: [bench.step(way) for _ in range(2)])


def seconds_of(bench: Bench, way: str, now: Clock) -> float:
    """Of a step."""
    start = tick(now)
    bench.step(way)
    return tick(now) - start


def summarise(args: argparse.Namespace, seconds: dict[str, list[float]], memory: dict[str, int]) -> dict[str, Any]:
    """Medians, and ratios to the first way, turn by turn."""
    first = args.ways[0]
    rows = {}
    for way, turns in seconds.items():
        ratios = [own / other for own, other in zip(turns, seconds[first], strict=True)]
        rows[way] = {"step_s": statistics.median(turns), "turns_s": turns, "time_ratio": statistics.median(ratios)}
        if memory:
            rows[way] |= {"peak_memory_bytes": memory[way], "memory_ratio": memory[way] / memory[first]}
    return {
        "settings": {key: value for key, value in vars(args).items() if key != "json"},
        "environment": environment(),
        "ways": rows,
    }


def report(result: dict[str, Any]) -> str:
    settings, env = result["settings"], result["environment"]
    where = env["gpu"] or f"CPU, {env['threads']} threads"
    lines = [
        f"{settings['arch']}, {settings['size'][0]} x {settings['size'][1]}, batch {settings['batch_size']}, "
        f"{settings['dtype']}, forward + backward, {settings['clock']} clock, torch {torch.__version__} on {where}",
        f"{'':25s}{'step s':>9s}{'ratio':>8s}{'memory GB':>11s}{'ratio':>8s}",
    ]
    for way, row in result["ways"].items():
        memory = f"{row['peak_memory_bytes'] / 1e9:11.2f}{row['memory_ratio']:8.2f}" if "memory_ratio" in row else ""
        lines.append(f"{way:25s}{row['step_s']:9.3f}{row['time_ratio']:8.2f}{memory}")
    return "\n".join(lines)


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--arch", choices=list(ARCHS), default="vit-b", help="encoder")
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024], metavar=("H", "W"), help="of the images")
    parser.add_argument("--window-size", type=int, default=14, help="patches on a side")
    parser.add_argument("--batch-size", type=int, default=1, help="images per step")
    parser.add_argument("--dtype", choices=list(DTYPES), default="fp32", help="bf16: autocast")
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=list(WAYS),
        metavar="WAY",
        default=["explicit", "ours", "ours+checkpointing"],
        help=f"to compare: {', '.join(WAYS)}",
    )
    add_bench_options(parser, iters=3, warmup=1)
    args = parse_bench_options(parser)
    bench = Bench(args)
    memory = {} if args.no_memory else {way: in_child(measure_memory, args, way) for way in args.ways}
    runs = {way: partial(seconds_of, bench, way, clock(args)) for way in args.ways}
    result = summarise(args, in_turns(runs, args.iters, args.warmup), memory)
    print(report(result))
    if args.json:
        write_file(args.json, json.dumps(result, indent=2))


if __name__ == "__main__":
    run(main)
