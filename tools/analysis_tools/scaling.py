"""What a training costs and what to expect on several GPUs, computed from its config and from a measurement of yours.

Prints the arithmetic of the whole training, and for each number of GPUs the memory and communication of one of them
with DDP and FSDP. With what tools/analysis_tools/benchmark.py measured on one GPU (--json) and the bandwidth between
GPUs, also images per second and hours: from none of the communication hidden behind arithmetic to all of it.
docs/scaling.md has the formulas.

    python tools/analysis_tools/scaling.py configs/pretrain/mirl_vitb48_in1k.py --gpus 8 64
    python tools/analysis_tools/benchmark.py configs/pretrain/mirl_vitb48_in1k.py --json one_gpu.json
    python tools/analysis_tools/scaling.py configs/pretrain/mirl_vitb48_in1k.py --measured one_gpu.json --bandwidth 50
"""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mirl_mm.analysis.memory import activation_bytes
from mirl_mm.analysis.parts import model_on_meta
from mirl_mm.analysis.scaling import (
    Batch,
    Parameters,
    count_parameters,
    distribute_update,
    flops_per_image,
    images_seen,
    share,
)
from mirl_mm.cli import Parser, run
from mirl_mm.engine.cli import add_cfg_options
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import SCOPE

GIB = 2**30


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="config of any task with a DeepViT")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64], help="numbers of GPUs")
    parser.add_argument("--images", type=int, default=1_281_167, help="training images (default: ImageNet-1K's)")
    parser.add_argument("--written-for", type=int, default=8, metavar="GPUS", help="GPUs of the config's batch")
    parser.add_argument("--tflops", type=float, default=100.0, help="achieved on a GPU, for the GPU-hours")
    parser.add_argument("--measured", nargs="+", default=[], metavar="JSON", help="of benchmark.py on one GPU")
    parser.add_argument(
        "--bandwidth", type=float, metavar="GB/S", help="that a GPU sends to others, 10^9 bytes a second"
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    if bool(args.measured) != bool(args.bandwidth):
        parser.error("--measured and --bandwidth belong together: times are made of both")
    cfg = load_config(args.config, args.cfg_options)
    times = read_measured(args.measured, args.config)
    images, each = images_seen(cfg, args.images, args.written_for), flops_per_image(cfg)
    hours = each * images / (args.tflops * 1e12) / 3600
    model = model_on_meta(cfg.model, cfg.get("default_scope", SCOPE))
    parameters = count_parameters(model)
    batches = [distribute_update(cfg, gpus, args.written_for) for gpus in args.gpus]
    names = ["GPUs", "images x steps", "", "states", "gathered", "activations", "memory", "traffic"]
    table = Table(*names, *(["images/s", "hours"] if args.bandwidth else []))
    checkpointing = bool(cfg.get("activation_checkpointing"))
    kept = {size: activation_bytes(cfg.model, size, checkpointing) for size in {batch.images for batch in batches}}
    for batch in batches:
        for line in rows(parameters, batch, kept[batch.images], images, times, args.bandwidth):
            table.add_row(*map(str, line))
    print(f"{args.config}: {parameters.all / 1e6:.1f} M parameters, updates of {batches[0].update} images")
    operations = f"{each / 1e9:,.1f} GFLOP, forward and backward: {each * images / 1e18:,.1f} EFLOP"
    print(f"{images / 1e6:,.1f} million images of {operations}")
    print(f"{hours:,.0f} GPU-hours at {args.tflops:g} TFLOP/s achieved (computed, not measured)")
    Console().print(table)
    print("GiB for each GPU, computed: float32; traffic is what it sends, and receives, for an update")


def read_measured(paths: list[str], config: str) -> dict[int, dict[str, float]]:
    """Batch size -> seconds of a step's parts, of the first variant in each file."""
    found = {}
    for path in paths:
        result = json.loads(Path(path).read_text())
        if Path(result["config"]).name != Path(config).name:
            raise SystemExit(f"error: {path} was measured with {result['config']}, not {config}")
        found[result["batch_size"]] = next(iter(result["variants"].values()))["parts_s"]
    return found


def seconds(parts: dict[str, float], batch: Batch, traffic: float, bandwidth: float, fsdp: bool) -> tuple[float, float]:
    """An update's shortest and longest time: all of the communication hidden, and none."""
    optimizer = parts["optimizer"] / (batch.gpus if fsdp else 1)
    computing = batch.steps * (parts["forward"] + parts["backward"]) + optimizer
    moving = traffic / (bandwidth * 1e9)
    loading = batch.steps * parts["data"]
    return loading + max(computing, moving), loading + computing + moving


def rows(
    parameters: Parameters, batch: Batch, kept: int | None, images: int, times: dict, bandwidth: float | None
) -> list[list[Any]]:
    """A table's lines for a number of GPUs: with DDP and, of several, with FSDP."""
    lines = []
    for fsdp in (False, True)[: min(batch.gpus, 2)]:
        shares = share(parameters, batch, fsdp)
        memory = [shares.states, shares.gathered, kept]
        total = None if kept is None else sum(memory)  # type: ignore[arg-type]
        cells = [*memory, total, shares.traffic]
        line = [batch.gpus, f"{batch.images} x {batch.steps}", "FSDP" if fsdp else "DDP"]
        line += ["-" if cell is None else f"{cell / GIB:.1f}" for cell in cells]
        if bandwidth and batch.images in times:
            best, worst = seconds(times[batch.images], batch, shares.traffic, bandwidth, fsdp)
            rates = [batch.update / time for time in (worst, best)]
            hours = [images / rate / 3600 for rate in reversed(rates)]
            line += [" to ".join(f"{rate:,.0f}" for rate in rates), " to ".join(f"{hour:,.1f}" for hour in hours)]
        elif bandwidth:
            line += [f"measure batch {batch.images}", "-"]
        lines.append(line)
    return lines


if __name__ == "__main__":
    run(main)
