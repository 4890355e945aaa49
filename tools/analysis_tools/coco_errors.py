"""What a detector gets wrong.

RESULTS are those of tools/test.py --predictions. Prints what is found, confused and missed by size, and the most
frequent confusions; writes confusion.png (rows are true classes, each sums to 1) and confusion.csv (counts).

python tools/analysis_tools/coco_errors.py data/coco/annotations/instances_val2017.json RESULTS.bbox.json
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mirl_mm.cli import Parser, run
from mirl_mm.datasets.coco_reader import read_coco
from mirl_mm.datasets.text_files import read_json
from mirl_mm.detection.error_analysis import Errors, count_errors
from mirl_mm.outputs import keep_apart
from mirl_mm.visualization.confusion import worst_confusions, write_confusion


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("annotations", help="annotation file in COCO's format")
    parser.add_argument("results", help="boxes in COCO's results format")
    parser.add_argument("--out-dir", type=Path, default="errors", help="folder for confusion.png and .csv")
    parser.add_argument("--score-thr", type=float, default=0.3, help="least score that counts")
    parser.add_argument("--iou-thr", type=float, default=0.5, help="least overlap of a hit")
    parser.add_argument("--top", type=int, default=10, help="confusions to print")
    args = parser.parse_args()
    keep_apart(args.out_dir, [args.annotations])
    truth = read_coco(args.annotations).content
    results = read_json(args.results)
    errors = count_errors(truth, results, args.score_thr, args.iou_thr)
    names = [*(category["name"] for category in truth["categories"]), "(background)"]
    console = Console()
    for table in tables(errors, names, args.top):
        console.print(table)
    print(*write_confusion(errors.matrix, names, args.out_dir), sep="\n")


def tables(errors: Errors, names: list[str], top: int) -> list[Table]:
    sizes = Table("objects", "number", "found", "confused", "missed", title="by size")
    for size, counts in errors.by_size.items():
        number = sum(counts.values())
        shares = [f"{100 * value / number:.1f} %" if number else "-" for value in counts.values()]
        sizes.add_row(size, str(number), *shares)
    confusions = Table("true", "predicted", "number", title="most frequent errors")
    for row, column in worst_confusions(errors.matrix, top):
        confusions.add_row(Text(names[row]), Text(names[column]), str(errors.matrix[row, column]))
    return [sizes, confusions]


if __name__ == "__main__":
    run(main)
