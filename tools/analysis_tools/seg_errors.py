r"""What a segmentor gets wrong, from segmentation maps of predictions and of the truth.

PREDICTIONS are those of tools/test.py --predictions, or of tools/visualization/infer.py --masks. Prints each class's
IoU and accuracy, errors near borders between classes and away from them, and the most frequent confusions. Writes
iou.png, confusion.png (rows are true classes, each sums to 1) and confusion.csv (pixels).

python tools/analysis_tools/seg_errors.py data/ade/annotations/validation PREDICTIONS --classes data/ade/classes.txt \
    --reduce-zero-label
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mirl_mm.cli import Parser, run
from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.outputs import keep_apart
from mirl_mm.segmentation.error_analysis import SegErrors, class_accuracy, class_iou, count_files, pair_masks
from mirl_mm.text import counted
from mirl_mm.visualization.bars import Bar, plot_bars
from mirl_mm.visualization.confusion import worst_confusions, write_confusion
from mirl_mm.visualization.curves import save_figure


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("truth", help="folder of the true masks")
    parser.add_argument("predictions", help="folder of the predictions, of the same names")
    parser.add_argument("--classes", required=True, metavar="FILE", help="names of the classes, one on each line")
    parser.add_argument("--reduce-zero-label", action="store_true", help="0 is no label, classes count from 1")
    parser.add_argument("--ignore-index", type=int, default=255, help="another value for no label")
    parser.add_argument("--width", type=int, default=3, help="pixels on each side of a border that count as near it")
    parser.add_argument("--top", type=int, default=10, help="confusions to print")
    parser.add_argument("--out-dir", type=Path, default="errors", help="folder for the files")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    args = parser.parse_args()
    if args.width < 1:
        parser.error(f"--width must be at least 1, got {args.width}")
    names = read_classes(args.classes)
    rules = SegMapRules(len(names), args.reduce_zero_label, args.ignore_index)
    pairs = pair_masks(args.truth, args.predictions)
    keep_apart(args.out_dir, [path for pair in pairs for path in pair])
    errors = count_files(pairs, rules, args.width, args.workers)
    iou = class_iou(errors.matrix)
    mean = float(np.nanmean(iou)) if np.isfinite(iou).any() else 0.0
    console = Console()
    for table in tables(errors, names, args):
        console.print(table)
    console.print(f"{counted(len(pairs), 'image')}, mIoU {100 * mean:.2f} %", highlight=False)
    notes = ["absent" if np.isnan(value) else f"{100 * value:.1f}" for value in iou]
    bars = [Bar(*each) for each in zip(names, 100 * iou, notes, strict=True)]
    figure = plot_bars(bars, "IoU (%)", f"{counted(len(pairs), 'image')}, mIoU {100 * mean:.2f} %", mean=100 * mean)
    save_figure(args.out_dir / "iou.png", figure)
    print(args.out_dir / "iou.png", *write_confusion(errors.matrix, names, args.out_dir), sep="\n")


def tables(errors: SegErrors, names: tuple[str, ...], args: argparse.Namespace) -> list[Table]:
    """Classes, zones and confusions."""
    classes = Table("class", "pixels", "IoU", "accuracy", title="by class, the worst first")
    iou, accuracy, pixels = class_iou(errors.matrix), class_accuracy(errors.matrix), errors.matrix.sum(axis=1)
    for label in np.argsort(iou, kind="stable").tolist():  # NaN comes last
        classes.add_row(Text(names[label]), f"{pixels[label]:,}", _percent(iou[label]), _percent(accuracy[label]))
    zones = Table("pixels", "number", "right", "of all errors", title="by distance from another class")
    wrong = sum(zone.pixels - zone.right for zone in (errors.border, errors.interior))
    for name, zone in ((f"at most {args.width} px", errors.border), ("further", errors.interior)):
        right = zone.right / zone.pixels if zone.pixels else np.nan
        share = (zone.pixels - zone.right) / wrong if wrong else np.nan
        zones.add_row(name, f"{zone.pixels:,}", _percent(right), _percent(share))
    confusions = Table("true", "predicted", "pixels", "of the true class", title="most frequent errors")
    for row, column in worst_confusions(errors.matrix, args.top):
        number = errors.matrix[row, column]
        confusions.add_row(Text(names[row]), Text(names[column]), f"{number:,}", _percent(number / pixels[row]))
    return [classes, zones, confusions]


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


if __name__ == "__main__":
    run(main)
