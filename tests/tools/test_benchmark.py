"""tools/analysis_tools/benchmark.py from the command line; its figures are a matter of the machine."""

import importlib
import json
import re
import runpy
import sys
from collections.abc import Callable

import pytest
import torch
from mmengine.logging import MMLogger

from tests.training import ROOT, small_config, write_images

TOOL = ROOT / "tools/analysis_tools/benchmark.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    small_config(write_images(folder / "data", 9), folder / "run").dump(folder / "config.py")
    return folder


def run(monkeypatch, *arguments, main: Callable[[], None] | None = None) -> None:
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
    logger, threads = MMLogger.get_current_instance(), torch.get_num_threads()
    level = logger.level
    try:
        main() if main else runpy.run_path(str(TOOL), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
        logger.setLevel(level)


def test_against_the_plain_formulation(folder, monkeypatch, capsys):
    """With memory measured in processes of their own, which import the tool by its name."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    main = importlib.import_module(TOOL.stem).main
    options = "--batch-size 4 --dtype fp32 --compare plain --iters 3 --warmup 1 --matmul-size 64 --threads 1"
    run(monkeypatch, folder / "config.py", *options.split(), "--json", folder / "out.json", main=main)
    result = json.loads((folder / "out.json").read_text())
    assert list(result["variants"]) == ["fp32", "fp32 plain"]
    for row in result["variants"].values():
        assert row["step_s"] == pytest.approx(sum(row["parts_s"].values()), rel=0.5)
        assert row["images_per_s"] == pytest.approx(4 / row["step_s"])
        assert row["achieved_over_attainable"] == pytest.approx(
            row["flop_per_step"] / row["step_s"] / row["attainable_flop_per_s"]
        )
        assert len(row["turns_s"]) == 3
        assert 5e7 < row["peak_memory_bytes"] < 5e9
    ours, plain = result["variants"].values()
    assert plain["flop_per_step"] > ours["flop_per_step"]
    assert result["environment"]["threads"] == 1
    assert result["environment"]["torch"] == torch.__version__
    assert len(result["times_as_fast"]["turns"]) == 3
    assert re.search(r"fp32 is \d\.\d{3} times as fast as fp32 plain", capsys.readouterr().out)


def test_precisions_on_real_images(folder, monkeypatch, capsys, device):
    options = "--batch-size 4 --compare fp32 --iters 2 --warmup 0 --matmul-size 64 --data real --no-memory"
    run(monkeypatch, folder / "config.py", *options.split(), "--json", folder / "real.json")
    result = json.loads((folder / "real.json").read_text())
    bf16, fp32 = result["variants"]["bf16"], result["variants"]["fp32"]
    assert bf16["flop_per_step"] == fp32["flop_per_step"]
    assert "peak_memory_bytes" not in bf16
    assert "bf16 is " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--dtype fp32 --compare fp32", "compares a thing with itself"),
        ("--clock cpu --threads 2", "needs --threads 1"),
        ("--iters 0", "must be positive"),
    ],
)
def test_options_that_make_no_sense(folder, monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit):
        run(monkeypatch, folder / "config.py", *options.split())
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data real --data-root nowhere", "nowhere"),
        ("--data real --batch-size 64", "has 9 images, less than a batch of 64"),
    ],
)
def test_errors_are_said_plainly(folder, monkeypatch, options, message):
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, folder / "config.py", *options.split(), "--no-memory", "--iters", 1)
