"""Writes a checkpoint's weights for others: for timm, or for this package without the run that they come from.

python tools/model_converters/export_weights.py work_dirs/x/epoch_100.pth vit_base_48.safetensors
python tools/model_converters/export_weights.py work_dirs/x/epoch_800.pth backbone.safetensors --layout mirl

Files hold tensors and plain text only. What was written, and how to load it, is printed.
"""

import json

from mirl_mm.cli import Parser, run
from mirl_mm.export import export_weights, open_source
from mirl_mm.export.weights import PARTS
from mirl_mm.outputs import check_not_input


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument("out", help="file to write, .safetensors or .pth")
    parser.add_argument("--layout", choices=["timm", "mirl"], default="timm", help="whose names")
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="all: with the decoders of a pre-training or the heads of a detector (default: classifier if there is "
        "one, else backbone; detectors and segmentors have no default)",
    )
    parser.add_argument(
        "--weights",
        choices=["model", "ema", "raw"],
        default="model",
        help="model: the checkpoint's state_dict, which is the average (EMA) if one was kept; ema: the "
        "average, an error if there is none; raw: as trained, never the average",
    )
    parser.add_argument("--config", help="config file, where the checkpoint does not hold it")
    parser.add_argument("--hash", action="store_true", help="put 8 digits of the file's SHA-256 behind its name")
    args = parser.parse_args()
    check_not_input(args.out, [args.checkpoint, args.weights, args.config])
    source = open_source(args.checkpoint, args.weights, args.config)
    written = export_weights(source, args.out, args.layout, args.part, args.hash)
    size = written.path.stat().st_size / 1e6
    print(f"{written.path}: {written.metadata['part']}, {written.tensors} tensors, {written.parameters / 1e6:.1f} M")
    print(f"numbers, {size:.1f} MB, layout {args.layout}, from {written.metadata['source']}")
    print(f"weights: {source.weights}")
    path = str(written.path)
    if written.difference is None:
        cfg = f"init_cfg=dict(type='Pretrained', checkpoint={path!r}, prefix='backbone.')"
        print(f"load with --load-from, or in a config: {cfg} of the backbone")
        return
    options = json.loads(written.metadata["timm_arguments"])
    arguments = "".join(f", {key}={value!r}" for key, value in options.items())
    same = "exactly the same" if written.difference == 0 else f"the same within {written.difference:.1e} of the largest"
    print(f"timm's model gives {same}. Load with\nimport mirl_mm.timm, timm")
    print(f"timm.create_model({written.metadata['timm_model']!r}, checkpoint_path={path!r}{arguments})")
    print(f"or mirl_mm.timm.load({path!r})")


if __name__ == "__main__":
    run(main)
