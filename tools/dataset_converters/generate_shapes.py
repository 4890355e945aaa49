"""Writes generated images with labels for classification, detection and segmentation.

python tools/dataset_converters/generate_shapes.py data/shapes --num-train 4000 --num-val 800 --size 128 128
python tools/dataset_converters/generate_shapes.py data/shapes64 --size 64 64 --easy
python tools/dataset_converters/generate_shapes.py data/shapes4 --classes cross heart ring triangle
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from mirl_mm.cli import Parser, run
from mirl_mm.shapes import CLASSES, DEFAULT_STYLE, EASY_STYLE, LAYOUTS, generate

#: Options of a scene, fields of SceneStyle, with their help.
STYLE = {
    "max_objects": "most objects in an image",
    "subject_size": "diameter of the largest object",
    "distractor_size": "diameter of the other objects",
    "min_visible": "least visible share of each",
    "dominance": "subject's area to the next one's",
    "max_rotation": "degrees to either side; 180 is any angle",
}


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("out_dir", type=Path, help="folder to create")
    parser.add_argument("--num-train", type=int, default=4000, help="number of training images")
    parser.add_argument("--num-val", type=int, default=800, help="number of validation images")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("H", "W"), help="pixels")
    parser.add_argument("--layouts", nargs="+", default=LAYOUTS, choices=LAYOUTS, help="what to write")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another data set")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    parser.add_argument("--overwrite", action="store_true", help="replace Shapes with other settings in out_dir")
    parser.add_argument("--easy", action="store_true", help="few objects, large and upright: learnt in minutes")
    parser.add_argument("--classes", nargs="+", default=CLASSES, choices=CLASSES, help="shapes to draw")
    scene = parser.add_argument_group(
        "scenes", "sizes are relative to the shorter side of the image; the defaults are without --easy"
    )
    for name, what in STYLE.items():
        default = getattr(DEFAULT_STYLE, name)
        pair = {"nargs": 2, "metavar": ("MIN", "MAX")} if isinstance(default, tuple) else {}
        kind = int if isinstance(default, int) else float
        scene.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=argparse.SUPPRESS,
            help=f"{what} (default: {default})",
            **pair,
        )
    args = parser.parse_args()
    started = time.perf_counter()
    given = {name: getattr(args, name) for name in STYLE if hasattr(args, name)}
    style = replace(
        EASY_STYLE if args.easy else DEFAULT_STYLE,
        classes=tuple(name for name in CLASSES if name in args.classes),
        **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()},
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
    print(
        f"{args.num_train} + {args.num_val} images, {', '.join(args.layouts)}: {args.out_dir} "
        f"({time.perf_counter() - started:.1f} s)"
    )


if __name__ == "__main__":
    run(main)
