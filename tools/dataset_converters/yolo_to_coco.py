"""Converts YOLO's text files, boxes and polygons, to COCO's format.

python tools/dataset_converters/yolo_to_coco.py data/mine/data.yaml
python tools/dataset_converters/yolo_to_coco.py data/mine --splits train val --on-error skip
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.converters import print_summary, yolo_to_coco


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("source", type=Path, help="data.yaml, or a folder with data.yaml or classes.txt")
    parser.add_argument("--out-dir", type=Path, help="where <split>.json files go (default: annotations in its folder)")
    parser.add_argument("--splits", nargs="+", default=[], help="some of the splits (default: all)")
    parser.add_argument("--classes", nargs="+", default=[], help="names in order, in place of the file's")
    parser.add_argument("--on-error", choices=["stop", "skip"], default="stop", help="at what can't be converted")
    parser.add_argument("--overwrite", action="store_true", help="replace files of these names, whatever made them")
    print_summary(yolo_to_coco(**vars(parser.parse_args())))


if __name__ == "__main__":
    run(main)
