"""detectron2's ViTDet files, as its model zoo and its trainings have them."""

import pickle

import numpy as np
import pytest
import torch

from mirl_mm import DeepViT
from mirl_mm.checkpoint import read_any
from mirl_mm.models.backbones.head_count import stated_heads, usual_heads
from mirl_mm.models.necks import SimpleFPN
from tests.golden import Golden

HEADS = {
    "roi_heads.box_predictor.cls_score.weight": np.ones((3, 4), np.float32),
    "proposal_generator.rpn_head.conv.conv0.bias": np.ones(4, np.float32),
    "pixel_mean": np.ones((3, 1, 1), np.float32),
}
SETTINGS = {
    "arch": {"depth": 4, "embed_dims": 48, "num_heads": 3},
    "img_size": (128, 128),
    "pretrain_img_size": (64, 64),
    "pos_embed": "learned",
    "final_norm": False,
    "class_token": False,
    "window_size": 4,
    "use_rel_pos": True,
    "global_attn_indexes": (1, 3),
}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("vitdet_square_w48")


@pytest.fixture(scope="module")
def detector(golden) -> dict[str, np.ndarray]:
    """A detector's names and arrays."""
    return {f"backbone.{name}": np.array(array) for name, array in golden.param.items()} | HEADS


@pytest.fixture(scope="module")
def zoo(detector, tmp_path_factory):
    """A file of the model zoo."""
    path = tmp_path_factory.mktemp("zoo") / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": detector, "__author__": "Detectron2 Model Zoo"}))
    return path


def test_model_zoo(zoo, golden):
    weights = read_any(zoo)
    assert weights.origin == "detectron2's ViTDet (pickle file)"
    assert (weights.layout, weights.progress) == ("vitdet", "")
    assert weights.dropped == ("__author__", "proposal_generator.*", "roi_heads.*")
    model = torch.nn.ModuleDict({"backbone": DeepViT(**SETTINGS), "neck": SimpleFPN(48, 32)}).eval()
    model.load_state_dict(weights.state)
    with torch.no_grad():
        levels = model["neck"](model["backbone"](golden.images))
    torch.testing.assert_close(levels[0], golden.output("p2"), rtol=0, atol=1e-4)


def test_a_training_of_detectron2(detector, zoo, tmp_path):
    state = {name: torch.from_numpy(array) for name, array in detector.items()}
    torch.save({"model": state, "optimizer": {}, "iteration": 4999}, tmp_path / "model_0004999.pth")
    weights = read_any(tmp_path / "model_0004999.pth")
    assert (weights.origin, weights.progress) == ("detectron2's ViTDet (torch file)", "iteration 4999")
    expected = read_any(zoo).state
    assert weights.state.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights.state.items())


def test_a_backbone_starts_from_it(zoo):
    model = DeepViT(**SETTINGS, init_cfg={"type": "Pretrained", "checkpoint": str(zoo)})
    model.init_weights()
    expected = read_any(zoo).state
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[f"backbone.{name}"]), name


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (1280, 16)])
def test_attention_heads_of_its_vits(width, heads, tmp_path):
    block = {"net.blocks.0.attn.qkv.weight": np.ones(3), "net.blocks.0.norm1.weight": np.ones(width)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": block, "__author__": "x"}))
    weights = read_any(tmp_path / "a.pkl")
    assert (stated_heads(weights), usual_heads(weights)) == (None, heads)


def test_other_names_are_said(detector, tmp_path):
    content = {"model": {**detector, "backbone.net.head.weight": np.ones(2)}, "__author__": "x"}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(
        ValueError, match=r"a\.pkl' can't be used: 'backbone\.net\.head\.weight' is no name of detectron2"
    ):
        read_any(tmp_path / "a.pkl")
    (tmp_path / "r.pkl").write_bytes(pickle.dumps({"model": {"backbone.stem.weight": np.ones(2)}, "__author__": "x"}))
    with pytest.raises(ValueError, match=r"r\.pkl' can't be used: the layout .* Known are: .*detectron2's ViTDet; "):
        read_any(tmp_path / "r.pkl")
