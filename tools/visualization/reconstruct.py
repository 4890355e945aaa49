"""Draws what a pre-trained model makes of masked images: original, masked, and for each pair main, residual and sum.

python tools/visualization/reconstruct.py work_dirs/x/epoch_800.pth photos/ --out-dir work_dirs/x/reconstructions
python tools/visualization/reconstruct.py work_dirs/x/epoch_800.pth 'photos/**/*.jpg' --num-images 16
"""

import argparse
from pathlib import Path

from mirl_mm.apis.base import picture_paths
from mirl_mm.apis.inputs import expand
from mirl_mm.apis.reconstruct import ReconstructInferencer
from mirl_mm.cli import HelpFormatter
from mirl_mm.datasets import CorruptImageError
from mirl_mm.visualization.reconstruction import caption


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("checkpoint", help="of tools/train.py, with a config of configs/pretrain")
    parser.add_argument("images", nargs="+", help="files, folders or globs")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--out-dir", type=Path, default="reconstructions", help="where the pictures go")
    parser.add_argument("--num-images", type=int, default=32, help="take at most so many, evenly spread; 0: all")
    parser.add_argument("--rows", type=int, default=8, help="images in a picture")
    parser.add_argument("--seed", type=int, default=0, help="of the masks")
    parser.add_argument("--mask-ratio", type=float, help="share of masked patches (default: the config's)")
    parser.add_argument("--show-untrained", action="store_true", help="predictions at visible patches, too")
    parser.add_argument("--batch-size", type=int, default=8, help="images at a time in the model")
    parser.add_argument("--device", help="such as cuda:0 (default: the accelerator if there is one)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    try:
        images = expand(args.images)
        chosen = _spread(images, args.num_images)
        infer = ReconstructInferencer(
            args.config or args.checkpoint,
            args.checkpoint if args.config else None,
            device=args.device,
            mask_ratio=args.mask_ratio,
            show_progress=len(chosen) > args.batch_size,
        )
        result = infer(
            chosen,
            batch_size=args.batch_size,
            seed=args.seed,
            paste_visible=not args.show_untrained,
            out_dir=args.out_dir,
            rows=args.rows,
        )
    except (OSError, ValueError, CorruptImageError) as error:
        raise SystemExit(f"error: {error}") from error
    predictions = result["predictions"]
    means = {
        name: sum(item["losses"][name] for item in predictions) / len(predictions) for name in predictions[0]["losses"]
    }
    print(f"{len(chosen)} of {len(images)} images; mean loss: {', '.join(f'{k} {v:.4f}' for k, v in means.items())}")
    print(caption(infer.model.norm_target, not args.show_untrained))
    for path in picture_paths(args.out_dir, "reconstruction", len(chosen), args.rows):
        print(path)


def _spread(images: list, most: int) -> list:
    """At most so many of the images, evenly over the list."""
    if most <= 0 or most >= len(images):
        return images
    return [images[i * len(images) // most] for i in range(most)]


if __name__ == "__main__":
    main()
