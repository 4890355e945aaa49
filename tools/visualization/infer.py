"""Runs a trained model on images, draws what it found and writes it down.

python tools/visualization/infer.py work_dirs/cls/mirl_vitb48_in1k/epoch_60.pth photos/ --out-dir found
python tools/visualization/infer.py work_dirs/x/epoch_10.pth 'photos/**/*.jpg' --top-k 3 --json labels.json
"""

import argparse
import json
from pathlib import Path

from mirl_mm.apis import ClassifyInferencer
from mirl_mm.apis.base import picture_paths
from mirl_mm.apis.inputs import expand
from mirl_mm.cli import HelpFormatter
from mirl_mm.datasets import CorruptImageError
from mirl_mm.engine.file_backend import AtomicLocalBackend

_PRINTED = 20


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("checkpoint", help="of tools/train.py, with a config of configs/cls")
    parser.add_argument("images", nargs="+", help="files, folders or globs")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--out-dir", type=Path, help="draw pictures into this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the predictions to this file")
    parser.add_argument("--top-k", type=int, default=5, help="classes listed for an image")
    parser.add_argument("--batch-size", type=int, default=8, help="images at a time in the model")
    parser.add_argument("--device", help="such as cuda:0 (default: the accelerator if there is one)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    try:
        images = expand(args.images)
        infer = ClassifyInferencer(
            args.config or args.checkpoint,
            args.checkpoint if args.config else None,
            device=args.device,
            show_progress=len(images) > args.batch_size,
        )
        predictions = infer(images, batch_size=args.batch_size, top_k=args.top_k, out_dir=args.out_dir)["predictions"]
        if args.json:
            AtomicLocalBackend().put_text(json.dumps(predictions, indent=1), args.json)
    except (OSError, ValueError, CorruptImageError) as error:
        raise SystemExit(f"error: {error}") from error
    for item in predictions[:_PRINTED]:
        print(item["img_path"], ", ".join(f"{top['name']} {top['score']:.1%}" for top in item["top"]), sep=": ")
    if len(predictions) > _PRINTED:
        print(f"... and {len(predictions) - _PRINTED} more" + ("" if args.json else "; --json FILE writes all"))
    for path in picture_paths(args.out_dir, "classes", len(images), 16) if args.out_dir else ():
        print(path)


if __name__ == "__main__":
    main()
