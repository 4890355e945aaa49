"""A minute of tools/train.py: images from the disk through the real loader, and where the time goes."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from mirl_mm.cpu_info import cpu_count
from mirl_mm.visualization.scalars import read_scalars

from . import data
from .bench import ROOT, Bench

#: Lines of the log that are left out: workers start, and the first steps find their kernels.
SKIPPED = 2


def run(bench: Bench) -> None:
    """Train for a while, end it, and read what it logged."""
    small = bench.rehearse
    names, images = (64, 64) if small else (25600, 400)
    batch, workers, seconds = (8, 1, 12) if small else (256, max(1, cpu_count() - 2), 35)
    folder = data.image_folder(bench.scratch.parent / ("few" if small else "many"), images, names)
    config = "configs/pretrain/" + ("mirl_tiny24_64px.py" if small else "mirl_vits54_in1k.py")
    work_dir = bench.scratch / f"run-{time.time():.0f}"
    options = f"--no-validate --amp --batch-size {batch} --cfg-options custom_hooks=[] auto_scale_lr.enable=False"
    options += f" train_dataloader.num_workers={workers} default_hooks.logger.interval={2 if small else 5}"
    options += " optim_wrapper.accumulative_counts=1 default_hooks.checkpoint.interval=1000"
    folders = ["--data-root", str(folder), "--work-dir", str(work_dir)]
    command = [sys.executable, str(ROOT / "tools/train.py"), config, *folders, *options.split()]
    with bench.turn.alone():
        lines = log_for(command, work_dir, seconds)
    if len(lines["time"]) <= SKIPPED:
        raise RuntimeError(f"tools/train.py logged {len(lines['time'])} lines in its time: its output is above")
    average = {name: statistics.median(lines[name][SKIPPED:]) for name in ("img_per_s", "time", "data_time")}
    bench.record.add(
        "training",
        what=f"{Path(config).stem}, batch {batch}, {workers} workers, {data.SIZE[1]} × {data.SIZE[0]} JPEGs",
        images_per_s=average["img_per_s"],
        step_ms=1000 * average["time"],
        data_ms=1000 * average["data_time"],
        per_worker=average["img_per_s"] / workers,
        lines=len(lines["time"]) - SKIPPED,
    )


def log_for(command: list[str], work_dir: Path, seconds: float) -> dict[str, list[float]]:
    """What a training logs in as many seconds from its first line on."""
    process = subprocess.Popen(command, cwd=ROOT)
    first = 0.0
    scalars: dict[str, list[float]] = {"time": [], "img_per_s": [], "data_time": []}
    while process.poll() is None and not (first and time.time() - first > seconds):
        time.sleep(0.5)
        try:
            found = read_scalars(work_dir).train
        except (FileNotFoundError, ValueError):
            continue
        first = first or time.time()
        scalars = {name: [value for _, value in found[name]] for name in scalars}
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return scalars
