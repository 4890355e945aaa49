"""Converts COCO's annotations, of objects or stuff, to segmentation maps.

As in ADE20K, classes count from 1, and 0 is no label. Where annotations overlap, the smaller one is on top. No image is
moved or copied.

python tools/dataset_converters/coco_to_masks.py instances_val2017.json masks/val --background other
python tools/dataset_converters/coco_to_masks.py stuff_train2017.json masks/train --zero-based
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.converters import coco_to_masks, print_masks
from mirl_mm.converters.coco_masks import CROWD


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("annotations", type=Path, help="COCO file with segmentations")
    parser.add_argument("out_dir", type=Path, help="folder for the masks and classes.txt")
    parser.add_argument("--background", metavar="NAME", help="first class, of pixels without annotation; else no label")
    parser.add_argument(
        "--classes", nargs="+", default=[], metavar="NAME", help="some categories, in order (default: all)"
    )
    parser.add_argument("--crowd", choices=CROWD, default="ignore", help="crowds become no label, ordinary, or nothing")
    parser.add_argument("--zero-based", action="store_true", help="the first class is 0, and 255 no label")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    print_masks(coco_to_masks(**vars(parser.parse_args())))


if __name__ == "__main__":
    run(main)
