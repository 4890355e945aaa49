"""Every command of README, CONTRIBUTING and docs is run, or at least understood by its tool."""

import re

import pytest

from tests.docs.commands import Command, all_commands, commands_of, shell_fences
from tests.docs.fences import Fence, pages, read
from tests.docs.parsing import check
from tests.docs.running import run
from tests.docs.workspace import make_workspace

FENCES = shell_fences()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def task_marks(commands: list[Command]) -> list[pytest.MarkDecorator]:
    """Whether mmdet or mmseg is needed: a path of a command has that task's folder."""
    paths = [f"/{word}/" for command in commands for word in command.words]
    return [getattr(pytest.mark, task) for task in ("det", "seg") if any(f"/{task}/" in path for path in paths)]


def chosen(states: set[str], *marks: pytest.MarkDecorator) -> list:
    """Fences with commands of these states, as parameters of a test."""
    found = []
    for fence in FENCES:
        commands = [command for command in commands_of(fence) if command.state in states]
        if commands:
            found.append(pytest.param(commands, id=fence.place, marks=[*marks, *task_marks(commands)]))
    return found


def test_commands_are_found_in_all_pages():
    assert {"README.md", "CONTRIBUTING.md", "docs/pretrain.md", "docs/detection.md"} <= {fence.page for fence in FENCES}
    assert len(all_commands()) > 80


def test_commands_are_in_no_other_kind_of_block():
    tool = re.compile(r"^(?:    |\$ )?(?:python (?:-m|tools/)|tools/\w+\.sh|make |pip )", re.MULTILINE)
    for page in pages():
        shell = [fence for fence in read(page) if fence.language == "shell"]
        text = page.read_text()
        for fence in shell:
            text = text.replace(fence.text, "")
        assert tool.findall(text) == [], f"{page.name}: put commands into a ```shell fence, which is tested"


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.place)
def test_is_understood(fence: Fence, monkeypatch, workspace):
    monkeypatch.chdir(workspace)
    for command in commands_of(fence):
        check(command, monkeypatch)


@pytest.mark.parametrize("commands", chosen({"run"}))
def test_runs(commands, workspace, monkeypatch):
    for command in commands:
        run(command, workspace, monkeypatch)


@pytest.mark.parametrize("commands", chosen({"slow"}, pytest.mark.slow))
def test_runs_slowly(commands, workspace, monkeypatch):
    for command in commands:
        run(command, workspace, monkeypatch)
