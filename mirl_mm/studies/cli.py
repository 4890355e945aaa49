"""What the command lines of studies have in common."""

import argparse
from pathlib import Path

import torch

from .study import Running, gpu_slots


def add_running_options(parser: argparse.ArgumentParser, out_dir: str, foreseen: bool = True) -> None:
    """Give a parser the options of how a grid is run; ``foreseen``: also those that need to know how long it takes."""
    parser.add_argument("--out-dir", type=Path, default=Path(out_dir), help="folder for all runs and results")
    parser.set_defaults(budget=None, plan=False, adopt=[])
    gpus = torch.cuda.device_count()
    parser.add_argument("--jobs", type=int, default=gpus or 1, help="processes at a time: one for each core, or GPU")
    parser.add_argument("--collect", action="store_true", help="only write the results of what has been done")
    if not foreseen:
        return
    parser.add_argument("--budget", type=float, metavar="HOURS", help="start only what fits, the most valuable first")
    parser.add_argument("--plan", action="store_true", help="say what would be done and how long it takes, no more")
    parser.add_argument(
        "--adopt",
        nargs="+",
        default=[],
        metavar="NAME=FOLDER",
        help="count finished work dirs of tools/train.py as the trainings with these names of the plan",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override settings of all trainings"
    )


def running_of(args: argparse.Namespace) -> Running:
    """How the grid is to be run.

    Raises:
        ValueError: For options that can't be.
    """
    if args.jobs < 1:
        raise ValueError(f"--jobs {args.jobs}: there has to be at least one")
    if args.budget is not None and args.budget <= 0:
        raise ValueError(f"--budget {args.budget}: give hours, such as 0.5")
    adopted = {name: Path(folder) for name, folder in pairs("--adopt", args.adopt).items()}
    seconds = None if args.budget is None else 3600 * args.budget
    return Running(gpu_slots(args.jobs), seconds, args.plan, args.collect, adopted)


def pairs(flag: str, words: list[str]) -> dict[str, str]:
    """Names to values, as a command line has them.

    Raises:
        ValueError: For one without ``=``.
    """
    for word in words:
        if "=" not in word:
            raise ValueError(f"{flag} {word}: write NAME=VALUE")
    return dict(word.split("=", 1) for word in words)
