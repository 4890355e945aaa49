"""Accuracy of a k-NN classifier on a checkpoint's frozen features (cosine similarity, k = 20, temperature 0.07).

FOLDER has train/ and val/, each with a sub-folder per class. Nothing is trained, and labels are used for voting alone.

python tools/analysis_tools/knn.py work_dirs/x/epoch_800.pth --data-root FOLDER
python tools/analysis_tools/knn.py work_dirs/x/epoch_800.pth --data-root FOLDER --random   # the same without training
"""

import json
from pathlib import Path

from mmengine.device import get_device

from mirl_mm.cli import Parser, run
from mirl_mm.file_backend import write_file
from mirl_mm.probing.encoder import load_encoder, random_encoder
from mirl_mm.probing.features import POOLS, extract_features, size_of
from mirl_mm.probing.knn import check_knn, knn_scores, topk_accuracy
from mirl_mm.probing.labelled_images import count_classes, labelled_splits


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("checkpoint", help="of pre-training, of a classifier, or of another code base")
    parser.add_argument("--data-root", required=True, help="folder with train/ and val/, each of class folders")
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--random", action="store_true", help="random weights in place of the checkpoint's")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--depth", type=int, help="blocks that are used (default: all, and the last norm)")
    parser.add_argument("--pool", choices=POOLS, default="avg", help="mean of the patch tokens, or the class token")
    parser.add_argument("-k", type=int, default=20, help="neighbours that vote")
    parser.add_argument("--temperature", type=float, default=0.07, help="of the votes")
    parser.add_argument("--num-train", type=int, default=0, help="training images at most, evenly spread; 0: all")
    parser.add_argument("--num-val", type=int, default=0, help="validation images at most; 0: all")
    parser.add_argument("--batch-size", type=int, default=64, help="images at a time in the encoder")
    parser.add_argument("--workers", type=int, default=2, help="processes that load images")
    parser.add_argument("--amp", action="store_true", help="run the encoder in bfloat16")
    parser.add_argument("--device", default=get_device(), help="where to compute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    args = parser.parse_args()
    build = random_encoder if args.random else load_encoder
    encoder = build(args.checkpoint, args.config, **({"seed": args.seed} if args.random else {}))
    depth = encoder.backbone.depth if args.depth is None else args.depth
    train, val = labelled_splits(args.data_root, encoder.pipeline, (args.num_train, args.num_val))
    check_knn(args.k, args.temperature, len(train))
    width, classes = encoder.backbone.embed_dims, count_classes(train, val)
    print(
        f"{len(train):,} training and {len(val):,} validation images of {classes} classes; features take "
        f"{size_of(len(train) + len(val), width) / 1e9:.2f} GB, comparing them "
        f"{2 * len(train) * len(val) * width / 1e12:.2f} TFLOP"
    )
    encoder.to(args.device)
    found = [
        extract_features(
            encoder,
            images,
            [depth],
            args.pool,
            final_norm=True,
            batch_size=args.batch_size,
            workers=args.workers,
            amp=args.amp,
            title=f"features, {split}",
        )
        for split, images in (("train", train), ("val", val))
    ]
    bank, queries = (features.by_depth[depth] for features in found)
    scores = knn_scores(
        bank, found[0].labels, queries, classes, args.k, args.temperature, args.device, title="neighbours"
    )
    figures = {"depth": depth, **{f"knn_top{k}": topk_accuracy(scores, found[1].labels, k) for k in (1, 5)}}
    if args.json:
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()}
        write_file(args.json, json.dumps({"settings": settings, **figures}, indent=2))
    name = "random weights" if args.random else args.checkpoint
    print(f"{name}, after {depth} blocks: k-NN top-1 {figures['knn_top1']:.2f} %, top-5 {figures['knn_top5']:.2f} %")


if __name__ == "__main__":
    run(main)
