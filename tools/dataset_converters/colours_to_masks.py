"""Converts colour-coded label images to segmentation maps, as ADE20K has them: classes count from 1, 0 is no label.

COLOURS is a text or CSV file with a class on each line: "128 64 128 road", "road,128,64,128" or "#804080 road".

python tools/dataset_converters/colours_to_masks.py labels/ annotations/ --classes label_colors.txt --unlabelled Void
python tools/dataset_converters/colours_to_masks.py labels/ masks/ --classes class_dict.csv --zero-based
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.converters import colours_to_masks, print_masks
from mirl_mm.converters.colours import UNKNOWN


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("source", type=Path, help="folder of the label images; sub-folders are kept")
    parser.add_argument("out_dir", type=Path, help="folder for the masks and classes.txt")
    parser.add_argument("--classes", type=Path, required=True, metavar="COLOURS", help="file of classes and colours")
    parser.add_argument("--unlabelled", nargs="+", default=[], metavar="NAME", help="classes that mean no label")
    parser.add_argument("--unknown", choices=UNKNOWN, default="error", help="at a colour that is not in the file")
    parser.add_argument("--zero-based", action="store_true", help="the first class is 0, and 255 no label")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    print_masks(colours_to_masks(**vars(parser.parse_args())))


if __name__ == "__main__":
    run(main)
