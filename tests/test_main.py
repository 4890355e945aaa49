"""``python -m mirl_mm``."""

import sys

import pytest

from mirl_mm import __main__ as command
from tests.training import ROOT, run_tool


def call(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["mirl_mm", *arguments])
    command.main()


def test_every_tool_has_one_name():
    scripts = [p for p in (ROOT / "tools").rglob("*") if p.suffix == ".sh" or "__main__" in command._text(p)]
    assert sorted(command.find_tools()) == sorted(path.stem for path in scripts)


def test_without_a_tool_all_are_listed_with_what_they_do(monkeypatch, capsys):
    call(monkeypatch)
    shown = capsys.readouterr().out
    assert "  train             Trains any config." in shown
    assert "  slurm_train       Train on a SLURM cluster." in shown
    assert "  machine " not in shown and "  steps " not in shown
    for name, path in command.find_tools().items():
        assert command.summary(path), name


def test_a_tool_that_is_none(monkeypatch):
    with pytest.raises(SystemExit, match=r"no tool 'trian'; there are .* test, train, "):
        call(monkeypatch, "trian")


def test_a_tool_is_run_with_its_arguments():
    outcome = run_tool("-m", "mirl_mm", "print_config", "mirl_mm::cls/mirl_vits_in1k.py")
    assert outcome.returncode == 0 and "ImageClassifier" in outcome.stdout, outcome.stderr
    assert run_tool("-m", "mirl_mm", "dist_train").returncode == 2
