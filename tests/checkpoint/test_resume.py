"""A training's checkpoint, read whole and without trust."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mirl_mm.checkpoint.resume import read_whole
from tests.checkpoint.test_read import Call


def save(path, **more):
    log = {"train/loss": HistoryBuffer([3.0, 1.0], [1, 1])}
    info = {"palette": np.arange(6, dtype=np.uint8).reshape(2, 3), "best": np.float32(0.5), "cfg": "a = 1"}
    content = {
        "meta": {"iter": 4, "dataset_meta": {"classes": ("a", "b")}},
        "state_dict": {"weight": torch.arange(3.0)},
        "optimizer": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]},
        "message_hub": {"log_scalars": log, "runtime_info": info, "resumed_keys": {"train/loss": True}},
    }
    torch.save(content | more, path)
    return content


def test_all_that_a_run_writes(tmp_path):
    content = save(tmp_path / "a.pth")
    found = read_whole(tmp_path / "a.pth", "cpu")
    assert found.keys() == content.keys()
    assert (found["meta"], found["optimizer"]) == (content["meta"], content["optimizer"])
    hub = found["message_hub"]
    assert np.array_equal(hub["runtime_info"]["palette"], content["message_hub"]["runtime_info"]["palette"])
    assert hub["runtime_info"]["best"] == 0.5
    buffer = hub["log_scalars"]["train/loss"]
    buffer.update(2.0)
    assert (buffer.mean(), buffer.max(2), buffer.current()) == (2.0, 2.0, 2.0)


def test_what_a_pickle_would_run_is_refused(tmp_path):
    save(tmp_path / "a.pth", evil=Call(os.mkdir, str(tmp_path / "made")))
    with pytest.raises(ValueError, match=r"can't resume from .*a\.pth': .*GLOBAL posix\.mkdir .*--load-from"):
        read_whole(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


class Attribute:
    """A call of ``getattr``."""

    def __reduce__(self):
        return getattr, (HistoryBuffer.min, "__globals__")


def test_getattr_is_for_the_logs_methods_only(tmp_path):
    save(tmp_path / "a.pth", evil=Attribute())
    with pytest.raises(
        ValueError, match=r"GLOBAL builtins\.getattr of <function HistoryBuffer\.min.* and '__globals__'"
    ):
        read_whole(tmp_path / "a.pth")


def test_no_checkpoint(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="is no whole PyTorch checkpoint"):
        read_whole(tmp_path / "a.pth")
