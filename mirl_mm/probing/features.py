"""Frozen features of labelled images after chosen blocks of an encoder, all in one pass."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from mmengine.dataset import default_collate
from mmengine.dist import all_gather, get_dist_info
from timm.models.vision_transformer import global_pool_nlc
from torch import Tensor
from torch.utils.data import DataLoader

from mirl_mm.models.backbones import PlainBackbone
from mirl_mm.models.evaluating import evaluating
from mirl_mm.progress import progress

from .encoder import FrozenEncoder
from .labelled_images import LabelledImages

POOLS = ("avg", "token")


class Features(NamedTuple):
    """What an encoder makes of N images.

    Attributes:
        by_depth: Depth to features, (N, C) on the CPU. Depth 0 is after the embedding, i after i blocks.
        labels: (N,) int64.
    """

    by_depth: dict[int, Tensor]
    labels: Tensor


def pooled_tokens(
    backbone: PlainBackbone, images: Tensor, depths: Sequence[int], pool: str = "avg", final_norm: bool = False
) -> Iterator[Tensor]:
    """Features after each of ``depths``.

    Tokens are taken as they leave a block, before any norm, so that all depths are treated alike. Nothing is scaled:
    k-NN normalises each feature's length, the linear probe standardises each channel.

    Args:
        backbone: The encoder.
        images: ``(B, 3, H, W)``, normalised.
        depths: Rising numbers of blocks, 0 to the encoder's depth.
        pool: ``"avg"``: mean of the patch tokens; ``"token"``: the class token; ``"none"``: all tokens.
        final_norm: Whether tokens of the full depth pass the encoder's last norm, as they do on the way to a head.

    Yields:
        ``(B, C)`` float32 for each depth, or ``(B, P + L, C)`` of all tokens, prefix tokens first.
    """
    x, context = backbone.embed(images), backbone.context(images)
    done = 0
    for depth in depths:
        x = backbone.run_blocks(x, done, depth, context)
        done = depth
        tokens = backbone.norm(x) if final_norm and depth == backbone.depth else x
        yield global_pool_nlc(tokens.float(), "" if pool == "none" else pool, backbone.num_prefix_tokens)


def extract_features(
    encoder: FrozenEncoder,
    images: LabelledImages,
    depths: Sequence[int],
    pool: str = "avg",
    final_norm: bool = False,
    batch_size: int = 64,
    workers: int = 0,
    dtype: torch.dtype = torch.float32,
    amp: bool = False,
    title: str = "",
) -> Features:
    """Features of all images, in their order.

    The encoder is put into evaluation mode for the while, and no global random number is drawn. In a distributed run
    each process takes its shard of the images, and all get all features: every process has to call this.

    Args:
        encoder: The encoder; it stays on its device.
        images: What to look at; their pipeline has to end in ``PackInputs``.
        depths: See :func:`pooled_tokens`.
        pool: See :func:`pooled_tokens`.
        final_norm: See :func:`pooled_tokens`.
        batch_size: Images at a time in each process.
        workers: Processes that load images.
        dtype: In which features are kept; see :func:`size_of`. They are computed in float32, or under ``amp``.
        amp: Run the blocks in bfloat16.
        title: Of the progress bar; empty: none.

    Raises:
        ValueError: For a depth that the encoder does not have, or an unknown pool.
        CorruptImageError: For an image that can't be decoded.
    """
    depths = check_depths(depths, encoder.backbone.depth)
    if pool not in POOLS:
        raise ValueError(f"pool must be one of {', '.join(POOLS)}, got {pool!r}")
    if pool == "token" and not encoder.backbone.has_class_token:
        raise ValueError("pool 'token' is the class token, which this encoder lacks: take 'avg'")
    rank, world_size = get_dist_info()
    shard = images.shard(rank, world_size)
    rows = -(-len(images) // world_size)  # processes with an image less fill up with one row of zeros
    kept = {depth: torch.zeros(rows, encoder.backbone.embed_dims, dtype=dtype) for depth in depths}
    loader = DataLoader(
        shard,
        batch_size,
        num_workers=workers,
        collate_fn=default_collate,
        generator=torch.Generator(),  # else the loader draws a number from the global one
    )
    device = next(encoder.backbone.parameters()).device
    start = 0
    with evaluating(encoder.backbone), torch.autocast(device.type, torch.bfloat16, enabled=amp):
        for batch in progress(loader, title if rank == 0 else ""):
            inputs = encoder.preprocess(batch, False)["inputs"]
            stop = start + len(inputs)
            for depth, features in zip(
                depths, pooled_tokens(encoder.backbone, inputs, depths, pool, final_norm), strict=True
            ):
                kept[depth][start:stop] = features
            start = stop
    # The processes' rows in the images' order.
    shards = {depth: torch.stack(all_gather(features), dim=1) for depth, features in kept.items()}
    by_depth = {depth: each.flatten(0, 1)[: len(images)] for depth, each in shards.items()}
    return Features(by_depth, torch.from_numpy(images.labels))


def size_of(num_images: int, channels: int, depths: int = 1, dtype: torch.dtype = torch.float32) -> int:
    """Bytes of features: ImageNet's 1,281,167 training images at width 768 are 3.9 GB per depth in float32."""
    return num_images * channels * depths * dtype.itemsize


def check_depths(depths: Sequence[int], depth: int) -> list[int]:
    """The depths, rising and each once.

    Raises:
        ValueError: For none, or one outside 0..``depth``.
    """
    wrong = [d for d in depths if not 0 <= d <= depth]
    if wrong or not depths:
        raise ValueError(
            f"depths must be numbers of blocks from 0 (the embedding) to {depth} (all of this encoder's), "
            f"got {wrong or 'none'}"
        )
    return sorted(set(depths))
