"""Writes generated images with labels for classification, detection and segmentation.

python tools/dataset_converters/generate_shapes.py data/shapes --num-train 4000 --num-val 800 --size 128 128
"""

import argparse
import time
from pathlib import Path

from mirl_mm.cli import HelpFormatter
from mirl_mm.datasets.shapes import LAYOUTS, SceneStyle, generate


def parse_args() -> argparse.Namespace:
    default = SceneStyle()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("out_dir", type=Path, help="folder to create")
    parser.add_argument("--num-train", type=int, default=4000, help="number of training images")
    parser.add_argument("--num-val", type=int, default=800, help="number of validation images")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("H", "W"), help="pixels")
    parser.add_argument("--layouts", nargs="+", default=LAYOUTS, choices=LAYOUTS, help="what to write")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another data set")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    parser.add_argument("--overwrite", action="store_true", help="replace Shapes with other settings in out_dir")
    scene = parser.add_argument_group("scenes", "sizes are relative to the shorter side of the image")
    scene.add_argument("--max-objects", type=int, default=default.max_objects, help="most objects in an image")
    for name, what in (("subject", "the largest object"), ("distractor", "the other objects")):
        span = getattr(default, f"{name}_size")
        scene.add_argument(
            f"--{name}-size", type=float, nargs=2, default=span, metavar=("MIN", "MAX"), help=f"diameter of {what}"
        )
    scene.add_argument("--min-visible", type=float, default=default.min_visible, help="least visible share of each")
    scene.add_argument("--dominance", type=float, default=default.dominance, help="subject's area to the next one's")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    started = time.perf_counter()
    try:
        style = SceneStyle(
            args.max_objects,
            tuple(args.subject_size),
            tuple(args.distractor_size),
            args.min_visible,
            args.dominance,
        )
        generate(
            args.out_dir,
            num_train=args.num_train,
            num_val=args.num_val,
            size=tuple(args.size),
            layouts=args.layouts,
            seed=args.seed,
            style=style,
            workers=args.workers,
            overwrite=args.overwrite,
        )
    except (ValueError, FileExistsError) as error:
        raise SystemExit(f"error: {error}") from error
    print(
        f"{args.num_train} + {args.num_val} images, {', '.join(args.layouts)}: {args.out_dir} "
        f"({time.perf_counter() - started:.1f} s)"
    )


if __name__ == "__main__":
    main()
