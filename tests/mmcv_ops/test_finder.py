"""Where mmcv's ops come from: a compiled module wins; where there is none, torchvision's are served."""

import importlib
import sys
from importlib.machinery import PathFinder

import mmcv
import pytest

import mirl_mm
from mirl_mm.mmcv_ops import source
from mirl_mm.mmcv_ops.finder import ExtFinder


@pytest.fixture
def no_module(monkeypatch):
    """As if no op had been asked for yet in this process."""
    monkeypatch.delitem(sys.modules, "mmcv._ext", raising=False)
    monkeypatch.setattr(mmcv, "_ext", None, raising=False)


def test_a_compiled_module_wins(no_module, monkeypatch, tmp_path):
    (tmp_path / "_ext.py").write_text("def nms(*args): ...\n")
    monkeypatch.setattr(mmcv, "__path__", [str(tmp_path), *mmcv.__path__])
    assert source() == "compiled"
    assert importlib.import_module("mmcv._ext").__file__ == str(tmp_path / "_ext.py")
    assert source() == "compiled"


def test_torchvision_serves_where_there_is_none(no_module, monkeypatch, tmp_path):
    monkeypatch.setattr(mmcv, "__path__", [str(tmp_path)])
    assert source() == "torchvision"
    assert importlib.import_module("mmcv._ext").nms.__module__.startswith("mirl_mm.mmcv_ops")
    assert source() == "torchvision"


def test_the_finder_is_there_once_and_behind_what_looks_into_folders():
    importlib.reload(mirl_mm)
    ours = [i for i, finder in enumerate(sys.meta_path) if isinstance(finder, ExtFinder)]
    assert len(ours) == 1 and ours[0] > sys.meta_path.index(PathFinder)
