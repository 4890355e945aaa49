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

from mirl_mm.apis.commands import COMMANDS
from mirl_mm.apis.dispatch import inferencer_for
from mirl_mm.apis.inputs import expand, given_folders
from mirl_mm.cli import HelpFormatter, print_any_name
from mirl_mm.datasets import CorruptImageError
from mirl_mm.outputs import check_not_input, keep_apart
from mirl_mm.text import counted

_PRINTED = 20
_FILE: dict[str, Any] = {"type": Path, "metavar": "FILE"}
_FLAG: dict[str, Any] = {"action": "store_true", "default": None}
#: Options that not all kinds of models have: the kinds, the option, what argparse needs, the default.
_OPTIONS: tuple[tuple[tuple[str, ...], str, dict[str, Any], Any], ...] = (
    (("classifiers",), "--top-k", {"type": int, "help": "classes listed for an image"}, 5),
    (("detectors",), "--score-thr", {"type": float, "help": "least score of an object, 0..1"}, 0.3),
    (("detectors",), "--coco-results", {**_FILE, "help": "write the objects in COCO's results format"}, None),
    (("detectors",), "--annotations", {"metavar": "FILE", "help": "COCO file whose ids --coco-results takes"}, None),
    (
        ("segmentors",),
        "--tile",
        {"type": int, "nargs": 2, "metavar": ("H", "W"), "help": "cut images, in their own pixels, into such tiles"},
        None,
    ),
    (("segmentors",), "--overlap", {"type": int, "help": "of tiles, in pixels (default: a quarter of a tile)"}, None),
    (("segmentors",), "--masks", {"type": Path, "metavar": "DIR", "help": "write index masks into this folder"}, None),
    (("segmentors",), "--truth", {"metavar": "DIR", "help": "true index masks with the images' names"}, None),
    (("segmentors",), "--opacity", {"type": float, "help": "of the classes' colours, 0..1"}, 0.6),
    (("detectors", "segmentors"), "--tta", {**_FLAG, "help": "test-time augmentation, as the config has it"}, False),
    (("pre-trained models",), "--rows", {"type": int, "help": "images in a picture"}, 8),
    (("pre-trained models",), "--seed", {"type": int, "help": "of the masks"}, 0),
    (
        ("pre-trained models",),
        "--mask-ratio",
        {"type": float, "help": "share of masked patches"},
        None,
    ),
    (("pre-trained models",), "--show-untrained", {**_FLAG, "help": "predictions at visible patches, too"}, False),
    (("features",), "--features", {**_FILE, "help": "write features of images to this .npz file, nothing else"}, None),
    (("features",), "--depths", {"type": int, "nargs": "+", "help": "numbers of blocks, negative from the end"}, [-1]),
    (("features",), "--pool", {"choices": ["avg", "token", "none"], "help": "mean, class token or all tokens"}, "avg"),
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument("images", nargs="+", help="files, folders or globs")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--out-dir", type=Path, help="draw pictures into this folder")
    parser.add_argument("--json", **_FILE, help="write the predictions to this file")
    parser.add_argument("--num-images", type=int, default=0, help="take at most so many, evenly spread (default: all)")
    parser.add_argument("--batch-size", type=int, help="images at a time (default: 8; 1 for detectors and segmentors)")
    parser.add_argument("--device", help="such as cuda:0 (default: the accelerator if there is one)")
    groups: dict[tuple[str, ...], Any] = {}
    for kinds, flag, settings, default in _OPTIONS:
        if kinds not in groups:
            groups[kinds] = parser.add_argument_group(" and ".join(kinds))
        note = f" (default: {default})" if default not in (None, False) else ""
        groups[kinds].add_argument(flag, **{**settings, "help": settings["help"] + note.replace("[-1]", "-1, all")})
    args = parser.parse_args()
    if (args.coco_results is None) != (args.annotations is None):
        parser.error("--coco-results and --annotations go together: the one has the ids of the other")
    if args.batch_size is not None and args.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, got {args.batch_size}")
    if args.features and (args.out_dir or args.json):
        parser.error("--features writes features only: leave out --out-dir and --json")
    return args


def main() -> None:
    args = parse_args()
    print_any_name()
    try:
        for place in filter(None, (args.out_dir, args.masks)):
            keep_apart(place, given_folders(args.images))
        images = spread(expand(args.images), args.num_images)
        for path in (args.json, args.coco_results, args.features):
            check_not_input(path, [*images, args.checkpoint, args.config, args.annotations])
        kind = kind_of(args)
        complete(args, kind)
        outcome = COMMANDS[kind].run(args, images)
    except (OSError, ValueError, ImportError, CorruptImageError) as error:
        raise SystemExit(f"error: {error}") from error
    print_some(outcome.lines, "" if args.json else "; --json FILE writes all")
    print(*outcome.notes, sep="\n", end="\n" if outcome.notes else "")
    print_some(list(map(str, outcome.files)), "")
    if outcome.failed:
        reasons = "\n".join(outcome.failed)
        raise SystemExit(f"error: {counted(len(outcome.failed), 'image')} left out:\n{reasons}")


def kind_of(args: argparse.Namespace) -> str:
    """Of the checkpoint's model."""
    if args.features:
        return "features"
    inferencer = inferencer_for(args.checkpoint, args.config)
    return next(kind for kind, command in COMMANDS.items() if command.inferencer is inferencer)


def complete(args: argparse.Namespace, kind: str) -> None:
    """Refuse options of other kinds, and fill in the defaults of this one's.

    Raises:
        ValueError: For an option that this kind doesn't have.
    """
    for kinds, flag, _, default in _OPTIONS:
        name = flag.strip("-").replace("-", "_")
        if kind not in kinds and getattr(args, name) is not None:
            raise ValueError(f"{flag} is for {' and '.join(kinds)} only: leave it out")
        if getattr(args, name) is None:
            setattr(args, name, default)
    args.batch_size = args.batch_size or COMMANDS[kind].batch_size


def spread(images: list, most: int) -> list:
    """At most so many of the images, evenly over the list; all for 0."""
    if most <= 0 or most >= len(images):
        return images
    return [images[i * len(images) // most] for i in range(most)]


def print_some(lines: list[str], remedy: str) -> None:
    print(*lines[:_PRINTED], sep="\n", end="\n" if lines else "")
    if len(lines) > _PRINTED:
        print(f"... and {len(lines) - _PRINTED} more{remedy}")


if __name__ == "__main__":
    main()
