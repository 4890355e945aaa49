"""A small part of `make stress`, in seconds: its frame, kills of a training by epochs, and what a comparison sees."""

import re

import pytest
import torch
from mmengine.logging import HistoryBuffer

from tests.stress.__main__ import longest_lane
from tests.stress.compare import differences
from tests.stress.table import Row, format_table
from tests.training import run_tool


def test_kills(tmp_path):
    arguments = ["--seed", "3", "--at-most", "3", "--out", tmp_path / "out", "kills_epochs"]
    done = run_tool("-m", "tests.stress", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "seed 3; to repeat it: python -m tests.stress --seed 3" in done.stdout
    assert "| kills, by epochs | SIGKILL after a checkpoint | 3 |" in done.stdout
    assert "| resumed from the last checkpoint | 3 | 0 steps lost | yes |" in done.stdout
    assert re.search(
        r"\| compared with the uninterrupted run \| (\d+) \| \1 identical to the bit \| yes \|", done.stdout
    )


def test_unknown_campaign(tmp_path):
    done = run_tool("-m", "tests.stress", "--out", tmp_path / "out", "kill_epochs")
    assert done.returncode == 1
    assert "no campaign kill_epochs: there are damaged, full_disk, kills_epochs, " in done.stderr


def save(path, **more):
    log = HistoryBuffer([1.0, 2.0], [1, 1])
    hub = {
        "log_scalars": {"train/loss": log},
        "runtime_info": {"best_ckpt": f"{path}/a.pth", "eta": float(path.name == "a")},
        "resumed_keys": {},
    }
    content = {
        "meta": {"epoch": 1, "iter": 4, "time": path.name},
        "state_dict": {"weight": torch.arange(3.0)},
        "message_hub": hub,
    }
    torch.save(content | more, path)
    return path


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, []),
        ({"state_dict": {"weight": torch.tensor([0.0, 1.0, 2.0 + 2e-7])}}, ["b.state_dict.weight"]),
        ({"state_dict": {"weight": torch.arange(3.0).double()}}, ["b.state_dict.weight"]),
        ({"meta": {"epoch": 1, "iter": 5, "time": "x"}}, ["b.meta.iter (5 and 4)"]),
        ({"optimizer": {}}, ["b.optimizer"]),
    ],
)
def test_what_a_comparison_sees(tmp_path, more, found):
    seen = differences(save(tmp_path / "b", **more), save(tmp_path / "a"))
    assert len(seen) == len(found)
    assert all(ours.startswith(theirs) for ours, theirs in zip(seen, found, strict=True))


def test_all_campaigns_fit_the_time():
    assert longest_lane([4, 4, 3, 2, 1, 1], 2) == 8
    assert longest_lane([4.0], 1) == 4


def test_table():
    rows = [("kills", Row("SIGKILL", 1200, {"at write": 1200}, True)), ("disk", Row("full", 1, {"a|b": 1}, False, "x"))]
    assert format_table(rows).splitlines()[2:] == [
        "| kills | SIGKILL | 1,200 | 1,200 at write | yes |  |",
        "| disk | full | 1 | 1 a/b | **NO** | x |",
    ]
