import importlib
import os
from functools import cache

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

from tests.gpu import gpu_device, missing

#: Folders of tests, the mark of what is in them, and the package that it needs.
OPTIONAL = {
    "mmdet_parts": ("det", "mirl_mm.detection.mmdet_parts"),
    "mmseg_parts": ("seg", "mirl_mm.segmentation.mmseg_parts"),
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
    """Let the next run of this process have a logger, message hub, visualizer and scope of its own, and any kernel."""
    torch.use_deterministic_algorithms(False)  # which a run on a GPU may have set
    for kind in (MMLogger, MessageHub, Visualizer, DefaultScope):
        kind._instance_dict.clear()


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> torch.device:
    """What takes it is tested twice: on the CPU, and by ``make test-gpu`` on a GPU.

    Trainings and tools take a GPU where they see one; ``make test`` and ``make test-all`` hide it from them.
    """
    return torch.device("cpu") if request.param == "cpu" else _gpu(1)


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def two_devices(request) -> torch.device:
    """Likewise for what two processes do: they need a GPU each."""
    return torch.device("cpu") if request.param == "cpu" else _gpu(2)


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    """For tests of what there is on a GPU alone."""
    return _gpu(1)


def _gpu(number: int) -> torch.device:
    device = gpu_device()
    if reason := missing(device.type, number):
        pytest.skip(reason)
    return device


@pytest.fixture
def repeatable():
    """Let a GPU add up in the same order each time, as ``randomness.deterministic=True`` does for a run."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(torch.cuda.is_available())
    yield
    torch.use_deterministic_algorithms(False)
