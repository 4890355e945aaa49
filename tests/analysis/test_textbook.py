"""Our formulation of the loss and the textbook's are the same function: equal losses, equal gradients."""

import pytest
import torch

from mirl_mm import MAE, MIRL
from mirl_mm.analysis import PlainFormulation
from mirl_mm.analysis.textbook import visible_tokens
from mirl_mm.engine.activation_checkpointing import checkpoint_activations
from mirl_mm.models.pretrainers import MaskedPretrainer


def pretrainer(kind: str, decoder_depth: int, num_segments: int = 2, img_size=(32, 48), **options) -> MaskedPretrainer:
    """A small model whose depth is twice the segments."""
    torch.manual_seed(decoder_depth)
    arch = {"depth": 2 * num_segments, "embed_dims": 24, "num_heads": 3}
    backbone = {"type": "DeepViT", "arch": arch, "img_size": img_size, "patch_size": 8}
    decoder = {"decoder_embed_dims": 16, "decoder_depth": decoder_depth, "decoder_num_heads": 2}
    if kind == "mae":
        return MAE(backbone, **decoder, **options)
    return MIRL(backbone, num_segments=num_segments, **decoder, **options)


def batch(model: MaskedPretrainer) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(3, 3, *model.backbone.img_size, generator=generator)
    return {"inputs": images, "noise": torch.rand(3, model.num_patches, generator=generator)}


def losses_and_gradients(run: torch.nn.Module, model: MaskedPretrainer, inputs: dict) -> tuple[dict, dict]:
    model.zero_grad()
    losses = run(**inputs, mode="loss")
    losses["loss"].backward()
    return losses, {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


CASES = [
    *(("mirl", depth, segments, (32, 48)) for depth in (1, 2, 3) for segments in (2, 4, 6)),
    ("mirl", 1, 4, (64, 24)),
    *(("mae", depth, 2, (32, 48)) for depth in (1, 2, 3)),
    ("mae", 2, 2, (24, 64)),
]


@pytest.mark.parametrize(("kind", "decoder_depth", "num_segments", "img_size"), CASES)
def test_equal_in_float64(kind, decoder_depth, num_segments, img_size):
    model = pretrainer(kind, decoder_depth, num_segments, img_size).double()
    inputs = {name: value.double() for name, value in batch(model).items()}
    ours, our_gradients = losses_and_gradients(model, model, inputs)
    plain, plain_gradients = losses_and_gradients(PlainFormulation(model), model, inputs)
    assert list(ours) == list(plain)
    for name in ours:
        assert distance(ours[name], plain[name]) < 1e-10, name
    for name, gradient in our_gradients.items():
        assert distance(gradient, plain_gradients[name]) < 1e-10, name


def test_equal_without_target_normalisation():
    model = pretrainer("mirl", 1, norm_target=False).double()
    inputs = {name: value.double() for name, value in batch(model).items()}
    loss = model(**inputs, mode="loss")["loss"]
    torch.testing.assert_close(PlainFormulation(model)(**inputs)["loss"], loss, rtol=1e-10, atol=0)


@pytest.mark.parametrize("kind", ["mirl", "mae"])
def test_equal_under_bfloat16_autocast_up_to_rounding(kind):
    """No farther apart than each is from float32: both only round."""
    model = pretrainer(kind, 2, 4, (64, 64))
    inputs = batch(model)
    _, exact_gradients = losses_and_gradients(model, model, inputs)
    found = []
    for run in (model, PlainFormulation(model)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model.zero_grad()
            loss = run(**inputs, mode="loss")["loss"]
        loss.backward()
        assert loss.dtype == torch.float32
        found.append((loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])))
    reference = torch.cat([gradient.flatten() for gradient in exact_gradients.values()])
    (ours, our_gradient), (plain, plain_gradient) = found
    assert distance(ours, plain) < 2e-3
    assert distance(our_gradient, reference) < 0.03
    assert distance(plain_gradient, reference) < 0.03
    assert distance(our_gradient, reference) < 1.5 * distance(plain_gradient, reference)


@pytest.mark.parametrize("kind", ["mirl", "mae"])
@pytest.mark.parametrize("plain", [False, True])
def test_recomputation_changes_nothing(kind, plain):
    model = pretrainer(kind, 2, 4)
    run = PlainFormulation(model) if plain else model
    stored, stored_gradients = losses_and_gradients(run, model, batch(model))
    checkpoint_activations(model)
    recomputed, recomputed_gradients = losses_and_gradients(run, model, batch(model))
    assert torch.equal(stored["loss"], recomputed["loss"])
    for name, gradient in stored_gradients.items():
        assert torch.equal(gradient, recomputed_gradients[name]), name


def test_plain_embeds_and_decodes_every_patch(monkeypatch):
    """The yardstick takes no short cut: whole images are embedded, all tokens pass all decoder blocks."""
    model = pretrainer("mirl", 3, 2)
    patches = model.num_patches
    seen: list[tuple[int, int]] = []
    for block in model.decoders[1].blocks:
        for part in (block.attn.qkv, block.cross_attn.q, block.mlp.fc2):
            part.register_forward_hook(lambda module, args, out: seen.append((args[0].shape[1], out.shape[1])))
    model.decoders[1].pred.register_forward_hook(lambda module, args, out: seen.append((out.shape[1], out.shape[1])))
    convolved: list[torch.Size] = []
    model.backbone.patch_embed.register_forward_hook(lambda module, args, out: convolved.append(out.shape))
    PlainFormulation(model)(**batch(model))
    assert seen == [(1 + patches, 1 + patches)] * 9 + [(patches, patches)]
    assert convolved == [(3, patches, 24)]


def test_visible_tokens_are_those_of_the_backbone():
    model = pretrainer("mae", 1).double()
    inputs = batch(model)
    masking = model.make_masking(inputs["inputs"], inputs["noise"])
    images = inputs["inputs"].double()
    expected = model.backbone.embed(images, masking.ids_keep)
    torch.testing.assert_close(visible_tokens(model, images, masking), expected, rtol=1e-12, atol=1e-12)


def test_other_modes_and_models_are_refused():
    with pytest.raises(ValueError, match="mode 'loss' only, got 'predict'"):
        PlainFormulation(pretrainer("mae", 1))(torch.zeros(1, 3, 32, 48), mode="predict")
    with pytest.raises(TypeError, match="exists for MIRL and MAE, got Linear"):
        PlainFormulation(torch.nn.Linear(1, 1))
