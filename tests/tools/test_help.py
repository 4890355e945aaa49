"""Every tool's --help says what it does, shows an example that can be copied, and says what each option is."""

import argparse

import pytest

from tests.training import ROOT, run_here

#: `make env` runs it; what it is stamps the environment.
SET_UP = {"setup_env.py"}
TOOLS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "tools").rglob("*.py")
    if path.name not in SET_UP and "__main__" in path.read_text()
)


def test_all_folders_have_tools():
    assert {path.split("/")[1] for path in TOOLS} >= {"train.py", "analysis_tools", "model_converters", "misc"}


@pytest.mark.parametrize("tool", TOOLS)
def test_help_teaches(tool, monkeypatch, capsys):
    parsers = []
    print_help = argparse.ArgumentParser.print_help

    def remember(parser, file=None):
        parsers.append(parser)
        print_help(parser, file)

    monkeypatch.setattr(argparse.ArgumentParser, "print_help", remember)
    monkeypatch.syspath_prepend(str((ROOT / tool).parent))
    with pytest.raises(SystemExit) as left:
        run_here(monkeypatch, tool, "--help")
    assert left.value.code == 0
    shown = capsys.readouterr().out
    (parser,) = parsers
    assert f"python {tool}" in parser.description, "the description has no example"
    assert parser.description.strip() in shown, "the description is wrapped"
    for action in parser._actions:
        assert action.help, f"{action.option_strings or action.dest} has no help"
