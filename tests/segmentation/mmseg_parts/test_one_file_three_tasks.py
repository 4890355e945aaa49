"""One pre-trained file becomes a classifier's, a detector's and a segmentor's backbone, reported alike."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mirl_mm.engine.launch import set_pretrained
from mirl_mm.registry import MODELS
from tests.conftest import forget_runs
from tests.training import ROOT

ARCH = {"depth": 4, "embed_dims": 16, "num_heads": 2}
TASKS = {"cls": "shapes/mirl_cls_shapes.py", "det": "shapes/mirl_det_shapes.py", "seg": "shapes/mirl_seg_shapes.py"}


def config(path: str) -> Config:
    cfg = Config.fromfile(ROOT / "configs" / path)
    cfg.model.backbone.arch = ARCH
    return cfg


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A MIRL pre-training's checkpoint, and its weights."""
    cfg = config("shapes/mirl_pretrain_shapes.py")
    cfg.model.update(num_segments=2, decoder_embed_dims=16, decoder_num_heads=2)
    torch.manual_seed(3)
    weights = MODELS.build({**cfg.model, "_scope_": "mirl_mm"}).state_dict()
    path = tmp_path_factory.mktemp("pretrained") / "epoch_8.pth"
    torch.save({"state_dict": weights, "meta": {"cfg": cfg.pretty_text, "epoch": 8, "iter": 80}}, path)
    return path, weights


PARTS = {
    "cls": "mirl_mm.classification.registered",
    "det": "mirl_mm.detection.mmdet_parts",
    "seg": "mirl_mm.segmentation.mmseg_parts",
}


def loaded(task: str, path, capsys) -> tuple[torch.nn.Module, list[str]]:
    """The task's model after the initialisation that the runner does, and the lines about its weights."""
    pytest.importorskip(PARTS[task])
    forget_runs()
    cfg = config(TASKS[task])
    if task == "det":
        cfg.model.neck.in_channels = 16
    if task == "seg":
        cfg.model.backbone.update(img_size=(128, 128), use_rel_pos=True, out_indices=(3,))  # twice the pre-training's
        cfg.model.neck.in_channels = 16
    set_pretrained(cfg, str(path))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build({**cfg.model, "_scope_": cfg.default_scope} if task == "cls" else cfg.model)
    capsys.readouterr()
    model.init_weights()
    lines = [line for line in capsys.readouterr().out.splitlines() if f"DeepViT from {path}: " in line]
    return model, [line.partition(f"DeepViT from {path}: ")[2] for line in lines]


def test_all_three_take_the_same_weights_and_say_so_alike(pretrained, capsys):
    path, weights = pretrained
    found = {task: loaded(task, path, capsys) for task in TASKS}
    for task, (model, lines) in found.items():
        ours = model.backbone.state_dict()
        kept = {name for name in ours if "rel_pos" not in name and name != "pos_embed"}
        assert len(kept) >= 4 * 12 + 2
        assert all(torch.equal(ours[name], weights[f"backbone.{name}"]) for name in kept), task
        assert lines[0] == "a model with a DeepViT as backbone (torch file), epoch 8"
        assert lines[1].endswith("not the backbone's: decoders.* (56), embeds.* (6), norms.* (4)")
    reports = {task: re.split("; (?=[0-9])", lines[1])[:-1] for task, (_, lines) in found.items()}
    relative = "8 relative positions begin at zero, as the file has none"
    assert reports == {
        "cls": ["52 tensors fit"],
        "det": ["51 tensors fit", relative],  # without class token; positions are those of the pre-training
        "seg": ["50 tensors fit", "1 resized: pos_embed", relative],
    }
