"""A long training: memory must not grow."""

import os
import time
from pathlib import Path

from tests.stress.runs import start
from tests.stress.table import Row, tell
from tests.training import small_config, write_images

NAME = "soak"
WEIGHT = 2.0
#: Bytes that each process may grow in 1,000 iterations: the log's numbers take a tenth of it.
MOST = 1_500_000
EVERY = 50
PAGE = os.sysconf("SC_PAGE_SIZE")


def run(minutes: float, seed: int, out_dir: Path) -> list[Row]:
    """Pre-train a tiny model with two workers for as long as there is time; the first third is for warming up."""
    cfg = small_config(write_images(out_dir / "data"), out_dir / "run", train_cfg__max_epochs=10**6)
    cfg.train_dataloader.update(num_workers=1, persistent_workers=True)
    # Sixty within the warm-up: yapf, which formats the config in each, grows so long.
    cfg.default_hooks.checkpoint.update(interval=4)
    cfg.default_hooks.logger.interval = 5
    cfg.log_level = "WARNING"
    cfg.dump(out_dir / "config.py")
    figures = out_dir / "memory"

    def watch() -> None:
        from mirl_mm.engine.hooks.checkpoint import AtomicCheckpointHook

        after = AtomicCheckpointHook.after_train_iter

        def note(hook, runner, *args, **kwargs) -> None:
            after(hook, runner, *args, **kwargs)
            if runner.iter % EVERY == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                with open(figures, "a") as file:
                    file.write(f"{runner.iter} {pages * PAGE}\n")

        AtomicCheckpointHook.after_train_iter = note

    process = start([out_dir / "config.py"], out_dir / "run.log", watch)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end and not process.has_ended():
        time.sleep(1)
        rows = read(figures)
        tell(out_dir, f"{rows[-1][0] if rows else 0:,} iterations")
    if process.has_ended():
        return [Row("training", 1, {"ended by itself": 1}, False, str(process.log))]
    process.kill(15)
    code = process.wait()
    rows = read(figures)
    warm = rows[len(rows) // 3 :]
    iterations, growth = rows[-1][0], slope(warm) * 1000
    note = f"{growth / 1e6:+.2f} MB for each 1,000 iterations, {rows[-1][1] / 1e6:.0f} MB at the end"
    ok = growth < MOST and code == 128 + 15
    return [Row("iterations of one training", iterations, {"iterations": iterations}, ok, note)]


def read(figures: Path) -> list[tuple[int, int]]:
    """Iterations and bytes."""
    lines = figures.read_text().splitlines() if figures.exists() else []
    pairs = [line.split() for line in lines]
    return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2]


def slope(rows: list[tuple[int, int]]) -> float:
    """Bytes for each iteration, by least squares."""
    n = len(rows)
    x_mean, y_mean = (sum(values) / n for values in zip(*rows, strict=True))
    return sum((x - x_mean) * (y - y_mean) for x, y in rows) / max(sum((x - x_mean) ** 2 for x, _ in rows), 1)
