import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer


@pytest.fixture(autouse=True)
def _forget_runs():
    """mmengine finds loggers by the experiment's name and second; two quick runs in one process would share them."""
    forget_runs()


def forget_runs() -> None:
    """Let the next run of this process have a logger, message hub, visualizer and scope of its own."""
    for kind in (MMLogger, MessageHub, Visualizer, DefaultScope):
        kind._instance_dict.clear()
