"""Counts against formulas by hand, against the paper's table, and against a real step."""

import math

import pytest
import torch

from mirl_mm import MIRL
from mirl_mm.analysis import Macs, count_macs, encoder_cost, encoder_settings, pretraining_macs
from mirl_mm.models.backbones import ARCHS
from mirl_mm.models.layers import attention_short
from mirl_mm.models.layers.attention import attend

#: arch: (million parameters, giga multiply-adds of linears) at 224 x 224. ViT-S-54 and ViT-B-48 stand in the paper.
PAPER = {
    "vit-s": (21.7, 4.2),
    "vit-s-54": (96, 18.8),
    "vit-b": (85.8, 16.8),
    "vit-b-24": (170.9, 33.6),
    "vit-b-48": (341, 67.0),
    "vit-l": (303.3, 59.6),
}


def by_hand(depth: int, width: int, grid: tuple[int, int], patch: int = 16) -> tuple[int, Macs]:
    """Parameters and multiply-adds of a ViT with class token, MLP ratio 4 and final norm."""
    patches, pixels = math.prod(grid), 3 * patch * patch
    tokens = patches + 1
    block = 12 * width**2 + 13 * width  # weights of qkv, proj, fc1, fc2; their biases and two LayerNorms
    parameters = depth * block + (pixels + 1) * width + width + tokens * width + 2 * width
    linear = depth * tokens * 12 * width**2 + patches * pixels * width
    return parameters, Macs(linear, depth * 2 * tokens**2 * width)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("img_size", [(224, 224), (160, 320)])
def test_encoder_is_counted_exactly(arch, img_size):
    cost = encoder_cost(encoder_settings({"type": "DeepViT", "arch": arch}, img_size))
    grid = (img_size[0] // 16, img_size[1] // 16)
    parameters, macs = by_hand(ARCHS[arch]["depth"], ARCHS[arch]["embed_dims"], grid)
    assert cost.parameters == parameters
    assert cost.macs == macs
    assert cost.parameters - cost.trainable == (math.prod(grid) + 1) * ARCHS[arch]["embed_dims"]  # fixed positions


@pytest.mark.parametrize("arch", ARCHS)
def test_papers_table(arch):
    """Every figure to the printed digits; ViT-S-54's 18.88 G is cut off there (18.8), the others agree by rounding."""
    million, giga = PAPER[arch]
    cost = encoder_cost(encoder_settings({"type": "DeepViT", "arch": arch}))
    digits = 0 if isinstance(million, int) else 1
    assert round(cost.parameters / 1e6, digits) == million
    linear = cost.macs.linear / 1e9
    assert giga in (math.floor(linear * 10) / 10, round(linear, 1))
    if arch != "vit-s-54":
        assert round(linear, 1) == giga


def small(**options) -> dict:
    backbone = {"type": "DeepViT", "arch": {"depth": 4, "embed_dims": 24, "num_heads": 3}, "img_size": (32, 48)}
    decoder = {"decoder_embed_dims": 16, "decoder_depth": 2, "decoder_num_heads": 2}
    return {"type": "MIRL", "backbone": {**backbone, "patch_size": 8}, "num_segments": 2, **decoder, **options}


@pytest.mark.parametrize("backward", [False, True])
def test_shapes_alone_give_the_count_of_a_real_step(backward):
    settings = small(data_preprocessor={"type": "ImgDataPreprocessor", "mean": [0.0], "std": [1.0]})
    model = MIRL(**{key: value for key, value in settings.items() if key != "type"})

    def step() -> None:
        loss = model(torch.randn(3, 3, 32, 48), mode="loss")["loss"]
        if backward:
            loss.backward()

    assert pretraining_macs(settings, batch_size=3, backward=backward) == count_macs(step)


def test_backward_is_twice_the_forward_but_for_the_images_gradient():
    forward, step = (pretraining_macs(small(), 3, backward=backward, plain=True) for backward in (False, True))
    embedding = 3 * 24 * 192 * 24  # B * L * pixels * width
    assert step.attention == 3 * forward.attention
    assert step.linear == 3 * forward.linear - embedding


def test_ours_by_hand_with_one_decoder_block():
    """G = 2 on 24 patches, 6 visible, 18 masked; width 24 (W), decoders 16 (D); 4 encoder blocks."""
    B, K, L, W, D, pixels = 3, 6, 24, 24, 16, 192
    M, tokens = L - K, K + 1
    encoder = B * (K * pixels * W + 4 * tokens * 12 * W * W + 3 * tokens * W * D)
    linear, attention = encoder, B * 4 * 2 * tokens**2 * W
    for g in (1, 2):
        memory = g * tokens
        linear += L * 3 * D * D  # masked tokens' QKV, once for all samples
        linear += B * (tokens * 2 * D * D + M * D * D)  # visible tokens' keys and values; output projection
        linear += B * (M * 2 * D * D + memory * 2 * D * D)  # cross-attention
        linear += B * M * (8 * D * D + D * pixels)  # MLP, prediction
        attention += B * 2 * D * M * (1 + L + memory)
    assert pretraining_macs(small(decoder_depth=1), B) == Macs(linear, attention)


@pytest.mark.parametrize(("depth", "at_least"), [(1, 1.14), (2, 1.06)])
def test_ours_needs_less_than_the_plain_formulation(depth, at_least):
    """ViT-S-54's and ViT-B-48's decoders: 14 % and 6 % of the plain arithmetic more, at least."""
    arch, width, heads = ("vit-s-54", 384, 12) if depth == 1 else ("vit-b-48", 512, 16)
    backbone = {"type": "DeepViT", "arch": arch}
    decoder = {"decoder_embed_dims": width, "decoder_depth": depth, "decoder_num_heads": heads}
    model = {"type": "MIRL", "backbone": backbone, **decoder}
    ours, plain = (pretraining_macs(model, 8, plain=plain) for plain in (False, True))
    assert plain.total / ours.total > at_least


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "the config has no model"),
        ({"type": "ImageClassifier"}, "is a ImageClassifier, which has no plain backbone such as DeepViT"),
        (
            {"type": "MaskRCNN", "backbone": {"type": "ResNet"}},
            "is a MaskRCNN with a ResNet, which has no plain backbone such as DeepViT",
        ),
    ],
)
def test_configs_without_a_deep_vit_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        encoder_settings(model)


