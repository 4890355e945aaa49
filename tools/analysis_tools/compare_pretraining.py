"""Asks what a pre-training is worth: several starting weights, one task, few to all of the labels, several seeds.

Fine-tunes CONFIG from each of the weights on the same drawn shares of the labels, validates on all of the
validation images, and writes table.md (means, standard errors, paired differences, time), scores.csv (each number and
the log that has it) and scores.png. Goes on after a stop with the same command.

python tools/analysis_tools/compare_pretraining.py configs/cls/mirl_tiny24_64px.py --data-root FOLDER \
    --starts MIRL=work_dirs/mirl/epoch_800.pth MAE=work_dirs/mae/epoch_800.pth random --out-dir work_dirs/compare
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.engine.cli import add_cfg_options
from mirl_mm.studies.cli import add_running_options, running_of
from mirl_mm.studies.label_results import collect, table, write_results
from mirl_mm.studies.labels import RANDOM, LabelStudy
from mirl_mm.studies.study import run_study


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="of a classifier, a detector or a segmentor, without pre-trained weights")
    parser.add_argument("--data-root", required=True, help="folder of the task's data, as tools/train.py takes it")
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="as tools/train.py's")
    parser.add_argument(
        "--starts",
        nargs="+",
        required=True,
        metavar="NAME=CHECKPOINT",
        help="weights, of any origin that tools/train.py --pretrained takes; random: none, and no layer decay. The "
        "others are compared with the last",
    )
    parser.add_argument("--shares", nargs="+", type=float, default=[0.01, 0.1, 1.0], help="of the labels")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of trainings and draws")
    parser.add_argument(
        "--lengths",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help="of a training for each share, in epochs or iterations as the config counts (default: the config's for "
        "all labels; updates fall as the root of the share)",
    )
    add_running_options(parser, "work_dirs/compare_pretraining", foreseen=False)
    add_cfg_options(parser)
    args = parser.parse_args()
    starts: dict[str, str | None] = {}
    for word in args.starts:
        name, _, path = word.partition("=")
        if name in starts or "/" in name or not (path or name == RANDOM):
            raise ValueError(f"--starts {word}: write NAME=CHECKPOINT with different names without a slash, or random")
        starts[name] = str(Path(path).absolute()) if path else None
    study = LabelStudy(
        args.out_dir.absolute(),
        args.config,
        str(Path(args.data_root).absolute()),
        starts,
        tuple(args.shares),
        tuple(args.seeds),
        tuple(args.lengths),
        args.cfg_options,
        tuple(args.classes),
    )
    run_study(study, running_of(args))
    scores = collect(study)
    if not scores:
        raise SystemExit("nothing is done yet")
    print(table(study, scores))
    print(*write_results(study, scores), sep="\n")


if __name__ == "__main__":
    run(main)
