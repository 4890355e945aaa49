import importlib
from functools import cache

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

#: Folders of tests, the mark of what is in them, and the package that it needs.
OPTIONAL = {
    "detection": ("det", "mirl_mm.detection"),
    "segmentation": ("seg", "mirl_mm.segmentation"),
    "mmcv_ops": ("det", "mmcv.ops"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need mmdet or mmseg are marked so, and skipped without it, saying so."""
    for item in items:
        if item.path.parent.name in OPTIONAL:
            mark, package = OPTIONAL[item.path.parent.name]
            item.add_marker(mark)
            if (reason := _missing(package)) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@cache
def _missing(package: str) -> str | None:
    try:
        importlib.import_module(package)
    except ImportError as error:
        return str(error)
    return None


@pytest.fixture(autouse=True)
def _forget_runs():
    """mmengine finds loggers by the experiment's name and second; two quick runs in one process would share them."""
    forget_runs()


def forget_runs() -> None:
    """Let the next run of this process have a logger, message hub, visualizer and scope of its own."""
    for kind in (MMLogger, MessageHub, Visualizer, DefaultScope):
        kind._instance_dict.clear()
