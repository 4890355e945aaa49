"""Windows of a TimmViT: the same weights, attention within parts of the map, prefix tokens in each of them."""

import copy

import pytest
import torch
import torch.nn.functional as F

from mirl_mm import MAE, TimmViT
from tests.models.timm_cases import KINDS, ROTARY, randomise

without_rotary = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ROTARY])


def ours(kind: str, **settings) -> TimmViT:
    name, options = KINDS[kind]
    return randomise(TimmViT(name, timm_kwargs=options, **settings)).eval()


def images_of(model: TimmViT, rows: int, columns: int) -> torch.Tensor:
    size = (2, 3, rows * model.patch_size[0], columns * model.patch_size[1])
    return torch.randn(size, generator=torch.Generator().manual_seed(1))


@without_rotary
def test_one_window_is_the_whole_map(kind):
    whole, windowed = ours(kind), ours(kind, window_size=(4, 3), global_attn_indexes=())
    assert whole.state_dict().keys() == windowed.state_dict().keys()
    images = images_of(whole, 4, 3)
    found, expected = windowed.forward_tokens(images)[-1], whole.forward_tokens(images)[-1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    expected.square().sum().backward()
    found.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in windowed.named_parameters()}
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-4, msg=name)


@without_rotary
def test_windows_one_by_one(kind):
    """A map of 3 x 5 in windows of 2 x 2: padded with zeros after the norm, each window for itself."""
    model = ours(kind, window_size=2, global_attn_indexes=())
    plain, block, prefix = ours(kind), ours(kind).blocks[0], model.num_prefix_tokens
    images = images_of(model, 3, 5)
    x = plain.embed(images)
    normed = block.norm1(x)
    patches = F.pad(normed[:, prefix:].unflatten(1, (3, 5)), (0, 0, 0, 1, 0, 1))
    out, tokens = torch.zeros(2, 4, 6, 48), []
    for row in (0, 2):
        for column in (0, 2, 4):
            window = patches[:, row : row + 2, column : column + 2].flatten(1, 2)
            attended = block.attn(torch.cat([normed[:, :prefix], window], dim=1))
            tokens.append(attended[:, :prefix])
            out[:, row : row + 2, column : column + 2] = attended[:, prefix:].unflatten(1, (2, 2))
    expected = torch.cat([torch.stack(tokens).mean(dim=0), out[:, :3, :5].flatten(1, 2)], dim=1)
    caught = []
    model.blocks[0].attn.register_forward_hook(lambda *given: caught.append(given[2]))
    model.run_blocks(x, stop=1, context=model.context(images))
    torch.testing.assert_close(caught[0], expected, rtol=1e-5, atol=1e-5)


def test_the_last_block_of_each_quarter_sees_the_whole_map():
    model = TimmViT("vit_tiny_patch16_224", timm_kwargs={"embed_dim": 48, "num_heads": 3}, window_size=14)
    assert model.global_attn_indexes == (2, 5, 8, 11)
    images = images_of(model, 2, 3)
    given = [bool(each) for each in model.context(images)]
    assert given == [index not in (2, 5, 8, 11) for index in range(12)]
    assert torch.equal(copy.deepcopy(model.eval())(images)[0], model(images)[0])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "dinov3, rotary",
            "window_size: the blocks of vit_small_patch16_dinov3 have rotary positions.*Leave window_si",
        ),
        ("mixed rotary", "have rotary positions"),
    ],
)
def test_models_without_windows(kind, message):
    if kind not in KINDS:
        pytest.skip("this timm has no such model")
    with pytest.raises(ValueError, match=message):
        ours(kind, window_size=14)


def test_what_has_no_windows():
    with pytest.raises(ValueError, match="the blocks of vit_tiny_patch16_224 have no attention of their own"):
        TimmViT("vit_tiny_patch16_224", timm_kwargs={"block_fn": _parallel()}, window_size=14)
    model = ours("plain", window_size=2, img_size=(64, 64))
    with pytest.raises(ValueError, match="which have no windows: the TimmViT's window_size must be None"):
        MAE(model, 16, 1, 2)
    with pytest.raises(ValueError, match="timm's model has no windows"):
        model.timm_call()


def _parallel():
    from timm.models.vision_transformer import ParallelThingsBlock

    return ParallelThingsBlock
