"""Parameters and multiply-adds of a config's DeepViT, and for a pre-trainer those of its training step.

Two counts of multiply-adds: of linear layers alone, as in MIRL's paper (which calls them FLOPs), and with attention's
two products. A multiply-add is two floating-point operations.

    python tools/analysis_tools/get_flops.py configs/pretrain/mirl_vitb48_in1k.py
"""

import argparse
import math

from mmengine.config import DictAction

from mirl_mm.analysis import Macs, encoder_cost, encoder_settings, pretraining_macs
from mirl_mm.analysis.flops import is_pretrainer
from mirl_mm.cli import HelpFormatter
from mirl_mm.engine.launch import load_config
from mirl_mm.models.layers import patch_grid


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("config", help="config file of any task with a DeepViT")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("H", "W"), help="image size (default: the config's)")
    parser.add_argument("--batch-size", type=int, help="images of a pre-training step (default: the config's)")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE", help="override settings"
    )
    return parser.parse_args()


def line(label: str, macs: Macs, images: int = 1) -> str:
    linear, total = macs.linear / images / 1e9, macs.total / images / 1e9
    return f"  {label:34s}{linear:10.2f} G{total:12.2f} G{2 * total:16.2f} GFLOP"


HEADER = f"  {'multiply-adds per image':34s}{'linears':>12s}{'+ attention':>14s}{'= operations':>20s}"


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    model = cfg.get("model")
    shape = None if args.shape is None else tuple(args.shape)
    try:
        settings = encoder_settings(model, shape)
        cost = encoder_cost(settings)
    except ValueError as error:
        raise SystemExit(f"{args.config}: {error}") from None

    size = settings.get("img_size", (224, 224))
    patch = settings.get("patch_size", 16)
    grid = patch_grid(size, (patch, patch) if isinstance(patch, int) else tuple(patch))
    print(f"Encoder {settings['arch'] if isinstance(settings.get('arch'), str) else 'DeepViT'}, whole image")
    print(f"  image {size[0]} x {size[1]}, {math.prod(grid)} patches and the class token")
    print(f"  parameters {cost.parameters / 1e6:.2f} M, of which trained {cost.trainable / 1e6:.2f} M")
    print(HEADER)
    print(line("forward", cost.macs))
    if not is_pretrainer(model):
        return

    batch = args.batch_size or cfg.get("train_dataloader", {}).get("batch_size", 1)
    print(f"\n{model.type}, a batch of {batch}, masked")
    print(HEADER)
    for label, backward in (("forward", False), ("forward and backward", True)):
        ours, plain = (pretraining_macs(model, batch, shape, backward, plain) for plain in (False, True))
        print(line(label, ours, batch))
        print(line("  the same, plainly", plain, batch), f"  (x {plain.total / ours.total:.3f})")


if __name__ == "__main__":
    main()
