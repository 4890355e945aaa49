"""Reading checkpoints: nothing in them is run."""

import collections
import os
import subprocess

import pytest
import torch
from mmengine.logging import HistoryBuffer

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.read_weights import parse_config

MARK = "backbone.blocks.0.attn.qkv.weight"


class Call:
    """What a pickle can hold: a call."""

    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


def test_objects_in_a_checkpoint_are_neither_needed_nor_called(tmp_path):
    tensors = collections.OrderedDict({MARK: torch.arange(6.0).view(2, 3), "half": torch.ones(2, dtype=torch.bfloat16)})
    made = ["mkdir", str(tmp_path / "made")]
    meta = {"epoch": 7, "cfg": "model = dict(type='MIRL', depth=(1, 2))", "evil": Call(subprocess.check_call, made)}
    hub = {"log": HistoryBuffer([1.0], [1]), "number": torch.tensor(1.0).numpy()}
    torch.save({"state_dict": tensors, "meta": meta, "message_hub": hub}, tmp_path / "a.pth")
    weights = read_any(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()
    assert weights.state.keys() == tensors.keys()
    assert all(torch.equal(weights.state[name], value) for name, value in tensors.items())
    assert weights.cfg.model == {"type": "MIRL", "depth": (1, 2)}
    assert weights.progress == "epoch 7"


@pytest.mark.parametrize(
    ("meta", "progress"),
    [
        ({"epoch": 3, "iter": 900}, "epoch 3"),
        ({"epoch": 0, "iter": 900}, "iteration 900"),  # of a run counted in iterations
        ({"epoch": "0", "iter": "900"}, "iteration 900"),
        ({"epoch": 0}, "epoch 0"),
        ({}, ""),
    ],
)
def test_progress(tmp_path, meta, progress):
    torch.save({"state_dict": {MARK: torch.ones(2)}, "meta": meta}, tmp_path / "a.pth")
    assert read_any(tmp_path / "a.pth").progress == progress


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*nowhere"):
        read_any(tmp_path / "nowhere.pth")
    whole = tmp_path / "whole.pth"
    torch.save({"state_dict": {"weight": torch.ones(1000)}}, whole)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cut\.pth.*truncated"):
        read_any(tmp_path / "cut.pth")
    damaged = bytearray(whole.read_bytes())
    damaged[60:120] = bytes(60)
    (tmp_path / "damaged.pth").write_bytes(damaged)
    with pytest.raises(
        ValueError, match=r"damaged\.pth' .* is damaged: its checksums do not agree .*data\.pkl.* Copy it again"
    ):
        read_any(tmp_path / "damaged.pth")
    torch.save({"weight": torch.ones(1), "evil": Call(os.mkdir, str(tmp_path / "made"))}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth' can't be read as a checkpoint: .*GLOBAL posix\.mkdir"):
        read_any(tmp_path / "evil.pth")
    assert not (tmp_path / "made").exists()
    torch.save({"meta": {}, "state_dict": {"a": 1}}, tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"none\.pth' holds no weights"):
        read_any(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match="is a folder, not a file"):
        read_any(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no local file, download it first"):
        read_any("https://host/a.pth")
    (tmp_path / "text.pd").write_text("some words, and more of them")
    with pytest.raises(ValueError, match=r"text\.pd' \(28 bytes\) is no weight file of PyTorch, safetensors, Paddle"):
        read_any(tmp_path / "text.pd")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(ValueError, match=r"empty\.pth' \(0 bytes\) is no weight file"):
        read_any(tmp_path / "empty.pth")
    torch.save({"encoder.layer.0.weight": torch.ones(1), "b": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"layout of its 2 names is unknown: encoder\.layer\.0\.weight, b\. Known"):
        read_any(tmp_path / "other.pth")


def test_config_as_a_table_of_values():
    text = "a = dict(b=[1, (2.5, None)], c={'x y': dict(z=-1e-05), 3: True})\n_scope = 'text'\nempty = dict()"
    assert parse_config(text).to_dict() == {
        "a": {"b": [1, (2.5, None)], "c": {"x y": {"z": -1e-05}, 3: True}},
        "_scope": "text",
        "empty": {},
    }


@pytest.mark.parametrize(
    "text", ["a = open('x')", "a = dict([])", "a = b", "a =", "a = dict(**x)", "a = 1 if 2 else 3"]
)
def test_config_with_code_in_it(text):
    with pytest.raises(ValueError, match="not a table of plain values"):
        parse_config(text)
