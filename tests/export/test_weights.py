"""Files of weights: what is in them, and that timm and we read the same from them."""

import hashlib
import json

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import mirl_mm.timm as ours
from mirl_mm.checkpoint import read_any
from mirl_mm.export import export_weights, open_source
from mirl_mm.export import timm_model as timm_side
from tests.export.checkpoints import classifier, pretrainer, write

HEADS = {
    "mean, norm after it": classifier(),
    "mean, norm before it": classifier(norm=False, final_norm=True),
    "mean, no norm": classifier(norm=False),
    "class token": classifier("token", norm=False, final_norm=True),
    "class token, norm after it": classifier("token"),
}


def equal(left: dict, right: dict) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("model", HEADS.values(), ids=HEADS)
def test_classifier_to_timm_and_back(tmp_path, model):
    expected = write(tmp_path / "epoch_3.pth", model)
    written = export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "timm.safetensors")
    assert equal(read_any(written.path).state, expected.state_dict())
    options = json.loads(written.metadata["timm_arguments"])
    by_call = timm.create_model(written.metadata["timm_model"], checkpoint_path=str(written.path), **options).eval()
    images = torch.randn(2, 3, 32, 48)
    torch.testing.assert_close(by_call(images), expected(images), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.load(written.path).eval()(images), expected(images), rtol=0, atol=1e-6)


def test_pretrained_backbone_to_timm_and_back(tmp_path):
    expected = write(tmp_path / "epoch_3.pth", pretrainer()).backbone
    written = export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "timm.safetensors")
    assert written.metadata["part"] == "backbone" and written.tensors == len(expected.state_dict())
    state = {f"backbone.{name}": tensor for name, tensor in expected.state_dict().items()}
    assert equal(read_any(written.path).state, state)
    images = torch.randn(2, 3, 32, 48)
    model = ours.load(written.path).eval()
    torch.testing.assert_close(model.forward_features(images), expected.forward_tokens(images)[-1], rtol=0, atol=1e-6)
    maps = ours.load(written.path, features_only=True, out_indices=(0,)).eval()(images)
    first = expected.run_blocks(expected.embed(images), 0, 1)[:, 1:].transpose(1, 2).unflatten(2, (4, 6))
    torch.testing.assert_close(maps, [first], rtol=0, atol=1e-6)
    assert ours.load(written.path, num_classes=7, global_pool="avg")(images).shape == (2, 7)


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_linear_probe_has_its_batch_norm_folded(tmp_path, pool):
    expected = write(tmp_path / "epoch_3.pth", classifier(pool, final_norm=True, head="LinearProbeHead"))
    written = export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "timm.safetensors")
    images = torch.randn(4, 3, 32, 48)
    scores = expected(images)
    assert scores.std() > 0.1
    torch.testing.assert_close(ours.load(written.path).eval()(images), scores, rtol=1e-5, atol=1e-5)


def test_two_norms_have_no_place_in_timm(tmp_path):
    write(tmp_path / "epoch_3.pth", classifier(final_norm=True))
    source = open_source(tmp_path / "epoch_3.pth")
    with pytest.raises(ValueError, match="final_norm and the head's norm are both on"):
        export_weights(source, tmp_path / "x.safetensors")
    assert export_weights(source, tmp_path / "x.safetensors", "mirl").path.exists()


def test_a_backbone_of_windows_has_no_place_in_timm(tmp_path):
    model = classifier() | {"mixup": None}
    model["backbone"] |= {"class_token": False, "window_size": 2, "global_attn_indexes": [1]}
    write(tmp_path / "epoch_3.pth", model)
    with pytest.raises(ValueError, match="no backbone without class token"):
        export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "x.safetensors")


