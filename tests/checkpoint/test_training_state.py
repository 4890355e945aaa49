"""A training's checkpoint, read whole and without trust."""

import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mirl_mm.checkpoint.training_state import read_whole
from tests.checkpoint.test_read_weights import Call


def save(path, **more):
    log = {"train/loss": HistoryBuffer([3.0, 1.0], [1, 1])}
    info = {"palette": np.arange(6, dtype=np.uint8).reshape(2, 3), "best": np.float32(0.5), "cfg": "a = 1"}
    content = {
        "meta": {"epoch": 1, "iter": 4, "dataset_meta": {"classes": ("a", "b")}},
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
    with pytest.raises(ValueError, match=r"GLOBAL builtins\.getattr of 'min' and '__globals__'"):
        read_whole(tmp_path / "a.pth")


def test_no_checkpoint(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="is no whole PyTorch checkpoint"):
        read_whole(tmp_path / "a.pth")


def test_a_config_of_mmengines_older_name_is_not_run(tmp_path):
    """mmengine runs what is under that name when it resumes."""
    save(tmp_path / "a.pth", meta={"epoch": 1, "iter": 4, "config": f"open({str(tmp_path / 'made')!r}, 'a')"})
    assert read_whole(tmp_path / "a.pth")["meta"] == {"epoch": 1, "iter": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meta": 3}, "it is no checkpoint of a training, its meta is missing"),
        ({"meta": {"epoch": 1}}, "it does not tell its epoch and iteration"),
        ({"state_dict": {3: torch.ones(1)}}, "names in its state_dict are no text"),
        ({"message_hub": {}}, "its log is no table"),
    ],
)
def test_parts_that_are_missing(tmp_path, change, message):
    save(tmp_path / "a.pth", **change)
    with pytest.raises(ValueError, match=rf"can't resume from '.*a\.pth': {message}: go on from an earlier checkpoint"):
        read_whole(tmp_path / "a.pth")
