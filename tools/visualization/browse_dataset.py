"""Draws what a config's pipeline really feeds the model, after augmentation, as contact sheets.

python tools/visualization/browse_dataset.py configs/pretrain/mirl_vits54_in1k.py --data-root data/imagenet
python tools/visualization/browse_dataset.py configs/det/mirl_vitb48_coco.py --num-images 6 --repeats 4 --out-dir seen
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from mirl_mm.cli import Parser, run
from mirl_mm.datasets import preflight
from mirl_mm.datasets.randomness import seeded, seeded_index
from mirl_mm.engine.cli import add_cfg_options, add_data_options, set_data
from mirl_mm.engine.launch import load_config
from mirl_mm.inference.output_files import picture_paths
from mirl_mm.outputs import Outputs, keep_apart
from mirl_mm.progress import progress
from mirl_mm.text import counted
from mirl_mm.visualization.contact_sheet import Entry, contact_sheet
from mirl_mm.visualization.png import encode_png
from mirl_mm.visualization.samples import Looks, Picture, draw_sample, legend_of


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="config file")
    parser.add_argument("--out-dir", type=Path, default=Path("browse"), help="where the pictures go")
    add_data_options(parser)
    parser.add_argument("--split", choices=["train", "val", "test"], default="train", help="whose pipeline")
    parser.add_argument("--num-images", type=int, default=16, help="images, evenly spread over the data set")
    parser.add_argument("--repeats", type=int, default=1, help="draws of each image, as in so many epochs")
    parser.add_argument("--columns", type=int, help="pictures in a row (default: the draws of an image, or 4)")
    parser.add_argument("--per-sheet", type=int, default=16, help="pictures in a file, about")
    parser.add_argument("--side", type=int, default=384, help="longer side of a picture in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the augmentation")
    add_cfg_options(parser)
    args = parser.parse_args()
    for name in ("num_images", "repeats", "columns", "per_sheet", "side"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    columns = args.columns or (args.repeats if args.repeats > 1 else 4)
    per_sheet = max(args.per_sheet // columns, 1) * columns
    cfg = load_config(args.config, args.cfg_options)
    if args.data_root:
        keep_apart(args.out_dir, [Path(args.data_root, "*")])
    set_data(cfg, args, args.out_dir / "data", [f"{args.split}_dataloader"])
    name = f"{args.split}_dataloader"
    if not cfg.get(name):
        raise ValueError(f"the config has no {name}: choose another --split")
    preflight({name: cfg[name]})
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mirl_mm")):
        dataset = DATASETS.build(cfg[name].dataset)
    number = min(args.num_images, len(dataset))
    indices = [i * len(dataset) // number for i in range(number)]
    paths = picture_paths(args.out_dir, args.split, len(indices) * args.repeats, per_sheet)
    files = Outputs("browse_dataset", dict.fromkeys(paths, ""), [dataset.get_data_info(i)["img_path"] for i in indices])
    looks = looks_of(cfg, dataset)
    pictures = list(draw_pictures(dataset, indices, looks, args))
    title = f"{Path(args.config).stem}, {args.split}, {counted(len(dataset), 'image')}"
    for path, start in zip(paths, range(0, len(pictures), per_sheet), strict=True):
        shown = pictures[start : start + per_sheet]
        entries = [Entry(np.ascontiguousarray(each.image), each.caption, []) for each in shown]
        legend = legend_of((label for each in shown for label in each.labels), looks)
        sheet = contact_sheet(entries, columns, title, args.side, legend)
        files.put(path, encode_png(sheet))
        print(path)


def looks_of(cfg: Config, dataset: Any) -> Looks:
    """What the config says about its pictures."""
    model = cfg.get("model", {})
    patch = model.get("backbone", {}).get("patch_size", 16)
    meta = getattr(dataset, "metainfo", None) or {}
    return Looks(
        tuple(meta.get("classes") or ()),
        bool(model.get("data_preprocessor", {}).get("bgr_to_rgb", False)),
        (patch, patch) if isinstance(patch, int) else tuple(patch),
        model.get("mask_ratio", 0.75),
        palette=meta.get("palette") or (),
    )


def draw_pictures(dataset: Any, indices: list[int], looks: Looks, args: argparse.Namespace) -> Iterator[Picture]:
    """The pictures, all draws of an image side by side, with file names in their captions."""
    for index in progress(indices, "drawing"):
        for repeat in range(args.repeats):
            with seeded(seeded_index(args.seed, repeat, index).seed):
                sample = dataset[index]
            picture = draw_sample(sample, looks, args.side)
            info = sample.get("data_samples")
            path = info.get("img_path", "") if info is not None else ""
            yield picture._replace(caption=f"{Path(path).name}: {picture.caption}") if path else picture


if __name__ == "__main__":
    run(main)
