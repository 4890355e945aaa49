"""What tools/visualization/infer.py does with each kind of model."""

import argparse
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mirl_mm.file_backend import AtomicLocalBackend
from mirl_mm.text import counted
from mirl_mm.visualization.reconstruction import caption

from .base import ImageInferencer
from .classify import ClassifyInferencer
from .detect import DetectInferencer
from .detections import CocoIds, coco_results
from .features import FeatureInferencer
from .pictures import image_paths, picture_paths
from .reconstruct import ReconstructInferencer
from .segment import SegmentInferencer

_PER_PICTURE = 16  # images of a contact sheet


class Outcome(NamedTuple):
    """What a command has to say.

    Attributes:
        lines: One for each image.
        notes: About all of them.
        files: Pictures that were written.
        failed: Why images were left out.
    """

    lines: Sequence[str]
    notes: Sequence[str] = ()
    files: Sequence[Path] = ()
    failed: Sequence[str] = ()


class Command(NamedTuple):
    """A kind of model.

    Attributes:
        inferencer: Its class.
        batch_size: Images at a time, by default.
        run: Takes the arguments, completed by defaults, and the images.
    """

    inferencer: type[ImageInferencer]
    batch_size: int
    run: Callable[[argparse.Namespace, list[str]], Outcome]


def build(kind: Callable[..., Any], args: argparse.Namespace, images: Sequence[str], **own: Any) -> Any:
    """An inferencer from the arguments that all have; a bar shows if there are several batches."""
    return kind(
        args.config or args.checkpoint,
        args.checkpoint if args.config else None,
        device=args.device,
        show_progress=len(images) > args.batch_size,
        **own,
    )


class Done(NamedTuple):
    """What an inferencer gave: predictions, the images that they are of, and why others were left out."""

    predictions: list[dict]
    images: list[str]
    failed: list[str]


def run_on(infer: Any, images: list[str], **settings: Any) -> Done:
    """Run an inferencer on all images that it can read."""
    result = infer(images, on_error="skip", **settings)
    kept = [image for i, image in enumerate(images) if i not in result["failed"]]
    return Done(result["predictions"], kept, list(result["failed"].values()))


def write_json(path: Path | None, content: Any) -> None:
    """Write a file, if one is wanted."""
    if path:
        AtomicLocalBackend().put_text(json.dumps(content, indent=1), path)


def classify(args: argparse.Namespace, images: list[str]) -> Outcome:
    """Label images."""
    infer = build(ClassifyInferencer, args, images)
    settings = {"batch_size": args.batch_size, "out_dir": args.out_dir, "keep_pictures": False}
    predictions, images, failed = run_on(infer, images, top_k=args.top_k, per_sheet=_PER_PICTURE, **settings)
    write_json(args.json, predictions)
    lines = [
        f"{item['img_path']}: " + ", ".join(f"{top['name']} {top['score']:.1%}" for top in item["top"])
        for item in predictions
    ]
    files = picture_paths(args.out_dir, "classes", len(images), _PER_PICTURE) if args.out_dir else []
    return Outcome(lines, files=files, failed=failed)


def detect(args: argparse.Namespace, images: list[str]) -> Outcome:
    """Find objects."""
    ids = CocoIds.read(args.annotations) if args.annotations else None
    if ids:
        for image in images:
            ids.image_id(image)  # refuses unknown images before the long work
    infer = build(DetectInferencer, args, images, tta=args.tta)
    settings = {"batch_size": args.batch_size, "out_dir": args.out_dir, "keep_pictures": False, "plain": True}
    predictions, images, failed = run_on(infer, images, score_thr=args.score_thr, **settings)
    write_json(args.json, predictions)
    if ids:
        write_json(args.coco_results, coco_results(predictions, ids))
    lines = []
    for item in predictions:
        named = [f"{name} {score:.2f}" for name, score in zip(item["names"], item["scores"], strict=True)]
        lines.append(f"{item['img_path']}: {_some(named) or 'nothing'}")
    return Outcome(lines, files=image_paths(args.out_dir, images) if args.out_dir else [], failed=failed)


def segment(args: argparse.Namespace, images: list[str]) -> Outcome:
    """Label pixels."""
    infer = build(SegmentInferencer, args, images, tta=args.tta)
    predictions, images, failed = run_on(
        infer,
        images,
        batch_size=args.batch_size,
        out_dir=args.out_dir,
        keep_pictures=False,
        plain=True,
        tile=args.tile,
        overlap=args.overlap,
        mask_dir=args.masks,
        truth=args.truth,
        opacity=args.opacity,
    )
    write_json(args.json, predictions)
    lines = []
    for item in predictions:
        named = [f"{name} {share:.1%}" for name, share in zip(item["names"], item["shares"], strict=True)]
        score = f"; mean IoU {item['mean_iou']:.2f}" if item.get("mean_iou") is not None else ""
        lines.append(f"{item['img_path']}: {_some(named)}{score}")
    notes = [f"masks in {args.masks}: {infer.rules}"] if args.masks else []
    return Outcome(lines, notes, image_paths(args.out_dir, images) if args.out_dir else [], failed)


def reconstruct(args: argparse.Namespace, images: list[str]) -> Outcome:
    """Reconstruct masked images."""
    infer = build(ReconstructInferencer, args, images, mask_ratio=args.mask_ratio)
    predictions, images, failed = run_on(
        infer,
        images,
        batch_size=args.batch_size,
        out_dir=args.out_dir,
        draw=False,
        keep_pictures=False,
        plain=True,
        seed=args.seed,
        paste_visible=not args.show_untrained,
        rows=args.rows,
    )
    write_json(args.json, predictions)
    lines = [f"{item['img_path']}: {_losses(item['losses'])}" for item in predictions]
    means = {name: float(np.mean([item["losses"][name] for item in predictions])) for name in predictions[0]["losses"]}
    notes = [f"{counted(len(images), 'image')}; mean loss: {_losses(means)}"]
    notes.append(caption(infer.model.norm_target, not args.show_untrained))
    files = picture_paths(args.out_dir, "reconstruction", len(images), args.rows) if args.out_dir else []
    return Outcome(lines, notes, files, failed)


def features(args: argparse.Namespace, images: list[str]) -> Outcome:
    """Write features into a NumPy file: ``paths``, and ``depth_<number>`` with a row for each image."""
    infer = build(FeatureInferencer, args, images)
    settings = {"batch_size": args.batch_size, "depths": args.depths, "pool": args.pool}
    predictions, images, failed = run_on(infer, images, **settings)
    depths = predictions[0]["features"]
    arrays = {f"depth_{depth}": np.stack([item["features"][depth] for item in predictions]) for depth in depths}
    buffer = io.BytesIO()
    np.savez(buffer, paths=np.array(images), **arrays)  # type: ignore[arg-type]  # NumPy's stub takes them for options
    AtomicLocalBackend().put(buffer.getvalue(), args.features)
    return Outcome([f"{args.features}: {name} {array.shape}" for name, array in arrays.items()], failed=failed)


COMMANDS = {
    "classifiers": Command(ClassifyInferencer, 8, classify),
    "detectors": Command(DetectInferencer, 1, detect),
    "segmentors": Command(SegmentInferencer, 1, segment),
    "pre-trained models": Command(ReconstructInferencer, 8, reconstruct),
    "features": Command(FeatureInferencer, 8, features),
}


def _losses(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in losses.items())


def _some(named: list[str]) -> str:
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return ", ".join(named[:5]) + more
