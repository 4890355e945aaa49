"""How often each class occurs in segmentation maps.

python tools/analysis_tools/class_frequencies.py MASKS --classes classes.txt

Prints each class's share of the labelled pixels and of the masks, what has no label, and weights for the loss (median
frequency balancing); --out draws it. A value outside of the classes is an error that names file and value. Without
--classes, all values are listed.

python tools/analysis_tools/class_frequencies.py data/ade/annotations/training --classes classes.txt --reduce-zero-label
"""

from pathlib import Path

from rich.console import Console

from mirl_mm.cli import Parser, run
from mirl_mm.converters.seg_maps import MOST_CLASSES, frequency_table
from mirl_mm.datasets.class_counts import count_classes, find_masks
from mirl_mm.datasets.folder_labels import read_classes
from mirl_mm.datasets.seg_maps import SegMapRules
from mirl_mm.outputs import keep_apart
from mirl_mm.text import counted
from mirl_mm.visualization.bars import Bar, plot_bars
from mirl_mm.visualization.curves import save_figure


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("masks", nargs="+", help="folders of segmentation maps; sub-folders count")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, one on each line")
    parser.add_argument("--reduce-zero-label", action="store_true", help="0 is no label, classes count from 1")
    parser.add_argument("--ignore-index", type=int, default=255, help="another value for no label")
    parser.add_argument("--suffix", default=".png", help="how the masks' names end")
    parser.add_argument("--weights", action="store_true", help="print weights for the loss, as a config takes them")
    parser.add_argument("--out", type=Path, metavar="FILE", help="PNG file to draw the frequencies into")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    args = parser.parse_args()
    first = int(args.reduce_zero_label)
    names = read_classes(args.classes) if args.classes else [f"value {i + first}" for i in range(MOST_CLASSES)]
    rules = SegMapRules(len(names), args.reduce_zero_label, args.ignore_index)
    masks = find_masks(args.masks, args.suffix)
    if args.out:
        keep_apart(Path(args.out).parent, masks)
    counts = count_classes(masks, names, rules, args.workers)
    Console().print(frequency_table(counts, first, args.weights, all_classes=bool(args.classes)))
    absent = [name for name, pixels in zip(names, counts.pixels, strict=True) if not pixels]
    if args.classes and absent:
        print(f"never there: {', '.join(absent)}")
    if args.weights:
        weights = [round(weight, 3) for weight in counts.weights().tolist()]
        print(f"loss_decode = dict(class_weight={weights})")
    if args.out:
        shares = counts.shares()
        bars = [
            Bar(name, 100 * shares[label], f"{shares[label]:.2%}, {counted(int(counts.masks[label]), 'mask')}")
            for label, name in enumerate(names)
            if counts.pixels[label] or args.classes
        ]
        figure = plot_bars(bars, "labelled pixels (%)", counted(counts.number, "mask"), logarithmic=True)
        save_figure(args.out, figure)
        print(args.out)


if __name__ == "__main__":
    run(main)
