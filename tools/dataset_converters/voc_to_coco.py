"""Converts boxes from Pascal VOC's XML files to COCO's format.

python tools/dataset_converters/voc_to_coco.py VOCdevkit/VOC2012 --splits train val
python tools/dataset_converters/voc_to_coco.py data/mine --annotations xml --images photos --on-error skip
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.converters import print_summary, voc_to_coco
from mirl_mm.converters.voc import DIFFICULT


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("root", type=Path, help="the data set's folder")
    parser.add_argument("--out-dir", type=Path, help="where <split>.json files go (default: ROOT/annotations)")
    parser.add_argument("--splits", nargs="+", default=[], help="names of lists (default: one, all, of all XML files)")
    parser.add_argument("--classes", nargs="+", default=[], help="in the order of labels (default: all, by alphabet)")
    parser.add_argument("--annotations", default="Annotations", help="folder of the XML files in ROOT")
    parser.add_argument("--images", default="JPEGImages", help="folder of the images in ROOT")
    parser.add_argument("--lists", default="ImageSets/Main", help="folder of the lists in ROOT")
    parser.add_argument("--difficult", choices=DIFFICULT, default="ignore", help="ignore makes them iscrowd")
    parser.add_argument("--zero-based", action="store_true", help="boxes are edges counted from 0, unlike VOC's")
    parser.add_argument("--on-error", choices=["stop", "skip"], default="stop", help="at what can't be converted")
    parser.add_argument("--overwrite", action="store_true", help="replace files of these names, whatever made them")
    print_summary(voc_to_coco(**vars(parser.parse_args())))


if __name__ == "__main__":
    run(main)
