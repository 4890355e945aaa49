"""Memory of training, and tools/analysis_tools/training_memory.py."""

from pathlib import Path

import pytest
import torch

from mirl_mm.analysis.memory import activation_bytes, training_memory
from mirl_mm.analysis.saved_tensors import kept_bytes, storages
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import MODELS
from tests.detection.small import small_detector
from tests.training import ROOT, run_here, small_config

HERE = Path()


@pytest.mark.det
def test_a_detectors_recomputation_keeps_less():
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    plain, recomputed = (
        training_memory(small_detector(HERE, HERE).model, "mmdet", checkpointing=checkpointing)
        for checkpointing in (False, True)
    )
    assert plain[:2] == recomputed[:2] and 0 < recomputed.activations < plain.activations
    assert plain.parameters == plain.trained and plain.states == 16 * plain.parameters
    more = small_detector(HERE, HERE, model__train_cfg__rcnn__sampler__num=16)
    assert training_memory(more.model, "mmdet").activations > plain.activations


@pytest.mark.seg
def test_a_segmentors_heads_and_frozen_backbone():
    pytest.importorskip("mirl_mm.segmentation.mmseg_parts", exc_type=ImportError)
    model = load_config(ROOT / "configs/seg/mirl_vitb_ade20k.py").model
    whole = training_memory(model, "mmseg")
    alone = training_memory({**model, "auxiliary_head": None}, "mmseg")
    frozen = training_memory({**model, "freeze_backbone": True}, "mmseg")
    assert alone.parameters < whole.parameters and alone.activations < whole.activations
    assert frozen.parameters == whole.parameters and frozen.trained < whole.trained
    assert frozen.activations < whole.activations


@pytest.mark.det
def test_relative_positions_are_kept_as_the_device_computes_them():
    """On a GPU heads are widened by rows and columns; a CPU keeps them as they are."""
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    model = small_detector(HERE, HERE).model
    cpu, cuda = (training_memory(model, "mmdet", device).activations for device in ("cpu", "cuda"))
    assert cuda > 1.01 * cpu


@pytest.mark.det
def test_tool(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mirl_mm.detection.mmdet_parts", exc_type=ImportError)
    monkeypatch.setenv("COLUMNS", "200")
    small_detector(HERE, HERE).dump(tmp_path / "detector.py")
    small_config(HERE, HERE).dump(tmp_path / "pretrain.py")
    tool = "tools/analysis_tools/training_memory.py"
    run_here(monkeypatch, tool, tmp_path / "detector.py", "--batch-sizes", "1", "4")
    shown = capsys.readouterr().out
    assert "batch 4" in shown and "detector" in shown and "computed, not measured" in shown
    with pytest.raises(SystemExit, match=r"pretrain\.py: the config's model is MIRL, no detector or segmentor"):
        run_here(monkeypatch, tool, tmp_path / "pretrain.py")


def test_activations_with_recomputation():
    cfg = load_config(ROOT / "configs/pretrain/mirl_tiny24_64px.py")
    whole = activation_bytes(cfg.model, 4)
    recomputed = activation_bytes(cfg.model, 4, checkpointing=True)
    network = MODELS.build({**cfg.model, "data_preprocessor": None, "_scope_": "mirl_mm"}).train()
    backbone = network.backbone
    tokens = torch.zeros(4, 1 + network.visible, backbone.embed_dims, requires_grad=True)
    block = kept_bytes(lambda: backbone.blocks[3](tokens), storages(network))
    inputs = tokens.numel() * 4
    assert recomputed == pytest.approx(
        whole - 24 * (block - inputs) + block, rel=0.05
    )  # on the CPU, attention is another kernel
    assert recomputed < 0.6 * whole
    real = kept_bytes(lambda: network(torch.zeros(4, 3, 64, 64), mode="loss"), storages(network))
    assert whole == pytest.approx(real, rel=0.05)  # on the CPU, attention is another kernel
