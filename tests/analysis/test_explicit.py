import pytest
import torch

from mirl_mm import DeepViT
from mirl_mm.analysis import encoder_cost
from mirl_mm.analysis.explicit import explicit_attention
from mirl_mm.models.layers import attention_rel_pos_cpu


def results(model: DeepViT, images: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    out = model(images)[0]
    out.square().mean().backward()
    return {"out": out.detach()} | {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("use_rel_pos", [True, False])
def test_the_same_numbers(use_rel_pos):
    torch.manual_seed(0)
    arch = {"depth": 4, "embed_dims": 24, "num_heads": 3}
    model = DeepViT(arch, (80, 112), window_size=(3, 4), use_rel_pos=use_rel_pos, class_token=False).double()
    for name, parameter in model.named_parameters():
        if "rel_pos" in name:
            torch.nn.init.normal_(parameter)
    images = torch.randn(2, 3, 80, 112, dtype=torch.float64)
    ours = results(model, images)
    with explicit_attention(model):
        assert all("forward" in vars(block.attn) for block in model.blocks)
        explicit = results(model, images)
    assert not any("forward" in vars(block.attn) for block in model.blocks)
    for name, value in ours.items():
        torch.testing.assert_close(value, explicit[name], rtol=1e-9, atol=1e-12)


def test_a_plain_backbone_has_no_such_attention():
    plain = DeepViT({"depth": 1, "embed_dims": 8, "num_heads": 1}, 32)
    with (
        pytest.raises(ValueError, match="is for windows or relative positions, and this backbone has neither"),
        explicit_attention(plain),
    ):
        pass


def test_flops_of_windows_and_tiles(monkeypatch):
    """Products of queries with keys and weights with values, of padded windows, and those with the embeddings."""
    monkeypatch.setattr(attention_rel_pos_cpu, "TILE_SCORES", 1000)
    depth, dims, h, w, window = 4, 24, 5, 7, 4
    arch = {"depth": depth, "embed_dims": dims, "num_heads": 3}
    settings = {"type": "DeepViT", "arch": arch, "img_size": (h * 16, w * 16), "class_token": False}
    cost = encoder_cost(settings | {"window_size": window, "use_rel_pos": True, "global_attn_indexes": (0,)})
    places = h * w
    of_all = places * dims * (2 * places + h + w)
    of_windows = 4 * window**2 * dims * (2 * window**2 + 2 * window)
    assert cost.macs.attention == of_all + (depth - 1) * of_windows
    assert cost.macs.linear == depth * places * 12 * dims**2 + places * dims * 16 * 16 * 3
