"""Brings weights of any origin into this package's layout.

python tools/model_converters/import_weights.py mirl_vit_b48_800e.pd mirl_vitb48_800e.safetensors    # MIRL's authors
python tools/model_converters/import_weights.py mae_pretrain_vit_base.pth mae_vitb.pth               # MAE
python tools/model_converters/import_weights.py vit_base_patch16_224.safetensors timm_vitb.pth       # timm
python tools/model_converters/import_weights.py model_final_61ccd1.pkl vitdet_vitb.pth               # detectron2

Files of PyTorch, safetensors, PaddlePaddle and detectron2 are read; nothing that they name is executed. What is written
holds tensors and plain text only. Configs and --load-from also take the files as they are: conversion is for keeping.
"""

from pathlib import Path

from mirl_mm.checkpoint import Weights, read_any
from mirl_mm.checkpoint.load_report import shorten
from mirl_mm.cli import Parser, run
from mirl_mm.export.publish import check_suffix, publish
from mirl_mm.models.backbones.head_count import backbone_width, stated_heads, usual_heads
from mirl_mm.outputs import check_not_input

#: Facts of a file that are worth keeping.
KEPT = ("epoch", "iter", "iteration", "model", "architecture")


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("source", help="the file to read")
    parser.add_argument("target", help="the file to write, .safetensors or .pth")
    parser.add_argument("--num-heads", type=int, help="attention heads of the encoder, where the file does not tell")
    args = parser.parse_args()
    target = check_suffix(args.target)
    check_not_input(target, [args.source])
    weights = read_any(args.source)
    heads, how = count_heads(weights, args.num_heads)
    facts = {"origin": weights.origin, "source": Path(args.source).name, "num_heads": heads}
    facts |= {key: weights.meta[key] for key in KEPT if key in weights.meta}
    publish(weights.state, {key: str(value) for key, value in facts.items()}, target)
    print(f"{args.source}: {weights.origin}{f', {weights.progress}' if weights.progress else ''}")
    print(f"{len(weights.state)} tensors: {shorten(list(weights.state))}")
    print(f"attention heads: {heads} ({how})")
    if weights.dropped:
        print(f"left out: {', '.join(weights.dropped)}")
    print(f"written: {target}")


def count_heads(weights: Weights, given: int | None) -> tuple[int, str]:
    """Heads of the encoder, and how they are known; what contradicts the file or the width is refused."""
    stated, usual, width = stated_heads(weights), usual_heads(weights), backbone_width(weights)
    if given is not None:
        if given < 1 or width % given or stated not in (None, given):
            fault = "is not the file's number" if stated else "does not divide the width"
            raise ValueError(f"--num-heads {given} {fault}, {stated or width}")
        return given, "as given"
    if stated is not None:
        return stated, "the file says so"
    if usual is None:
        raise ValueError(
            f"the file does not tell its number of attention heads, and width {width} is unusual: give --num-heads"
        )
    return usual, f"assumed, as usual for width {width}; the file does not tell. Set it with --num-heads"


if __name__ == "__main__":
    run(main)
