"""FSDP with heads on top: a detector sharded over two processes trains as one that each of them has whole."""

import pytest
import torch

from tests.detection.small import small_detector
from tests.engine.test_sharded import on_two_processes
from tests.mmlab import state


@pytest.mark.slow  # tests/engine/test_sharded.py shares a pre-trainer, in less time
def test_sharing_a_detector_changes_no_training(shapes, tmp_path):
    for name in ("whole", "shared"):
        cfg = small_detector(shapes, tmp_path / name, activation_checkpointing=True)
        cfg.optim_wrapper.optimizer = {"type": "SGD", "lr": 0.02, "momentum": 0.9}  # AdamW blows up rounding
        cfg.dump(tmp_path / f"{name}.py")
    runs = [[tmp_path / f"{name}.py", "--work-dir", tmp_path / name] for name in ("whole", "shared")]
    on_two_processes(29631, runs[0], [*runs[1], "--fsdp"])
    start, whole, shared = (
        state(tmp_path / name) for name in ("whole/iter_2.pth", "whole/iter_4.pth", "shared/iter_4.pth")
    )
    assert list(whole) == list(shared)
    for name, tensor in whole.items():
        torch.testing.assert_close(shared[name], tensor, rtol=0, atol=1e-5, msg=name)
    moved = [(tensor - start[name]).abs().max() for name, tensor in whole.items() if name.startswith("backbone.blocks")]
    assert max(moved) > 1e-3
