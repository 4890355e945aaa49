"""Features after chosen depths, of encoders from checkpoints of every kind."""

import re

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mirl_mm.datasets.transforms import build_pipeline
from mirl_mm.probing.encoder import architecture, evaluation_pipeline, load_encoder, random_encoder
from mirl_mm.probing.features import extract_features, pooled_tokens, size_of
from mirl_mm.probing.labelled_images import labelled_images, labelled_pair
from tests.golden import GOLDEN, Golden
from tests.probing.checkpoints import write_checkpoint
from tests.probing.folders import write_classes
from tests.training import ROOT, write_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_classes(write_classes(folder / "data", "train", 5), "val", 3)
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder / "mirl.pth")


def some(folder, encoder, split="train", limit=0):
    return labelled_images({"data_root": str(folder / "data"), "split": split, "pipeline": encoder.pipeline}, limit)


def test_tokens_are_those_of_the_encoder(encoder):
    """Against forward_tokens, whose last block passes the final norm."""
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    backbone = encoder.backbone.eval()
    with torch.no_grad():
        torch.nn.init.normal_(backbone.norm.weight)
        embedded, second, last = pooled_tokens(backbone, images, [0, 2, 4])
        normed = list(pooled_tokens(backbone, images, [2, 4], final_norm=True))
        (token,) = pooled_tokens(backbone, images, [4], "token", final_norm=True)
        backbone.out_indices = (1, 3)
        expected = backbone.forward_tokens(images)
        torch.testing.assert_close(embedded, backbone.embed(images)[:, 1:].mean(dim=1))
        torch.testing.assert_close(second, expected[0][:, 1:].mean(dim=1))
        torch.testing.assert_close(normed, [second, expected[1][:, 1:].mean(dim=1)])
        torch.testing.assert_close(token, expected[1][:, 0])
        assert not torch.allclose(last, normed[1])


def test_features_of_a_folder_in_its_order(folder, encoder):
    images = some(folder, encoder)
    training = encoder.backbone.train().training
    state = torch.get_rng_state()
    found = extract_features(encoder, images, [0, 4], batch_size=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert encoder.backbone.training == training
    assert found.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    pixels = build_pipeline(encoder.pipeline)({"img_path": images.paths[7]})
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]))
    with torch.no_grad():
        alone = list(pooled_tokens(encoder.backbone.eval(), ((pixels["inputs"] - mean) / std)[None], [0, 4]))
    for depth, expected in zip((0, 4), alone, strict=True):
        torch.testing.assert_close(found.by_depth[depth][7], expected[0], atol=1e-5, rtol=1e-4)


def test_kept_in_half_precision(folder, encoder):
    images = some(folder, encoder)
    whole, half = (extract_features(encoder, images, [4], dtype=d).by_depth[4] for d in (torch.float32, torch.float16))
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), whole, atol=2e-3, rtol=2e-3)
    assert size_of(1_281_167, 768, 2, torch.float16) == 1_281_167 * 768 * 2 * 2


def test_bfloat16_blocks_are_near(folder, encoder):
    images = some(folder, encoder)
    whole, near = (extract_features(encoder, images, [4], amp=amp).by_depth[4] for amp in (False, True))
    assert near.dtype == torch.float32
    difference = (near - whole).abs().max()
    assert 0 < difference < 0.05 * whole.abs().max()


def test_authors_file_with_a_config(tmp_path):
    backbone = {"type": "DeepViT", "arch": {"depth": 12, "embed_dims": 24, "num_heads": 3}, "img_size": (64, 64)}
    Config({"model": {"type": "MIRL", "num_segments": 6, "backbone": backbone}}).dump(tmp_path / "config.py")
    loaded = load_encoder(GOLDEN / "mirl_6seg_w24.pd", tmp_path / "config.py")
    expected = Golden("mirl_6seg_w24").param["blocks.11.attn.qkv.weight"]
    np.testing.assert_array_equal(loaded.backbone.blocks[11].attn.qkv.weight.detach().numpy(), expected.T)
    assert loaded.segments == 6


@pytest.mark.parametrize("kind", ["MAE", "ImageClassifier"])
def test_other_models_checkpoints(folder, kind):
    loaded = load_encoder(write_checkpoint(folder, f"{kind}.pth", kind, seed=5))
    torch.manual_seed(5)
    assert loaded.segments is None
    assert loaded.progress == "epoch 3"
    state = torch.load(folder / f"{kind}.pth", weights_only=False)["state_dict"]
    for name, tensor in loaded.backbone.state_dict().items():
        assert torch.equal(tensor, state[f"backbone.{name}"]), name