def test_a_task_without_pre_training_has_no_pre_training_cost():
    with pytest.raises(ValueError, match="model is a Classifier, no pre-trainer"):
        pretraining_macs({"type": "Classifier", "backbone": {"type": "DeepViT"}}, 1)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_relative_positions_are_counted_as_the_device_computes_them(device):
    """By hand: one block of width W with H heads of D channels on h x w places in one window.

    On a CPU the tables' products and attention's two, on a GPU the same over heads of D + h + w channels, values, too.
    """
    W, H, h, w = 16, 2, 4, 6
    settings = {
        "type": "DeepViT",
        "arch": {"depth": 1, "embed_dims": W, "num_heads": H},
        "img_size": (8 * h, 8 * w),
        "patch_size": 8,
        "class_token": False,
        "use_rel_pos": True,
    }
    N, D = h * w, W // H
    terms = H * N * (h + w) * D
    wide = {"cpu": D, "cuda": 24}[device]  # 8 + 4 + 6, up to a multiple of 8
    found = encoder_cost(settings, device).macs
    assert found.linear + found.attention == N * (3 * 64 * W + 12 * W * W) + terms + 2 * H * N * N * wide


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="device must be 'cpu' or 'cuda', got 'tpu'"):
        encoder_cost({"type": "DeepViT", "arch": {"depth": 1, "embed_dims": 8, "num_heads": 1}}, "tpu")


def test_the_kernels_for_few_tokens_count_as_attention_does():
    kernels = attention_short.short_attention, attention_short.short_cross_attention
    plain = (
        lambda x, heads: attend(*x.chunk(3, dim=2), heads),
        lambda q, kv, heads: attend(q, *kv.chunk(2, dim=2), heads),
    )
    for pair, shapes in zip(zip(kernels, plain, strict=True), ([(50, 96)], [(21, 32), (50, 64)]), strict=True):
        counts = []
        for function in pair:
            inputs = [torch.empty(2, *shape, device="meta", requires_grad=True) for shape in shapes]
            counts.append(count_macs(lambda run=function, x=inputs: run(*x, 4).sum().backward()))
        assert counts[0] == counts[1] == Macs(0, 3 * 2 * 2 * shapes[0][0] * 50 * 32)
