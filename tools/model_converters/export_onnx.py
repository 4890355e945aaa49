"""Writes a checkpoint's backbone or classifier as ONNX, after comparing it with ours in onnxruntime.

python tools/model_converters/export_onnx.py work_dirs/x/epoch_100.pth classifier.onnx
python tools/model_converters/export_onnx.py work_dirs/x/epoch_800.pth backbone.onnx --features 11 23 35 47
python tools/model_converters/export_onnx.py work_dirs/x/epoch_800.pth embed.onnx --part backbone --kind mean

Images are normalised as in training; the batch is free, height and width are fixed.
"""

from mirl_mm.cli import Parser, run
from mirl_mm.export import open_source
from mirl_mm.export.compare import TOLERANCE
from mirl_mm.export.onnx import KINDS, PARTS, export_onnx
from mirl_mm.outputs import check_not_input


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument("out", help="file to write, .onnx")
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="default: classifier if there is one, else backbone; of a detector or segmentor there is backbone only",
    )
    parser.add_argument(
        "--features",
        nargs="+",
        type=int,
        default=[-1],
        metavar="BLOCK",
        help="backbone: blocks after which features are given, from 0, or negative from the end (default: the last)",
    )
    parser.add_argument("--kind", choices=KINDS, default="map", help="backbone: what is given after those blocks")
    parser.add_argument("--img-size", nargs=2, type=int, metavar=("H", "W"), help="default: that of training")
    parser.add_argument(
        "--weights",
        choices=["model", "ema", "raw"],
        default="model",
        help="as in export_weights.py",
    )
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="largest difference as a share of the largest value",
    )
    args = parser.parse_args()
    check_not_input(args.out, [args.checkpoint, args.weights, args.config])
    source = open_source(args.checkpoint, args.weights, args.config)
    size = None if args.img_size is None else tuple(args.img_size)
    done = export_onnx(source, args.out, args.part, args.features, args.kind, size, args.tolerance)
    print(f"{done.path} ({done.path.stat().st_size / 1e6:.1f} MB), weights: {source.weights}")
    if source.heads:
        print(f"the backbone alone: {', '.join(source.heads)} of the {source.model.type} are not in the file")
    for word, table in (("input", done.inputs), ("output", done.outputs)):
        for name, shape in table.items():
            print(f"{word} {name}: {shape}")
    for batch, difference in done.differences.items():
        print(f"onnxruntime differs by at most {difference:.1e} of the largest value (random images, batch of {batch})")


if __name__ == "__main__":
    run(main)
