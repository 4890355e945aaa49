"""Of the config that came with a checkpoint, nothing but registered parts is built."""

import re
import runpy
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from PIL import Image
from torch import nn

import mirl_mm
from mirl_mm.checkpoint import Weights
from mirl_mm.checkpoint.embedded_config import building, own_config
from mirl_mm.classification.inferencer import ClassifyInferencer
from mirl_mm.engine.launch import load_config
from mirl_mm.probing.inferencer import FeatureInferencer
from mirl_mm.registry import MODELS
from tests.strangers import canary, classifier_config, exploits, forget_canary, unread, write_checkpoint
from tests.training import ROOT

NAMES = list(exploits(ROOT))


@pytest.fixture(scope="module")
def config():
    return classifier_config()


@pytest.fixture
def sung(tmp_path, monkeypatch):
    """The file that shows that something ran; the canary can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield canary(tmp_path)
    forget_canary(sys.modules)


@pytest.fixture
def evil(config, sung, tmp_path):
    """A checkpoint with a change of its config."""

    def write(change):
        changed = Config(config._cfg_dict.to_dict())
        change(changed)
        return write_checkpoint(tmp_path / "evil.pth", changed)

    return write


def test_the_canary_sings(sung):
    with pytest.raises(TypeError):
        MODELS.build({"type": "canary.parts.Thing", "a": 1})  # what mmengine does with a class path
    assert sung.exists()


@pytest.mark.parametrize("name", NAMES)
def test_strange_parts_are_refused(evil, sung, name):
    path = evil(exploits(sung)[name])
    with pytest.raises(ValueError, match=r"checkpoint '.*evil\.pth' is refused, and nothing of it was run: its config"):
        ClassifyInferencer(path, device="cpu")
    with pytest.raises(ValueError, match=r"evil\.pth' is refused"):
        FeatureInferencer(path, device="cpu")
    assert not sung.exists()


@pytest.mark.parametrize("name", list(unread(ROOT)))
def test_what_is_never_built_does_no_harm(evil, sung, name):
    infer = ClassifyInferencer(evil(unread(sung)[name]), device="cpu")
    assert len(infer(np.zeros((64, 64, 3), np.uint8))["predictions"]) == 1
    assert not sung.exists()


def test_the_message(evil, sung):
    with pytest.raises(ValueError, match="is refused") as caught:
        ClassifyInferencer(evil(exploits(sung)["backbone"]), device="cpu")
    assert re.fullmatch(
        r"checkpoint '.*evil\.pth' is refused, and nothing of it was run: its config has 'os\.system' in "
        r"model\.backbone\.type, which is no registered part of mirl_mm, mmengine, mmdet, mmseg; for parts of your "
        r"own, give the config file that names their module in custom_imports \(--config FILE, or the inferencer's "
        r"model\), or import the module first",
        str(caught.value),
    )


TOOLS = {
    "tools/visualization/infer.py": ["{file}", "{images}"],
    "tools/visualization/infer.py ": ["{file}", "{images}", "--features", "{out}.npz"],
    "tools/model_converters/export_weights.py": ["{file}", "{out}.safetensors"],
    "tools/analysis_tools/depth_probe.py": ["{file}", "--data-root", "{images}", "--out-dir", "{out}", "--random"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_refuse_it(evil, sung, tmp_path, monkeypatch, tool):
    path = evil(exploits(sung)["backbone"])
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    places = {"file": path, "images": tmp_path, "out": tmp_path / "out"}
    monkeypatch.setattr("sys.argv", [tool, *(word.format(**places) for word in TOOLS[tool])])
    with pytest.raises(SystemExit, match=r"^error: checkpoint .*evil\.pth' is refused.*os\.system"):
        runpy.run_path(str(ROOT / tool.strip()), run_name="__main__")
    assert not sung.exists()


def test_weights_of_a_strange_config_can_be_imported(evil, sung, tmp_path, monkeypatch):
    """What builds nothing takes the tensors."""
    path = evil(exploits(sung)["backbone"])
    words = ["import_weights.py", str(path), str(tmp_path / "out.safetensors"), "--num-heads", "2"]
    monkeypatch.setattr("sys.argv", words)
    runpy.run_path(str(ROOT / "tools/model_converters/import_weights.py"), run_name="__main__")
    assert (tmp_path / "out.safetensors").exists() and not sung.exists()


def test_parts_of_ones_own_once_they_are_registered(evil, config):
    path = evil(lambda cfg: cfg.model.head.__setitem__("type", "OwnHead"))
    with pytest.raises(ValueError, match=r"'OwnHead' in model\.head\.type, which is no registered part"):
        ClassifyInferencer(path, device="cpu")

    own = type("OwnHead", (MODELS.get("LinearClsHead"),), {})
    MODELS.register_module(module=own)
    try:
        assert isinstance(ClassifyInferencer(path, device="cpu").model.head, own)
    finally:
        del MODELS._module_dict["OwnHead"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dims": 100_000}, "its model is many times larger than its weights"),
        ({"depth": 100_000}, "its model is many times larger than its weights"),
        ({"depth": 10**9}, r"a number beyond 10,000,000 in model\.backbone\.arch\.depth"),
        ({"depth": "two"}, r"no model can be built from its config: "),
        ({"num_heads": 0}, r"no model can be built from its config: "),
    ],
)
def test_settings_that_make_no_model(evil, change, message):
    path = evil(lambda cfg: cfg.model.backbone.arch.update(change))
    with pytest.raises(ValueError, match=rf"checkpoint '.*evil\.pth'.*{message}"):
        ClassifyInferencer(path, device="cpu")


def test_nothing_is_imported_while_parts_are_built(sung, tmp_path):
    with pytest.raises(ValueError, match=r"a\.pth': no model can be built"), building(tmp_path / "a.pth", {}):
        MODELS.build({"type": "canary.parts.Thing"})
    assert not sung.exists()
    assert isinstance(MODELS.build({"type": "torch.nn.ReLU"}), nn.ReLU)  # of a config that was trusted


CONFIGS = ["pretrain/mirl_vitb48_in1k.py", "pretrain/mae_vitb_in1k.py", "cls/mirl_vitb48_in1k.py"]


@pytest.mark.parametrize(
    "name",
    [
        *CONFIGS,
        pytest.param("det/mirl_vitb_coco.py", marks=pytest.mark.det),
        pytest.param("seg/mirl_vitb_ade20k.py", marks=pytest.mark.seg),
    ],
)
def test_our_own_configs_are_taken(name):
    if name[:3] in ("det", "seg"):
        pytest.importorskip("mmdet" if name[:3] == "det" else "mmseg", exc_type=ImportError)
    cfg = load_config(ROOT / "configs" / name)
    found = own_config(Weights({}, cfg), "a.pth")
    assert found.model.backbone.type == cfg.model.backbone.type
    assert "init_cfg" not in found.model.backbone


@pytest.mark.det
def test_an_evaluated_operation_of_a_detector():
    """mmcv evaluates the type of ``test_cfg.nms``."""
    pytest.importorskip("mmdet", exc_type=ImportError)
    cfg = load_config(ROOT / "configs/det/mirl_vitb_coco.py")
    cfg.model.test_cfg.rcnn.nms = ConfigDict(type="print(1)", iou_threshold=0.5)
    with pytest.raises(ValueError, match=r"'print\(1\)' in model\.test_cfg\.rcnn\.nms\.type, which is no registered"):
        own_config(Weights({}, cfg), "a.pth")


def test_mmengine_reads_without_pickles_of_any_kind(tmp_path):
    """For the backbones of other packages, whose weights mmengine loads."""
    from mmengine.runner import load_checkpoint

    from tests.checkpoint.test_read_weights import Call

    made = tmp_path / "made"
    state = {"weight": torch.ones(2, 2), "bias": torch.ones(2)}
    evil = Call(exec, f"open({str(made)!r}, 'a').close()")
    torch.save({"state_dict": state, "meta": {"evil": evil}}, tmp_path / "a.pth")
    layer = nn.Linear(2, 2)
    load_checkpoint(layer, str(tmp_path / "a.pth"))
    assert layer.weight.sum() == 4 and not made.exists()


@pytest.mark.parametrize(
    "kind",
    [
        "ReconstructInferencer",
        pytest.param("DetectInferencer", marks=pytest.mark.det),
        pytest.param("SegmentInferencer", marks=pytest.mark.seg),
    ],
)
def test_the_other_inferencers(evil, sung, kind):
    if kind != "ReconstructInferencer":
        pytest.importorskip("mmdet" if kind == "DetectInferencer" else "mmseg", exc_type=ImportError)
    path = evil(exploits(sung)["_scope_"])
    with pytest.raises(ValueError, match=r"evil\.pth' (is refused|has no decoder)"):
        getattr(mirl_mm, kind)(path, device="cpu")
    assert not sung.exists()
