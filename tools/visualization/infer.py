r"""Runs a trained classifier or detector on images, draws what it found and writes it down.

python tools/visualization/infer.py work_dirs/cls/mirl_vitb48_in1k/epoch_60.pth photos/ --out-dir found
python tools/visualization/infer.py work_dirs/x/epoch_10.pth 'photos/**/*.jpg' --top-k 3 --json labels.json
python tools/visualization/infer.py work_dirs/det/x/iter_100.pth photos/ --score-thr 0.5 --out-dir found
python tools/visualization/infer.py work_dirs/det/x/iter_100.pth data/coco/val2017 \
    --coco-results results.json --annotations data/coco/annotations/instances_val2017.json
"""

import argparse
import json
from pathlib import Path

from mirl_mm.apis import ClassifyInferencer, DetectInferencer
from mirl_mm.apis.base import image_paths, picture_paths
from mirl_mm.apis.detections import CocoIds, coco_results
from mirl_mm.apis.dispatch import inferencer_for
from mirl_mm.apis.inputs import expand
from mirl_mm.datasets import CorruptImageError
from mirl_mm.file_backend import AtomicLocalBackend

_PRINTED = 20
#: Options of one kind of model, by the argument's name, with their defaults.
_CLASSIFIERS = {"top_k": 5}
_DETECTORS = {"score_thr": 0.3, "tta": False, "coco_results": None, "annotations": None}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="of tools/train.py, with a config of configs/cls or configs/det")
    parser.add_argument("images", nargs="+", help="files, folders or globs")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--out-dir", type=Path, help="draw pictures into this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the predictions to this file")
    parser.add_argument("--batch-size", type=int, help="images at a time (default: 8 for classifiers, 1 for detectors)")
    parser.add_argument("--device", help="such as cuda:0 (default: the accelerator if there is one)")
    group = parser.add_argument_group("classifiers")
    group.add_argument("--top-k", type=int, help="classes listed for an image (default: 5)")
    group = parser.add_argument_group("detectors")
    group.add_argument("--score-thr", type=float, help="least score of an object, 0..1 (default: 0.3)")
    group.add_argument("--tta", action="store_true", default=None, help="test-time augmentation, as the config has it")
    group.add_argument("--coco-results", type=Path, metavar="FILE", help="write the objects in COCO's results format")
    group.add_argument("--annotations", metavar="FILE", help="the COCO file whose ids --coco-results takes")
    args = parser.parse_args()
    if (args.coco_results is None) != (args.annotations is None):
        parser.error("--coco-results and --annotations go together: the one has the ids of the other")
    return args


def main() -> None:
    args = parse_args()
    try:
        images = expand(args.images)
        kind = inferencer_for(args.checkpoint, args.config)
        if kind is DetectInferencer:
            _only_for(args, _CLASSIFIERS, "classifiers", _DETECTORS)
            pictures = detect(args, images)
        else:
            _only_for(args, _DETECTORS, "detectors", _CLASSIFIERS)
            pictures = classify(args, images)
    except (OSError, ValueError, ImportError, CorruptImageError) as error:
        raise SystemExit(f"error: {error}") from error
    if args.out_dir:
        _print_some(list(map(str, pictures)), "")


def classify(args: argparse.Namespace, images: list[str]) -> list[Path]:
    """Label images; returns the pictures' files."""
    size = args.batch_size or 8
    infer = ClassifyInferencer(
        args.config or args.checkpoint,
        args.checkpoint if args.config else None,
        device=args.device,
        show_progress=len(images) > size,
    )
    predictions = infer(images, batch_size=size, top_k=args.top_k, out_dir=args.out_dir)["predictions"]
    _write(args.json, predictions)
    lines = [
        f"{item['img_path']}: " + ", ".join(f"{top['name']} {top['score']:.1%}" for top in item["top"])
        for item in predictions
    ]
    _print_some(lines, "" if args.json else "; --json FILE writes all")
    return picture_paths(args.out_dir, "classes", len(images), 16) if args.out_dir else []


def detect(args: argparse.Namespace, images: list[str]) -> list[Path]:
    """Find objects in images; returns the pictures' files."""
    ids = CocoIds.read(args.annotations) if args.annotations else None
    for image in images if ids else ():
        ids.image_id(image)
    size = args.batch_size or 1
    infer = DetectInferencer(
        args.config or args.checkpoint,
        args.checkpoint if args.config else None,
        device=args.device,
        tta=args.tta,
        show_progress=len(images) > size,
    )
    predictions = infer(
        images, batch_size=size, score_thr=args.score_thr, out_dir=args.out_dir, keep_pictures=False, plain=True
    )["predictions"]
    _write(args.json, predictions)
    if ids:
        _write(args.coco_results, coco_results(predictions, ids))
    _print_some([_objects(item) for item in predictions], "" if args.json else "; --json FILE writes all")
    return image_paths(args.out_dir, images) if args.out_dir else []


def _only_for(args: argparse.Namespace, others: dict, name: str, own: dict) -> None:
    """Refuse options of another kind of model, and fill in the defaults of this one's."""
    given = [f"--{key.replace('_', '-')}" for key in others if getattr(args, key) is not None]
    if given:
        raise ValueError(f"{', '.join(given)} is for {name} only: leave it out")
    for key, default in own.items():
        if getattr(args, key) is None:
            setattr(args, key, default)


def _objects(item: dict) -> str:
    named = [f"{name} {score:.2f}" for name, score in zip(item["names"], item["scores"], strict=True)]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"{item['img_path']}: {', '.join(named[:5]) or 'nothing'}{more}"


def _write(path: Path | None, content: list) -> None:
    if path:
        AtomicLocalBackend().put_text(json.dumps(content, indent=1), path)


def _print_some(lines: list[str], remedy: str) -> None:
    print(*lines[:_PRINTED], sep="\n")
    if len(lines) > _PRINTED:
        print(f"... and {len(lines) - _PRINTED} more{remedy}")


if __name__ == "__main__":
    main()
