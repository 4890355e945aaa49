"""Plots what one or several runs have logged over the training iterations: losses, and accuracy, precision or IoU.

python tools/visualization/plot_curves.py work_dirs/pretrain/mirl_vits54_in1k
python tools/visualization/plot_curves.py work_dirs/a work_dirs/b --keys loss grad_norm --out a_and_b.png
"""

import os
from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.text import short_path
from mirl_mm.visualization.curves import plot_curves, plot_run, save_figure
from mirl_mm.visualization.scalars import read_scalars


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("logs", nargs="+", help="work dirs, their time-stamped folders, or scalars.json files")
    parser.add_argument("--keys", nargs="+", default=[], help="what to plot (default: losses and main metrics)")
    parser.add_argument("--labels", nargs="+", help="names of the runs (default: the paths given)")
    parser.add_argument("--title", default="", help="goes on top")
    parser.add_argument("--out", type=Path, help="PNG file to write (default: curves.png in the runs' common folder)")
    args = parser.parse_args()
    args.labels = args.labels or args.logs
    if len(set(args.labels)) != len(args.logs):
        parser.error(f"{len(args.logs)} logs need as many different labels, got {args.labels}")
    runs = {label: read_scalars(log) for label, log in zip(args.labels, args.logs, strict=True)}
    if len(runs) == 1 and not args.keys:
        figure = plot_run(next(iter(runs.values())), title=args.title)
    else:
        figure = plot_curves(runs, args.keys, args.title)
    folders = [os.path.abspath(log if os.path.isdir(log) else os.path.dirname(log)) for log in args.logs]
    out = args.out or Path(os.path.commonpath(folders), "curves.png")
    save_figure(out, figure)
    print(short_path(out))


if __name__ == "__main__":
    run(main)
