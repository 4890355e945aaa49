"""Whether a command would be understood: its options, its config and overrides, make targets, extras."""

import argparse
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from mirl_mm.__main__ import find_tools
from mirl_mm.engine.launch import load_config
from tests.docs.commands import Command
from tests.training import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: How many words before the arguments of train.py or test.py a launch script takes, and where the config is in them.
_LAUNCHERS = {"dist": (2, 0), "slurm": (3, 2)}
PLACEHOLDERS = {"CONFIG": "configs/pretrain/mirl_tiny24_64px.py"}


class Parsed(Exception):
    """Thrown in place of a tool's work; has its arguments."""


def tool_arguments(words: tuple[str, ...]) -> list[str] | None:
    """The Python tool that a command runs (a path below the root) and its arguments; None if it runs none."""
    words = tuple(PLACEHOLDERS.get(word, word) for word in words)
    if words[:1] == ("python",) and words[1:3] == ("-m", "mirl_mm"):
        tool = find_tools().get(words[3]) if len(words) > 3 else None
        return tool and [str(ROOT / "tools" / tool.relative_to(ROOT / "mirl_mm/.mim/tools")), *words[4:]]
    if words[:1] == ("python",) and words[1:] and words[1].startswith("tools/"):
        return [*words[1:]]
    script = re.fullmatch(r"tools/(dist|slurm)_(train|test)\.sh", words[0]) if words else None
    if script:
        taken, config = _LAUNCHERS[script[1]]
        assert len(words) > taken, f"{words[0]} takes {taken} words or more"
        return [f"tools/{script[2]}.py", words[1 + config], *words[1 + taken :]]
    return None


def check(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if something in the command does not exist."""
    words = command.words
    arguments = tool_arguments(words)
    if arguments:
        check_tool(arguments, monkeypatch)
    elif words[:1] == ("make",):
        targets = [word for word in words[1:] if "=" not in word]
        text = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{re.escape(target)}:", text, re.MULTILINE) for target in targets), "no such target"
        assert all(f"$({word.partition('=')[0]})" in text for word in words[1:] if "=" in word), "no such variable"
    elif words[:2] == ("pip", "install"):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        asked = [name for word in words for group in re.findall(r"\[(.*)\]", word) for name in group.split(",")]
        assert set(asked) <= set(extras), f"extras are {', '.join(extras)}"
    else:
        done = subprocess.run(["bash", "-n", "-c", command.text], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    if words[:1] and words[0].endswith(".sh"):
        script = (ROOT / words[0]).read_text()
        assert all(f"${{{name}" in script for name in command.variables), f"{words[0]} does not read a variable"


def check_tool(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tool parse its arguments, then load the config with the overrides, each of which must name something."""
    options = parse(arguments, monkeypatch)
    configs = [getattr(options, "config", None), *(getattr(options, "configs", None) or [])]
    for config in filter(None, configs):
        load_config(config, getattr(options, "cfg_options", None))


def parse(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What the tool's own parser makes of the arguments; a wrong one fails with the parser's message."""

    def stop(parser: argparse.ArgumentParser, *given, **more):
        raise Parsed(original(parser, *given, **more))

    original = argparse.ArgumentParser.parse_args
    tool = ROOT / arguments[0]
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(argparse.ArgumentParser, "error", _refuse)
        patch.setattr(sys, "argv", arguments)
        patch.syspath_prepend(str(tool.parent))
        with pytest.raises(Parsed) as parsed:
            runpy.run_path(str(tool), run_name="__main__")
    (options,) = parsed.value.args
    return options


def _refuse(parser: argparse.ArgumentParser, message: str) -> None:
    raise AssertionError(f"{Path(sys.argv[0]).name}: {message}")
