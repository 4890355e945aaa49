"""Measures and plots how good an encoder's frozen features are after each block: the degradation of deep ViTs.

For each checkpoint and depth, a k-NN and a linear classifier on FOLDER/train are tried on FOLDER/val (class folders).
Writes OUT/depth_probe.json and OUT/depth_probe.png. What was killed goes on from the last finished depth.

python tools/analysis_tools/depth_probe.py work_dirs/mirl/epoch_800.pth work_dirs/mae/epoch_800.pth \
    --labels MIRL MAE --random --data-root FOLDER --out-dir work_dirs/depth_probe
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from mmengine.device import get_device

from mirl_mm.cli import Parser, run
from mirl_mm.file_backend import write_file
from mirl_mm.outputs import keep_apart
from mirl_mm.probing.depth_plot import DepthCurve, plot_depth
from mirl_mm.probing.depth_probe import DepthProbe, ProbeSettings, segment_borders
from mirl_mm.probing.encoder import FrozenEncoder, architecture, load_encoder, random_encoder
from mirl_mm.probing.features import POOLS, check_depths
from mirl_mm.probing.labelled_images import labelled_splits
from mirl_mm.probing.linear_probe import L2_GRID
from mirl_mm.visualization.curves import save_figure


def encoders(args: argparse.Namespace) -> list[FrozenEncoder]:
    """The checkpoints' encoders, then one with random weights for each architecture among them."""
    configs = args.configs or [None] * len(args.checkpoints)
    given = [load_encoder(*parts) for parts in zip(args.checkpoints, configs, args.labels, strict=True)]
    if not args.random:
        return given
    first = {architecture(encoder): index for index, encoder in reversed(list(enumerate(given)))}
    for index in sorted(first.values()):
        name = "random weights" + (f" ({args.labels[index]})" if len(first) > 1 else "")
        given.append(random_encoder(args.checkpoints[index], configs[index], name, args.seed))
    return given


def chosen_depths(given: list[str], encoder: FrozenEncoder, segments: int | None) -> list[int]:
    """The depths that the command line means for an encoder."""
    depth = encoder.backbone.depth
    if given == ["all"]:
        return list(range(depth + 1))
    if given == ["segments"]:
        count = encoder.segments or segments
        if count is None or depth % count:
            raise ValueError(
                f"--depths segments: {encoder.name} was trained without segments"
                + (f", and {count} do not divide its {depth} blocks" if count else ", as all the others")
                + ": name the depths by numbers"
            )
        return segment_borders(depth, count)
    try:
        return check_depths([int(number) for number in given], depth)
    except ValueError as error:
        raise ValueError(f"--depths {' '.join(given)}, {encoder.name}: {error}") from error


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("checkpoints", nargs="+", help="of pre-training, of a classifier, or of another code base")
    parser.add_argument("--data-root", required=True, help="folder with train/ and val/, each of class folders")
    parser.add_argument("--labels", nargs="+", help="names of the checkpoints (default: their paths)")
    parser.add_argument("--configs", nargs="+", help="config files, one for each, where checkpoints do not hold them")
    parser.add_argument("--random", action="store_true", help="also random weights, for each architecture")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--depths", nargs="+", default=["all"], help="'all', 'segments' (their ends), or numbers")
    parser.add_argument("--out-dir", type=Path, default="depth_probe", help="folder for depth_probe.json and .png")
    parser.add_argument("--title", default="", help="of the plot (default: how many images were used)")
    parser.add_argument("--pool", choices=POOLS, default="avg", help="mean of the patch tokens, or the class token")
    parser.add_argument("--final-norm", action="store_true", help="the encoder's last norm at the full depth")
    parser.add_argument("-k", type=int, default=20, help="neighbours that vote")
    parser.add_argument("--temperature", type=float, default=0.07, help="of the votes")
    parser.add_argument("--l2", type=float, nargs="+", default=list(L2_GRID), help="penalties to choose from")
    parser.add_argument("--num-train", type=int, default=0, help="training images at most, evenly spread; 0: all")
    parser.add_argument("--num-val", type=int, default=0, help="validation images at most; 0: all")
    parser.add_argument("--batch-size", type=int, default=64, help="images at a time in the encoder")
    parser.add_argument("--workers", type=int, default=2, help="processes that load images")
    parser.add_argument(
        "--dtype", choices=["float32", "float16", "bfloat16"], default="float32", help="features kept in"
    )
    parser.add_argument("--amp", action="store_true", help="run the encoder in bfloat16")
    parser.add_argument("--memory", type=float, default=16, help="GiB of features held; more depths take more passes")
    parser.add_argument("--device", default=get_device(), help="where to compute")
    args = parser.parse_args()
    args.labels = args.labels or args.checkpoints
    if len(set(args.labels)) != len(args.checkpoints):
        parser.error(f"{len(args.checkpoints)} checkpoints need as many different labels, got {args.labels}")
    if args.configs and len(args.configs) != len(args.checkpoints):
        parser.error(f"{len(args.checkpoints)} checkpoints need as many configs, got {len(args.configs)}")
    settings = ProbeSettings(args.pool, args.final_norm, args.k, args.temperature, tuple(args.l2), args.dtype, args.amp)
    memory = int(args.memory * 2**30)
    probe = DepthProbe(settings, args.out_dir / "cache", args.batch_size, args.workers, memory)
    curves, records = [], []
    keep_apart(args.out_dir, [Path(args.data_root, "*")])
    judged = encoders(args)
    segments = next((encoder.segments for encoder in judged if encoder.segments), None)
    plan = [(encoder, chosen_depths(args.depths, encoder, segments)) for encoder in judged]
    limits = (args.num_train, args.num_val)
    images = [labelled_splits(args.data_root, encoder.pipeline, limits) for encoder in judged]
    paths = [*args.checkpoints, *[None] * (len(judged) - len(args.checkpoints))]
    for path, (encoder, depths), pair in zip(paths, plan, images, strict=True):
        figures = probe.run(encoder.to(args.device), *pair, depths)
        encoder.to("cpu")
        curves.append(DepthCurve(encoder.name, figures, encoder.backbone.depth, baseline=path is None))
        about = {"name": encoder.name, "checkpoint": path, "progress": encoder.progress}
        about |= {"blocks": encoder.backbone.depth, "segments": encoder.segments}
        about |= {"pipeline": [str(step) for step in encoder.pipeline], "depths": figures}
        records.append(about | {"images": [len(part) for part in pair]})
    borders = next((segment_borders(e.backbone.depth, e.segments) for e in judged if e.segments), [])
    content = {"settings": {**asdict(settings), "data_root": args.data_root, "seed": args.seed}, "encoders": records}
    write_file(args.out_dir / "depth_probe.json", json.dumps(content, indent=2))
    title = args.title or f"Frozen features: {len(images[0][0]):,} training, {len(images[0][1]):,} validation images"
    save_figure(args.out_dir / "depth_probe.png", plot_depth(curves, borders, title))
    for curve in curves:
        print(f"{curve.name}\n{'blocks':>8}{'k-NN':>8}{'linear':>8}  top-1 in percent")
        for depth, figures in curve.figures.items():
            print(f"{depth:>8}{figures['knn_top1']:>8.2f}{figures['linear_top1']:>8.2f}")
    print(args.out_dir / "depth_probe.json", args.out_dir / "depth_probe.png", sep="\n")


if __name__ == "__main__":
    run(main)
