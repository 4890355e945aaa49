"""The core works without mmcv, mmdet and mmseg."""

import json
import sys
from pathlib import Path

import pytest

from tests.training import ROOT, run_tool, small_config, write_images

BLOCK = """
import sys
for name in ("mmcv", "mmcv.ops", "mmdet", "mmseg"):
    sys.modules[name] = None
"""


def test_training_with_those_imports_blocked(tmp_path):
    root = write_images(tmp_path / "data", 8)
    small_config(root, tmp_path / "run").dump(tmp_path / "config.py")
    code = (
        f"{BLOCK}\nimport runpy\nsys.argv = ['train.py', {str(tmp_path / 'config.py')!r}]\n"
        f"runpy.run_path({str(ROOT / 'tools/train.py')!r}, run_name='__main__')"
    )
    outcome = run_tool("-c", code)
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    assert (tmp_path / "run" / "epoch_2.pth").exists()


def test_every_module_imports_with_those_blocked():
    package = ROOT / "mirl_mm"
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in package.rglob("*.py")
        if not any(part.endswith("_parts") for part in path.parts)  # which are for mmdet and mmseg
    )
    code = f"{BLOCK}\nimport importlib, json\nfor name in {names!r}:\n    importlib.import_module(name)\nprint('fine')"
    outcome = run_tool("-c", code)
    assert outcome.stdout.strip().endswith("fine"), outcome.stderr[-2000:]


@pytest.mark.parametrize(("task", "library"), [("detection", "mmdet"), ("segmentation", "mmseg")])
def test_tasks_say_what_they_lack(task, library):
    outcome = run_tool("-c", f"{BLOCK}\nimport mirl_mm.{task}.{library}_parts")
    assert f"{task} needs mmcv and {library}" in outcome.stderr
    assert f"pip install 'mirl_mm[{task[:3]}]'" in outcome.stderr


def test_importing_the_package_is_cheap():
    code = "import sys, json, mirl_mm; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(run_tool("-c", code).stdout)
    assert not {"torch", "mmengine", "timm"} & set(modules)


def test_layers_know_no_registry():
    for path in (ROOT / "mirl_mm/models/layers").glob("*.py"):
        assert "registry" not in Path(path).read_text(), path.name
    assert sys.version_info >= (3, 10)
