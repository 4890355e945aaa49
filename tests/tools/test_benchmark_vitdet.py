"""tools/analysis_tools/benchmark_vitdet.py; its figures are a matter of the machine."""

import importlib.util
import json
import re
import sys

import pytest
import torch

from tests.training import ROOT, run_tool

TOOL = ROOT / "tools/analysis_tools/benchmark_vitdet.py"
SMALL = [
    "--arch",
    "vit-s",
    "--size",
    "32",
    "48",
    "--window-size",
    "2",
    "--iters",
    "2",
    "--warmup",
    "0",
    "--threads",
    "1",
]


@pytest.fixture
def run(monkeypatch):
    """The tool's ``main`` in this process."""
    spec = importlib.util.spec_from_file_location("benchmark_vitdet", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "in_child", lambda function, *arguments: function(*arguments))
    threads = torch.get_num_threads()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(TOOL), *SMALL, *map(str, arguments)])
        tool.main()

    yield run
    torch.set_num_threads(threads)


def check(result: dict, printed: str) -> None:
    explicit, ours = (result["ways"][way] for way in ("explicit", "ours+checkpointing"))
    assert explicit["time_ratio"] == explicit["memory_ratio"] == 1
    turns = [a / b for a, b in zip(ours["turns_s"], explicit["turns_s"], strict=True)]
    assert ours["time_ratio"] == pytest.approx(sum(turns) / 2)
    assert ours["memory_ratio"] == pytest.approx(ours["peak_memory_bytes"] / explicit["peak_memory_bytes"])
    assert 5e7 < ours["peak_memory_bytes"] < 1e10
    assert re.search(r"ours\+checkpointing +\d+\.\d{3} +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d\n", printed)


def test_ratios(run, tmp_path, capsys):
    run("--dtype", "bf16", "--ways", "explicit", "ours+checkpointing", "--json", tmp_path / "out.json")
    check(json.loads((tmp_path / "out.json").read_text()), capsys.readouterr().out)


@pytest.mark.slow
def test_from_the_command_line(tmp_path):
    done = run_tool(TOOL, *SMALL, "--ways", "explicit", "ours+checkpointing", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    check(json.loads((tmp_path / "out.json").read_text()), done.stdout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--window-size", "0"], "window_size must be positive, got 0"),
        (["--size", "32", "50"], "image width 50 is not divisible by the patch width 16"),
    ],
)
def test_errors_are_said_plainly(run, options, message):
    with pytest.raises(ValueError, match=message):  # which `run` makes a line
        run(*options)


@pytest.mark.parametrize(
    ("options", "message"), [(["--iters", "0"], "must be positive"), (["--clock", "cpu", "--threads", "2"], "threads")]
)
def test_options_that_make_no_sense(run, capsys, options, message):
    with pytest.raises(SystemExit):
        run(*options)
    assert message in capsys.readouterr().err