def test_random_weights_repeat_and_differ(folder):
    given = load_encoder(folder / "mirl.pth")
    state = torch.get_rng_state()
    first, again, other = (random_encoder(folder / "mirl.pth", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.fingerprint() == again.fingerprint()
    assert len({encoder.fingerprint() for encoder in (given, first, other)}) == 3
    assert architecture(first) == architecture(given)
    assert given.segments == first.segments == 2


def test_heads_tell_encoders_apart(folder):
    """A wrong number of heads changes no weight's shape."""
    one, other = (load_encoder(folder / "mirl.pth") for _ in range(2))
    other.backbone.num_heads = 4
    assert one.fingerprint() != other.fingerprint()
    assert architecture(one) != architecture(other)


def test_pipeline_is_the_configs_or_the_usual_one():
    steps = [{"type": "LoadImage"}, {"type": "CenterCrop", "size": (32, 32)}, {"type": "MaskNoise"}]
    cfg = {"val_dataloader": {"dataset": {"pipeline": steps}}}
    assert evaluation_pipeline(cfg, (224, 224)) == steps[:2]
    usual = evaluation_pipeline({"val_dataloader": None}, (224, 160))
    assert [step["type"] for step in usual] == ["LoadImage", "ResizeShortSide", "CenterCrop", "PackInputs"]
    assert usual[1]["size"] == 256
    assert usual[2]["size"] == (224, 160)


def test_limits_spread_evenly_over_the_classes(folder, encoder):
    images = some(folder, encoder, limit=6)
    assert np.bincount(images.labels).tolist() == [2, 2, 2]
    assert images.paths == some(folder, encoder, limit=6).paths
    assert len(some(folder, encoder, limit=99)) == 15


def test_refusals(folder, encoder, tmp_path):
    images = some(folder, encoder)
    with pytest.raises(ValueError, match=r"from 0 \(the embedding\) to 4 .*, got \[5\]"):
        extract_features(encoder, images, [2, 5])
    with pytest.raises(ValueError, match=r"got none"):
        extract_features(encoder, images, [])
    with pytest.raises(ValueError, match="pool must be one of avg, token, got 'max'"):
        extract_features(encoder, images, [2], "max")
    with pytest.raises(ValueError, match="labelled=True needs one sub-folder per class"):
        labelled_images({"data_root": str(write_images(tmp_path / "flat", 3)), "split": "train"})
    with pytest.raises(ValueError, match=r"have none: set labelled=True"):
        labelled_images({"data_root": str(folder / "data"), "labelled": False})
    with pytest.raises(ValueError, match="must be positive, or 0 for all; got -1"):
        some(folder, encoder, limit=-1)


def test_classes_must_agree(tmp_path):
    write_classes(tmp_path, "train", 1, ("cat", "cow", "dog"))
    write_classes(tmp_path, "val", 1, ("cat", "dog", "eel"))
    train, val = ({"data_root": str(tmp_path), "split": split} for split in ("train", "val"))
    with pytest.raises(ValueError, match=r"only '.*train' has 'cow'; only '.*val' has 'eel'. Give both folders"):
        labelled_pair(train, val, [])
    chosen = ["dog", "cat", "cow", "eel"]
    with pytest.raises(ValueError, match="the same classes in another order"):
        labelled_pair({**train, "classes": chosen}, {**val, "classes": sorted(chosen)}, [])


def test_checkpoints_that_can_not_serve(folder):
    content = torch.load(folder / "mirl.pth", weights_only=False)
    bare, decoder, other = (folder / name for name in ("bare.pth", "decoder.pth", "other.pth"))
    torch.save(content["state_dict"], bare)
    with pytest.raises(ValueError, match="holds no config: give the config file"):
        load_encoder(bare)
    small = {key: value for key, value in content["state_dict"].items() if not key.startswith("backbone.blocks.3")}
    torch.save({**content, "state_dict": small}, other)
    with pytest.raises(ValueError, match=r"does not fit the backbone of its config: .* missing: blocks.3"):
        load_encoder(other)
    rest = {key: value for key, value in content["state_dict"].items() if not key.startswith("backbone.")}
    torch.save({**content, "state_dict": rest}, decoder)
    with pytest.raises(ValueError, match=re.escape(str(decoder))):
        load_encoder(decoder)
    with pytest.raises(FileNotFoundError, match=r"no config file 'nowhere.py'"):
        load_encoder(bare, "nowhere.py")
    config = ROOT / "configs/pretrain/mirl_tiny24_64px.py"
    with pytest.raises(ValueError, match="does not fit the backbone of its config"):
        load_encoder(bare, config)
