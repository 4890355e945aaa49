"""Memory of training detectors and segmentors, and tools/analysis_tools/training_memory.py."""

from pathlib import Path

import pytest

from mirl_mm.analysis.memory import training_memory
from mirl_mm.engine.launch import load_config
from tests.detection.small import small_detector
from tests.training import ROOT, run_here, small_config

HERE = Path()


@pytest.mark.det
def test_a_detectors_recomputation_keeps_less():
    pytest.importorskip("mirl_mm.detection", exc_type=ImportError)
    plain, recomputed = (
        training_memory(small_detector(HERE, HERE, model__backbone__with_cp=cp).model, "mmdet") for cp in (False, True)
    )
    assert plain[:2] == recomputed[:2] and 0 < recomputed.activations < plain.activations
    assert plain.parameters == plain.trained and plain.states == 16 * plain.parameters
    more = small_detector(HERE, HERE, model__train_cfg__rcnn__sampler__num=16)
    assert training_memory(more.model, "mmdet").activations > plain.activations


@pytest.mark.seg
def test_a_segmentors_heads_and_frozen_backbone():
    pytest.importorskip("mirl_mm.segmentation", exc_type=ImportError)
    model = load_config(ROOT / "configs/seg/mirl_vitb_ade20k.py").model
    whole = training_memory(model, "mmseg")
    alone = training_memory({**model, "auxiliary_head": None}, "mmseg")
    frozen = training_memory({**model, "freeze_backbone": True}, "mmseg")
    assert alone.parameters < whole.parameters and alone.activations < whole.activations
    assert frozen.parameters == whole.parameters and frozen.trained < whole.trained
    assert frozen.activations < whole.activations


@pytest.mark.det
def test_tool(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mirl_mm.detection", exc_type=ImportError)
    monkeypatch.setenv("COLUMNS", "200")
    small_detector(HERE, HERE).dump(tmp_path / "detector.py")
    small_config(HERE, HERE).dump(tmp_path / "pretrain.py")
    tool = "tools/analysis_tools/training_memory.py"
    run_here(monkeypatch, tool, tmp_path / "detector.py", "--batch-sizes", "1", "4")
    shown = capsys.readouterr().out
    assert "batch 4" in shown and "detector" in shown and "computed, not measured" in shown
    with pytest.raises(SystemExit, match=r"pretrain\.py: the config's model is MIRL, no detector or segmentor"):
        run_here(monkeypatch, tool, tmp_path / "pretrain.py")
