"""Python of README and docs: programs are run in the workspace, configs are read."""

import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mirl_mm.engine.cfg_options import check_options
from mirl_mm.engine.cfg_options_variables import settings
from mirl_mm.engine.launch import load_config
from mirl_mm.engine.training_length import set_length
from tests.docs.fences import Fence, fences
from tests.docs.running import in_workspace
from tests.docs.workspace import make_workspace, provide

FENCES = list(fences("python"))
CONFIGS = [fence for fence in FENCES if re.search(r"^_base_ =", fence.text, re.MULTILINE)]
PROGRAMS = [fence for fence in FENCES if fence not in CONFIGS]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def marks(fence: Fence) -> list[pytest.MarkDecorator]:
    needs = {"det": ("DetectInferencer", "_coco", "Det"), "seg": ("SegmentInferencer", "_ade20k")}
    return [getattr(pytest.mark, task) for task, words in needs.items() if any(word in fence.text for word in words)]


def parameters(chosen: list[Fence]) -> list:
    return [pytest.param(fence, id=fence.place, marks=marks(fence)) for fence in chosen]


def test_there_are_both():
    assert len(CONFIGS) > 3 and len(PROGRAMS) > 5


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.place)
def test_marks_are_known(fence: Fence):
    assert fence.marks in ((), ("compiled",))
    compile(fence.text, fence.place, "exec")


@pytest.mark.parametrize("fence", parameters([fence for fence in PROGRAMS if not fence.marks]))
def test_runs(fence: Fence, workspace, monkeypatch):
    for name in re.findall(r'"([^"\n]+\.pth)"', fence.text):
        provide(workspace, name)
    in_workspace(monkeypatch, workspace)
    monkeypatch.setattr("mirl_mm.engine.training.set_length", briefly)
    text = re.sub(r'"cuda(:0)?"', '"cpu"', fence.text)
    exec(compile(text, fence.place, "exec"), {"__name__": "docs"})


def briefly(cfg: Config, *asked: Any) -> None:
    """In place of another length: one epoch, or two iterations."""
    set_length(cfg, **({"epochs": 1} if "max_epochs" in cfg.train_cfg else {"iters": 2}))


@pytest.mark.parametrize("fence", parameters([fence for fence in CONFIGS if not fence.marks]))
def test_config_is_read(fence: Fence, workspace, monkeypatch):
    """As with --cfg-options, every key has to be one that is read."""
    monkeypatch.chdir(workspace)
    (base,) = re.findall(r'^_base_ = "(.*?)"', fence.text, re.MULTILINE)
    folder = next(
        folder
        for folder in sorted([*Path("configs").iterdir(), Path("my")])
        if base.startswith("mirl_mm::") or (folder / base).is_file()
    )
    path = folder / "of_the_documentation.py"
    path.write_text(fence.text)
    namespace: dict = {}
    exec(fence.text, namespace)
    cfg = load_config(path)
    plain = load_config(base if base.startswith("mirl_mm::") else folder / base)
    read = settings() & plain.keys()  # the file's own variables are read by the file
    check_options(plain, dict.fromkeys(dotted({name: namespace[name] for name in namespace if name in read})))
    assert cfg.filename == str(path)


def dotted(values: dict, prefix: str = "") -> list[str]:
    """Keys of nested tables, joined by dots; a table that replaces its base's counts as one."""
    found = []
    for key, value in values.items():
        inside = isinstance(value, dict) and value and not {"type", "_delete_"} & value.keys()
        found += dotted(value, f"{prefix}{key}.") if inside else [f"{prefix}{key}"]
    return found
