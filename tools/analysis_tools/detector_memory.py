"""Memory for training a detector, computed without a GPU.

Weights, gradients and AdamW's two averages are 16 bytes for each parameter. Activations are the tensors that autograd
keeps for the backward pass, counted on the meta device in float32, of backbone, neck and heads; mixed precision keeps
between a half of it and all. Losses, anchors, the compiler's and the libraries' own memory are not in it.

python tools/analysis_tools/detector_memory.py configs/det/mirl_vitb_coco.py configs/det/mirl_vitb48_24gb_coco.py
"""

import argparse

import torch
from mmengine.registry import DefaultScope
from rich.console import Console
from rich.table import Table
from torch import nn

from mirl_mm.analysis.activations import kept_bytes, storages
from mirl_mm.cli import HelpFormatter
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS

GIB = 2**30


def backbone_bytes(backbone: nn.Module, images: torch.Tensor, recompute: bool) -> int:
    """Kept by a DeepViT; with recomputation, the inputs of all blocks and one block's activations."""
    backbone.with_cp = False
    known = storages(backbone)
    if not recompute:
        return kept_bytes(lambda: backbone(images), known)
    x = torch.empty(len(images), *backbone.grid, backbone.embed_dims, requires_grad=True)
    inputs = x.untyped_storage().nbytes() * backbone.depth
    return inputs + max(kept_bytes(lambda block=block: block(x), known) for block in backbone.blocks)


def head_bytes(model: nn.Module, maps: tuple[torch.Tensor, ...]) -> int:
    """Kept by the heads: dense ones on all maps, those on regions for as many as are sampled in an image."""
    known = storages(model)
    if not hasattr(model, "roi_head"):
        return kept_bytes(lambda: model.bbox_head(maps), known)
    total = kept_bytes(lambda: model.rpn_head(maps), known)
    roi = model.roi_head
    stages = list(roi.bbox_head) if isinstance(roi.bbox_head, nn.ModuleList) else [roi.bbox_head]
    masks = list(roi.mask_head) if isinstance(roi.mask_head, nn.ModuleList) else [roi.mask_head]
    settings = model.train_cfg.rcnn if isinstance(model.train_cfg.rcnn, list) else [model.train_cfg.rcnn]
    for head, mask, setting in zip(stages, masks, settings, strict=True):
        regions, width = setting.sampler.num, maps[0].shape[1]
        for module, number, side in ((head, regions, 7), (mask, int(regions * setting.sampler.pos_fraction), 14)):
            x = torch.empty(number, width, side, side, requires_grad=True)
            total += kept_bytes(lambda module=module, x=x: module(x), known)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("configs", nargs="+", help="configs of detectors with a DeepViT and a SimpleFPN")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 8], help="images on a GPU")
    args = parser.parse_args()
    table = Table("config", "parameters (M)", "states", "each image", *(f"batch {batch}" for batch in args.batches))
    for path in args.configs:
        cfg = load_config(path)
        with torch.device("meta"), DefaultScope.overwrite_default_scope(cfg.default_scope):
            model = MODELS.build(cfg.model).train()
            backbone, recompute = model.backbone, model.backbone.with_cp
            images = torch.empty(1, 3, *backbone.img_size)
            each = backbone_bytes(backbone, images, recompute)
            last = torch.empty(1, backbone.embed_dims, *backbone.grid, requires_grad=True)
            each += kept_bytes(lambda model=model, last=last: model.neck((last,)), storages(model))
            each += head_bytes(model, model.neck((last,)))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        totals = [f"{(16 * parameters + batch * each) / GIB:.1f}" for batch in args.batches]
        table.add_row(path, f"{parameters / 1e6:.0f}", f"{16 * parameters / GIB:.1f}", f"{each / GIB:.1f}", *totals)
    console = Console()
    console.print(table)
    console.print("GiB, computed, not measured; activations in float32")


if __name__ == "__main__":
    main()
