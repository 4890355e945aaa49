"""MIRL and MAE give the original implementations' predictions, losses and gradients."""

import pytest
import torch

from mirl_mm import MAE, MIRL
from mirl_mm.checkpoint.key_maps import from_authors_mirl, from_mae, torch_axes
from tests.golden import BF16, Golden, check_gradients, distance

BACKBONE = {"type": "DeepViT", "img_size": (64, 64)}


def small_arch(depth: int) -> dict:
    return {"depth": depth, "embed_dims": 24, "num_heads": 3}


@pytest.fixture(scope="module")
def mirl(device) -> tuple[MIRL, Golden]:
    golden = Golden("mirl_6seg_w24", device)
    model = MIRL({**BACKBONE, "arch": small_arch(12)}, decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(from_authors_mirl(torch_axes(golden.param)))
    return model.to(device), golden


@pytest.fixture(scope="module")
def mae(device) -> tuple[MAE, Golden]:
    golden = Golden("mae_normpix_w24", device)
    model = MAE({**BACKBONE, "arch": small_arch(4)}, decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(from_mae(golden.tensors("param")))
    return model.to(device), golden


def test_mirl_predictions_and_mask(mirl):
    model, golden = mirl
    groups, mask = model(golden.images, mode="tensor", noise=golden.noise)
    assert torch.equal(mask, golden.output("mask"))
    for g, (main, residual) in enumerate(groups):
        torch.testing.assert_close(main, golden.output(f"pred{g}"), rtol=0, atol=1e-5)
        torch.testing.assert_close(residual, golden.output(f"pred{5 - g}"), rtol=0, atol=1e-5)


def test_mirl_latent(mirl):
    model, golden = mirl
    masking = model.make_masking(golden.images, golden.noise)
    x = model.backbone.run_blocks(model.backbone.embed(golden.images, masking.ids_keep))
    torch.testing.assert_close(model.backbone.norm(x), golden.output("latent"), rtol=0, atol=1e-5)


def test_mirl_loss_terms_and_gradients(mirl):
    model, golden = mirl
    model.zero_grad()
    losses = model(golden.images, mode="loss", noise=golden.noise)
    terms = torch.stack([losses[name] for name in ("pair_1_6", "pair_2_5", "pair_3_4")])
    torch.testing.assert_close(terms, golden.output("loss_terms"), rtol=1e-6, atol=0)
    torch.testing.assert_close(losses["loss"], golden.output("loss"), rtol=1e-6, atol=0)
    losses["loss"].backward()
    check_gradients(model, from_authors_mirl(torch_axes(golden.grad)))


def test_mae_predictions_loss_and_gradients(mae):
    model, golden = mae
    model.zero_grad()
    (((prediction,),), mask) = model(golden.images, mode="tensor", noise=golden.noise)
    assert torch.equal(mask, golden.output("mask"))
    torch.testing.assert_close(prediction, golden.output("pred"), rtol=0, atol=1e-5)
    losses = model(golden.images, mode="loss", noise=golden.noise)
    torch.testing.assert_close(losses["loss"], golden.output("loss"), rtol=1e-6, atol=0)
    losses["loss"].backward()
    check_gradients(model, from_mae(golden.tensors("grad")))


NAMES = {MIRL: [("pred0", "pred5"), ("pred1", "pred4"), ("pred2", "pred3")], MAE: [("pred",)]}


@pytest.mark.parametrize("kind", ["mirl", "mae"])
def test_in_bfloat16(kind, device, request):
    model, golden = request.getfixturevalue(kind)
    model.zero_grad()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        groups, mask = model(golden.images, mode="tensor", noise=golden.noise)
        loss = model(golden.images, mode="loss", noise=golden.noise)["loss"]
    assert torch.equal(mask, golden.output("mask"))
    for group, names in zip(groups, NAMES[type(model)], strict=True):
        for found, name in zip(group, names, strict=True):
            assert distance(found, golden.output(name)) < BF16, name
    torch.testing.assert_close(loss, golden.output("loss"), rtol=2e-4, atol=0)
    loss.backward()
    expected = from_authors_mirl(torch_axes(golden.grad)) if kind == "mirl" else from_mae(golden.tensors("grad"))
    check_gradients(model, expected, 3 * BF16)
