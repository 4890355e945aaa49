"""Converts instance masks, PNG files in which each value but 0 is an object, to COCO's format with boxes and masks.

python tools/dataset_converters/instances_to_coco.py PNGImages PedMasks annotations/all.json --classes pedestrian
python tools/dataset_converters/instances_to_coco.py images masks all.json --class-from folder     # masks/cat/a.png
python tools/dataset_converters/instances_to_coco.py images masks all.json --class-from file       # masks/a_cat_1.png
python tools/dataset_converters/instances_to_coco.py images masks all.json --class-from value --classes 24=person 26=car
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.converters import instances_to_coco, print_summary
from mirl_mm.converters.instances import CLASS_FROM


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("images", type=Path, help="folder of the images")
    parser.add_argument("masks", type=Path, help="folder of the masks: a.png, a_mask.png or a/1.png of image a.jpg")
    parser.add_argument("out", type=Path, help="file to write, .json")
    parser.add_argument(
        "--classes", nargs="+", default=[], help="in the order of labels (default: object, or all found)"
    )
    parser.add_argument(
        "--class-from",
        choices=CLASS_FROM,
        default="one",
        help="where an object's class stands; value: value // DIVISOR, as in Cityscapes",
    )
    parser.add_argument("--divisor", type=int, default=1000, help="of --class-from value")
    parser.add_argument("--ignore", nargs="+", type=int, default=[], metavar="VALUE", help="values that are no object")
    parser.add_argument("--on-error", choices=["stop", "skip"], default="stop", help="at what can't be converted")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    args = parser.parse_args()
    made = instances_to_coco(**vars(args))
    print_summary({args.out.stem: made})


if __name__ == "__main__":
    run(main)
