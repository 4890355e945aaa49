r"""Runs a trained model on images, draws what it found and writes it down.

What it does depends on the checkpoint: labels of a classifier, objects of a detector, the class of each pixel of a
segmentor, reconstructions of a pre-trained model; --features takes any of them.

python tools/visualization/infer.py work_dirs/cls/mirl_vitb48_in1k/epoch_60.pth photos/ --top-k 3 --json labels.json
python tools/visualization/infer.py work_dirs/det/x/iter_100.pth 'photos/**/*.jpg' --score-thr 0.5 --out-dir found
python tools/visualization/infer.py work_dirs/det/x/iter_100.pth data/coco/val2017 \
    --coco-results results.json --annotations data/coco/annotations/instances_val2017.json
python tools/visualization/infer.py work_dirs/seg/x/iter_100.pth photos/ --out-dir segmented --masks masks
python tools/visualization/infer.py work_dirs/seg/x/iter_100.pth aerial.tif --tile 512 512 --masks masks
python tools/visualization/infer.py work_dirs/pretrain/x/epoch_800.pth photos/ --out-dir reconstructions
python tools/visualization/infer.py work_dirs/pretrain/x/epoch_800.pth photos/ --features features.npz --depths 12 24 -1
"""

import argparse
from pathlib import Path
from typing import Any

from mirl_mm.cli import Parser, run
from mirl_mm.inference.commands import Command, Flag
from mirl_mm.inference.dispatch import commands, inferencer_for
from mirl_mm.inference.inputs import expand, given_folders
from mirl_mm.outputs import check_not_input, keep_apart
from mirl_mm.text import counted

_PRINTED = 20
_FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}


def flags_of(kinds: list[Command]) -> dict[str, tuple[Flag, str]]:
    """Options that not all kinds have, by name, and whose they are."""
    flags = {flag.name: flag for kind in kinds for flag in kind.flags}
    return {name: (flag, " and ".join(k.models for k in kinds if flag in k.flags)) for name, flag in flags.items()}


def main() -> None:
    kinds = commands()
    parser = Parser(__doc__)
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument("images", nargs="+", help="files, folders or globs")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--out-dir", type=Path, help="draw pictures into this folder")
    parser.add_argument("--json", **_FILE, help="write the predictions to this file")
    parser.add_argument("--num-images", type=int, default=0, help="take at most so many, evenly spread (default: all)")
    parser.add_argument("--batch-size", type=int, help="images at a time (default: 8; 1 for detectors and segmentors)")
    parser.add_argument("--device", help="such as cuda:0 (default: the accelerator if there is one)")
    groups: dict[str, Any] = {}
    for flag, title in flags_of(kinds).values():
        groups[title] = groups.get(title) or parser.add_argument_group(title)
        shown = flag.default not in (None, False) and flag.settings.get("action") != "store_false"
        note = f" (default: {flag.default})".replace("[-1]", "-1, all") if shown else ""
        groups[title].add_argument(flag.name, **{**flag.settings, "help": flag.help + note})
    args = parser.parse_args()
    if args.batch_size is not None and args.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, got {args.batch_size}")
    for kind in kinds:
        if problem := kind.problem(args):
            parser.error(problem)
    paths = {
        role: [getattr(args, flag.dest) for flag, _ in flags_of(kinds).values() if flag.path == role]
        for role in ("folder", "writes", "reads")
    }
    for place in filter(None, (args.out_dir, *paths["folder"])):
        keep_apart(place, given_folders(args.images))
    images = expand(args.images)
    if 0 < args.num_images < len(images):
        images = [images[i * len(images) // args.num_images] for i in range(args.num_images)]
    for path in (args.json, *paths["writes"]):
        check_not_input(path, [*images, args.checkpoint, args.config, *paths["reads"]])
    asked = (kind for kind in kinds if kind.asked_by and getattr(args, kind.asked_by) is not None)
    if (kind := next(asked, None)) is None:  # then what the checkpoint's model is
        inferencer = inferencer_for(args.checkpoint, args.config)
        kind = next(each for each in kinds if each.inferencer is inferencer)
    complete(args, kind, kinds)
    outcome = kind.run(args, images)
    print_some(outcome.lines, "" if args.json else "; --json FILE writes all")
    print(*outcome.notes, sep="\n", end="\n" if outcome.notes else "")
    print_some(list(map(str, outcome.files)), "")
    if outcome.failed:
        reasons = "\n".join(outcome.failed)
        raise SystemExit(f"error: {counted(len(outcome.failed), 'image')} left out:\n{reasons}")


def complete(args: argparse.Namespace, chosen: Command, kinds: list[Command]) -> None:
    """Refuse options of other kinds, and fill in the defaults of this one's."""
    for flag, title in flags_of(kinds).values():
        if getattr(args, flag.dest) is None:
            setattr(args, flag.dest, flag.default)
        elif flag not in chosen.flags:
            raise ValueError(f"{flag.name} is for {title} only: leave it out")
    args.batch_size = args.batch_size or chosen.inferencer.batch_size


def print_some(lines: list[str], remedy: str) -> None:
    print(*lines[:_PRINTED], sep="\n", end="\n" if lines else "")
    if len(lines) > _PRINTED:
        print(f"... and {len(lines) - _PRINTED} more{remedy}")


if __name__ == "__main__":
    run(main)
