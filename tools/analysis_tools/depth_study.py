"""Asks whether depth helps: MIRL and MAE at several depths and seeds, pre-trained, probed and fine-tuned.

Runs a grid of configs/study on FOLDER (train/ and val/, each of class folders): says first how long it takes and what
fits into --budget, does the most valuable first, one process for each core or GPU, and goes on after a stop with the
same command. Writes tables.md (means, standard errors, paired differences), numbers.csv (each number and the log
that has it), depths.png and blocks.png, also while it runs by another call with --collect.

python tools/analysis_tools/depth_study.py --data-root FOLDER --out-dir work_dirs/depth_study --budget 12
python tools/analysis_tools/depth_study.py --data-root FOLDER --out-dir work_dirs/depth_study --plan
python tools/analysis_tools/depth_study.py --data-root FOLDER --depths 24 48 --seeds 0 1 2 --methods mirl mae mirl-2seg
python tools/analysis_tools/depth_study.py --data-root FOLDER --variant mirl-half-masked mirl model.mask_ratio=0.5
"""

from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.studies.cli import add_running_options, pairs, running_of
from mirl_mm.studies.depth import METHODS, DepthStudy, variant
from mirl_mm.studies.depth_results import collect, tables, write_results
from mirl_mm.studies.expecting import expect
from mirl_mm.studies.study import run_study


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--data-root", required=True, help="folder with train/ and val/, each of class folders")
    parser.add_argument("--methods", nargs="+", default=["mirl", "mae"], metavar="NAME", help=", ".join(METHODS))
    parser.add_argument(
        "--variant",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME METHOD", "KEY=VALUE"),
        help="a further method, NAME: METHOD pre-trained with other settings; may be given more than once",
    )
    parser.add_argument("--depths", nargs="+", type=int, default=[24, 12, 48], help="in blocks, the first comes first")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="likewise")
    parser.add_argument("--width", type=int, choices=[96, 192], default=96, help="96 for CPUs, 192 for a GPU")
    parser.add_argument("--epochs", type=int, help="of pre-training (default: the configs')")
    parser.add_argument("--finetune-epochs", type=int, help="of fine-tuning (default: the configs')")
    parser.add_argument("--no-finetune", action="store_true", help="probe frozen features only")
    parser.add_argument(
        "--probe-depths", nargs="+", default=["all"], help="'all', or numbers, up to each encoder's depth"
    )
    add_running_options(parser, "work_dirs/depth_study")
    args = parser.parse_args()
    if short := [words for words in args.variant if len(words) < 3]:
        raise ValueError(f"--variant {' '.join(short[0])}: write NAME METHOD KEY=VALUE")
    names = [words[0] for words in args.variant]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"--variant {twice[0]} is given twice: give each a name of its own")
    variants = {
        name: variant(name, method, pairs(f"--variant {name} {method}", words)) for name, method, *words in args.variant
    }
    study = DepthStudy(
        args.out_dir.absolute(),
        str(Path(args.data_root).absolute()),
        (*args.methods, *(name for name in variants if name not in args.methods)),
        tuple(args.depths),
        tuple(args.seeds),
        args.width,
        (args.epochs, args.finetune_epochs),
        not args.no_finetune,
        pairs("--cfg-options", args.cfg_options),
        tuple(args.probe_depths),
        variants,
    )
    run_study(study, running_of(args), lambda: expect(study))
    numbers = collect(study)
    if not numbers:
        raise SystemExit("nothing is done yet")
    print(tables(study, numbers))
    print(*write_results(study, numbers), sep="\n")


if __name__ == "__main__":
    run(main)