def test_another_network_in_timm_is_noticed(tmp_path, monkeypatch):
    write(tmp_path / "epoch_3.pth", pretrainer())
    call = timm_side.timm_call
    wrong = {"num_heads": 2}  # loads without an error: no shape depends on it
    monkeypatch.setattr("mirl_mm.export.weights.timm_call", lambda model: (call(model)[0], call(model)[1] | wrong))
    with pytest.raises(ValueError, match=r"differs from ours by \d"):
        export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_tensors_and_text_only(tmp_path):
    model = write(tmp_path / "epoch_3.pth", classifier())
    source = open_source(tmp_path / "epoch_3.pth")
    export_weights(source, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        said = file.metadata()
        assert file.get_tensor("head.weight").shape == (5, 24)
    numbers = {key: json.loads(said[key]) for key in ("depth", "embed_dims", "num_heads", "patch_size", "img_size")}
    assert numbers == {"depth": 2, "embed_dims": 24, "num_heads": 3, "patch_size": [8, 8], "img_size": [32, 48]}
    assert json.loads(said["mean"]) == [0.485, 0.456, 0.406] and json.loads(said["num_classes"]) == 5
    assert said["source"] == "epoch_3.pth, epoch 3" and str(tmp_path) not in str(said)
    export_weights(source, tmp_path / "a.pth", "mirl")
    content = torch.load(tmp_path / "a.pth", weights_only=True)
    assert content.keys() == {"state_dict", "meta"} and equal(content["state_dict"], model.state_dict())
    assert all(isinstance(value, str) for value in content["meta"].values())


def test_our_layout(tmp_path):
    model = write(tmp_path / "epoch_3.pth", pretrainer())
    source = open_source(tmp_path / "epoch_3.pth")
    export_weights(source, tmp_path / "all.safetensors", "mirl", "all")
    assert equal(load_file(tmp_path / "all.safetensors"), model.state_dict())
    export_weights(source, tmp_path / "backbone.safetensors", "mirl")
    assert equal(
        {
            name.removeprefix("backbone."): tensor
            for name, tensor in load_file(tmp_path / "backbone.safetensors").items()
        },
        model.backbone.state_dict(),
    )
    heads = read_any(tmp_path / "backbone.safetensors").meta["num_heads"]
    assert int(heads) == 3


def test_hash_in_the_name(tmp_path):
    write(tmp_path / "epoch_3.pth", pretrainer())
    written = export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.safetensors", name_by_hash=True)
    digits = hashlib.sha256(written.path.read_bytes()).hexdigest()[:8]
    assert written.path.name == f"a-{digits}.safetensors"
    assert [path.name for path in tmp_path.glob("a*")] == [written.path.name]


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("a.onnx", {}, "must end in .safetensors or .pth"),
        ("a.pth", {"part": "classifier"}, "holds no classifier (its model is MIRL)"),
        ("a.pth", {"part": "decoder"}, "part must be one of backbone, classifier, all, got 'decoder'"),
        ("a.pth", {"part": "all"}, "timm's layout has a backbone and a linear head only"),
        ("a.pth", {"layout": "mae"}, "layout must be one of timm, mirl, got 'mae'"),
    ],
)
def test_refused(tmp_path, out, options, message):
    write(tmp_path / "epoch_3.pth", pretrainer())
    source = open_source(tmp_path / "epoch_3.pth")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        export_weights(source, tmp_path / out, **options)
    assert message in str(error.value)
    assert not (tmp_path / out).exists()


def test_a_backbone_that_is_no_deep_vit(tmp_path):
    write(tmp_path / "other.pth", pretrainer())
    (tmp_path / "other.py").write_text("model = dict(type='ImageClassifier', backbone=dict(type='ResNet'))")
    source = open_source(tmp_path / "other.pth", config=tmp_path / "other.py")
    with pytest.raises(ValueError, match="is ResNet: only plain ones such as DeepViT"):
        export_weights(source, tmp_path / "a.pth", part="backbone")


def test_files_that_timm_load_refuses(tmp_path):
    write(tmp_path / "epoch_3.pth", pretrainer())
    with pytest.raises(FileNotFoundError):
        ours.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        ours.load(tmp_path / "epoch_3.pth")
    export_weights(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.safetensors", "mirl")
    with pytest.raises(ValueError, match="does not say which model of timm it is for"):
        ours.load(tmp_path / "a.safetensors")
