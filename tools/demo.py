"""Pre-trains a small deep MIRL on generated images in minutes, and shows what it learnt.

Each step is one of the tools, called as shown. A step that was done is not done again, and training that was stopped
goes on, so this can be stopped and started as often as you like.

python tools/demo.py
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mirl_mm.cli import HelpFormatter
from mirl_mm.visualization.scalars import loss_names, read_scalars, term_title

ROOT = Path(__file__).resolve().parents[1]  # all paths below are relative to it
CONFIG = Path("configs/shapes/mirl_pretrain_shapes.py")
WORK_DIR = Path("work_dirs/demo")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--work-dir", type=Path, help=f"where everything goes (default: {WORK_DIR} of the repository)")
    parser.add_argument(
        "--num-images", type=int, nargs=2, default=(4000, 400), metavar=("TRAIN", "VAL"), help="to generate"
    )
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="for tools/train.py")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    demo = Demo(args.work_dir.resolve() if args.work_dir else WORK_DIR, args.num_images, args.cfg_options)
    os.chdir(ROOT)
    started = time.monotonic()
    try:
        fresh = demo.run()
    except StepFailed as error:
        raise SystemExit(f"\nerror: {error}") from None
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.")
        raise SystemExit(130) from None
    print(demo.summary(time.monotonic() - started if fresh else None))


class StepFailed(Exception):
    """A tool ended with an error; says which, and its last words."""


class Demo:
    """The demo's steps.

    Args:
        work_dir: Where everything goes.
        num_images: For training and validation.
        cfg_options: Overrides of the config.
    """

    def __init__(self, work_dir: Path, num_images: tuple[int, int], cfg_options: list[str]) -> None:
        self.work_dir = work_dir
        self.num_images = num_images
        self.cfg_options = cfg_options
        self.shapes = work_dir / "shapes"
        self.training = work_dir / "pretrain"
        self.curves = work_dir / "loss.png"
        self.grid = work_dir / "reconstruction.png"

    def run(self) -> bool:
        """Do what is not done yet; returns whether there was anything."""
        settings = json.dumps([CONFIG.read_text(), list(self.num_images), self.cfg_options])
        fingerprint = hashlib.sha256(settings.encode()).hexdigest()
        done = self.work_dir / "done"
        if done.is_file() and done.read_text() == fingerprint and self.curves.is_file() and self.grid.is_file():
            return False
        self.generate()
        self.train()
        self.draw()
        done.write_text(fingerprint)
        return True

    def generate(self) -> None:
        """Make the images; the generator sees itself whether they are there."""
        train, val = map(str, self.num_images)
        command = [self.shapes, "--num-train", train, "--num-val", val, "--size", "64", "64", "--layouts", "folder"]
        _step("1/3 Images", "tools/dataset_converters/generate_shapes.py", *command)

    def train(self) -> None:
        """Pre-train, from the last checkpoint if there is one."""
        options = ["--cfg-options", *self.cfg_options] if self.cfg_options else []
        command = [CONFIG, "--work-dir", self.training, "--data-root", self.shapes / "folder"]
        _step("2/3 Pre-training", "tools/train.py", *command, "--resume", *options, show=_training_line)

    def draw(self) -> None:
        """Curves and reconstructions of validation images."""
        title = "MIRL on Shapes: loss of each pair"
        _step(
            "3/3 Pictures", "tools/visualization/plot_curves.py", self.training, "--title", title, "--out", self.curves
        )
        checkpoint = self.training / Path((self.training / "last_checkpoint").read_text().strip()).name
        images = [self.shapes / "folder" / "val", "--num-images", "8", "--out-dir", self.work_dir]
        _step("", "tools/visualization/infer.py", checkpoint, *images)

    def summary(self, seconds: float | None) -> str:
        """What came out, and where it is; ``seconds`` is None if there was nothing to do."""
        scalars = read_scalars(self.training)
        lines = ["", f"{'':12}training, first and last in the log   validation, last"]
        for name in loss_names([scalars]):
            first, last = scalars.train[name][0][1], scalars.train[name][-1][1]
            validation = f"{scalars.val[name][-1][1]:>24.3f}" if name in scalars.val else ""
            lines.append(f"  {term_title(name):<10}{first:.3f} -> {last:.3f}{validation}")
        done = (
            "Finished already (delete the folder to start afresh)." if seconds is None else f"Done in {seconds:.0f} s."
        )
        return "\n".join(
            [
                *lines,
                "",
                f"{done} Look at",
                f"  {self.curves}   the falling loss of each pair",
                f"  {self.grid}   masked images, and what the model makes of them",
                f"  {self.training}   log, checkpoints, and pictures taken on the way (vis_data/vis_image)",
            ]
        )


def _step(name: str, tool: str, *arguments: object, show: Callable[[str], str | None] | None = None) -> None:
    """Run a tool.

    Args:
        name: Printed first.
        tool: Path of the script in the repository.
        *arguments: Its arguments.
        show: What is to be shown of a line of its output; None where nothing is. Default: all, as it comes.

    Raises:
        StepFailed: If the tool fails.
    """
    words = [tool, *map(str, arguments)]
    print(f"\n{name}: python {shlex.join(words)}" if name else f"python {shlex.join(words)}", flush=True)
    pipes: dict[str, int] = {} if show is None else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    last: deque[str] = deque(maxlen=20)
    with subprocess.Popen([sys.executable, *words], text=True, env=_environment(), **pipes) as process:
        try:
            for line in process.stdout or ():
                last.append(line)
                shown = show(line) if show else None
                if shown:
                    print(shown, flush=True)
            code = process.wait()
        except KeyboardInterrupt:
            process.communicate()  # it got the signal as well, and ends
            raise
    if code:
        raise StepFailed(f"{tool} ended with exit code {code}\n{''.join(last)}".rstrip())


def _environment() -> dict[str, str]:
    """One thread for the model unless the user wants more; another core is kept busy with the next images.

    The model is so small that two threads on two idle cores are but a fifth faster than one, and where something else
    computes, too, they wait for each other: ten times slower.
    """
    return {"OMP_NUM_THREADS": "1", **os.environ}


def _training_line(line: str) -> str | None:
    """Of mmengine's log the progress, with the time left; the log file has the config and all the rest."""
    if resumed := re.search(r"resumed epoch.*", line):
        return f"  {resumed[0]}"
    match = re.search(r"Epoch\((train|val)\)\s+(\[.*?\]\[.*?\])(.*)", line)
    if not match:
        return None
    kind, place, rest = match.groups()
    values = dict(re.findall(r"(\w+): (\S+)", rest))
    if "loss" not in values:  # in the middle of a validation
        return None
    pairs = "  ".join(f"{term_title(name)} {float(value):.3f}" for name, value in values.items() if "pair" in name)
    left = f"  {values['eta']} left" if "eta" in values else ""
    speed = f"  {float(values['img_per_s']):.0f} images/s" if "img_per_s" in values else ""
    return f"  {kind:<5} {place:<14} loss {float(values['loss']):.3f}  {pairs}{speed}{left}"


if __name__ == "__main__":
    main()
