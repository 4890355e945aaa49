"""Commands of the documentation run in this process, in the workspace, on small models."""

import runpy
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.conftest import forget_runs
from tests.docs.commands import Command
from tests.docs.parsing import tool_arguments
from tests.docs.small import shrink
from tests.docs.workspace import provide

#: What is added to a command's options, so that it ends soon.
SHORTER = {"tools/dataset_converters/generate_shapes.py": ["--num-train", "16", "--num-val", "8"]}


def run(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a tool as a command says; fails as the tool does."""
    arguments = tool_arguments(command.words)
    assert arguments, f"only tools can be run here, not {command.text!r}: mark it, see CONTRIBUTING.md"
    config = next((word for word in arguments if word.startswith("configs/")), None)
    for word in arguments:
        provide(folder, word, config and config.removeprefix("configs/"))
    arguments = shorter(arguments, folder)
    forget_runs()
    with monkeypatch.context() as patch:
        in_workspace(patch, folder)
        patch.setattr("sys.argv", arguments)
        patch.syspath_prepend(str((folder / arguments[0]).parent))
        try:
            runpy.run_path(arguments[0], run_name="__main__")
        except SystemExit as left:
            if left.code:
                pytest.fail(f"{command.place}: {command.text}\n{left.code}")


def in_workspace(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Until the patch is undone: work in the folder, and every config that is read is made small."""
    read = Config.fromfile
    patch.setattr(Config, "fromfile", staticmethod(lambda *given, **more: shrink(read(*given, **more))))
    patch.chdir(folder)


def shorter(arguments: list[str], folder: Path) -> list[str]:
    """The arguments, and what makes the command end soon: one epoch or two steps of training, few images."""
    if arguments[0] != "tools/train.py":
        return arguments + SHORTER.get(arguments[0], [])
    for flag in ("--epochs", "--iters", "--batch-size"):
        if flag in arguments:
            at = arguments.index(flag)
            arguments = arguments[:at] + arguments[at + 2 :]
    # A warm-up of whole epochs is as long as the one that is left.
    arguments = [word for word in arguments if not word.startswith("param_scheduler.warmup=")]
    by_epoch = "max_epochs" in Config.fromfile(folder / arguments[1]).get("train_cfg", {})
    return arguments + (["--epochs", "1"] if by_epoch else ["--iters", "2"])
