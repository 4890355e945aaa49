"""ONNX files: their numbers, free batch, metadata, and no file where something is wrong."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mirl_mm import DeepViT
from mirl_mm.export import onnx as onnx_side
from mirl_mm.export import open_source
from mirl_mm.export.onnx import export_onnx
from tests.export.checkpoints import classifier, pretrainer, write
from tests.models.timm_cases import KINDS

pytestmark = pytest.mark.usefixtures("device")


def run(path, images: torch.Tensor) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(str(path)).run(None, {"images": images.numpy()})


def test_classifier(tmp_path):
    model = write(tmp_path / "epoch_3.pth", classifier())
    done = export_onnx(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.onnx")
    assert done.inputs == {"images": ["batch", 3, 32, 48]} and done.outputs == {"scores": ["batch", 5]}
    assert done.differences.keys() == {1, 3} and max(done.differences.values()) < 1e-5
    for batch in (1, 5):
        images = torch.randn(batch, 3, 32, 48)
        np.testing.assert_allclose(run(done.path, images)[0], model(images).detach().numpy(), rtol=0, atol=1e-5)
    said = {item.key: item.value for item in onnx.load(done.path).metadata_props}
    assert json.loads(said["mean"]) == [0.485, 0.456, 0.406] and said["weights"].startswith("the trained weights")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "epoch_3.pth"]


def test_backbone_at_another_size(tmp_path):
    write(tmp_path / "epoch_3.pth", pretrainer())
    source = open_source(tmp_path / "epoch_3.pth")
    done = export_onnx(source, tmp_path / "a.onnx", features=(0, -1), img_size=(16, 64))
    images = torch.randn(2, 3, 16, 64)
    expected = source.backbone(img_size=(16, 64), out_indices=(0, 1))(images)
    assert done.outputs == {"map_0": ["batch", 24, 2, 8], "map_1": ["batch", 24, 2, 8]}
    for got, wanted in zip(run(done.path, images), expected, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        "dinov3, rotary",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "dinov3, rotary"),
    ],
)
def test_backbones_of_timm(kind, tmp_path):
    name, options = KINDS[kind]
    backbone = {"type": "TimmViT", "model_name": name, "timm_kwargs": options, "img_size": (64, 80)}
    write(tmp_path / "epoch_3.pth", {**classifier(), "backbone": backbone, "mixup": None})
    source = open_source(tmp_path / "epoch_3.pth")
    done = export_onnx(source, tmp_path / "a.onnx", part="backbone", features=(0, -1))
    images = torch.randn(2, 3, 64, 80)
    expected = source.backbone(out_indices=(0, 1))(images)
    for got, wanted in zip(run(done.path, images), expected, strict=True):
        np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_other_kinds_of_features():
    backbone = DeepViT({"depth": 1, "embed_dims": 8, "num_heads": 2}, img_size=(32, 32)).eval()
    images = torch.randn(2, 3, 32, 32)
    (tokens,) = onnx_side._Outputs(backbone, "tokens")(images)
    (token,) = onnx_side._Outputs(backbone, "class")(images)
    (mean,) = onnx_side._Outputs(backbone, "mean")(images)
    assert tokens.shape == (2, 5, 8) and torch.equal(token, tokens[:, 0])
    torch.testing.assert_close(mean, backbone(images)[0].flatten(2).mean(dim=2))


def test_other_numbers_leave_no_file(tmp_path, monkeypatch):
    write(tmp_path / "epoch_3.pth", classifier())
    convert = onnx_side._convert

    def wrong(wrapper, shape, names):
        program = convert(wrapper, shape, names)
        bias = wrapper.model.head.fc.bias  # replaced: changed in place, it would change in the program, too
        wrapper.model.head.fc.bias = torch.nn.Parameter(bias + 0.1)
        return program

    monkeypatch.setattr(onnx_side, "_convert", wrong)
    with pytest.raises(
        ValueError, match=r"onnxruntime's scores of 1 random images differs from ours by .*allowed: 0.0001"
    ):
        export_onnx(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_3.pth"]


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("a.pth", {}, "must end in .onnx"),
        ("a.onnx", {"part": "classifier"}, "holds no classifier (its model is MIRL)"),
        ("a.onnx", {"part": "all"}, "part must be one of backbone, classifier, got 'all'"),
        ("a.onnx", {"kind": "patch"}, "kind must be one of map, tokens, class, mean, got 'patch'"),
        ("a.onnx", {"features": (2,)}, "out_indices must rise within the 2 blocks"),
        ("a.onnx", {"img_size": (30, 48)}, "image height 30 is not divisible by the patch height 8"),
    ],
)
def test_refused(tmp_path, out, options, message):
    write(tmp_path / "epoch_3.pth", pretrainer())
    source = open_source(tmp_path / "epoch_3.pth")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        export_onnx(source, tmp_path / out, **options)
    assert message in str(error.value)
    assert not (tmp_path / out).exists()


def test_too_large_for_one_file(tmp_path, monkeypatch):
    write(tmp_path / "epoch_3.pth", classifier())
    monkeypatch.setattr(onnx_side, "LARGEST", 1000)
    with pytest.raises(ValueError, match="one ONNX file holds less than 2 GB"):
        export_onnx(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.onnx")


def test_missing_packages(tmp_path, monkeypatch):
    write(tmp_path / "epoch_3.pth", classifier())
    monkeypatch.setattr(onnx_side, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(ImportError, match=r"needs onnxscript: pip install 'mirl_mm\[onnx\]'"):
        export_onnx(open_source(tmp_path / "epoch_3.pth"), tmp_path / "a.onnx")
