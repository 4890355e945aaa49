"""Marks before fences say what they seem to say."""

import pytest

from tests.docs.commands import commands_of
from tests.docs.fences import Fence, read


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_commands_with_marks(tmp_path):
    text = "x\n\n<!-- commands: run, needs GPU -->\n```shell\npython a.py \\\n    --b  # why\n\nGPUS=2 c.sh '#1'\n```\n"
    (fence,) = read(page(tmp_path, text))
    assert (fence.line, fence.language, fence.marks) == (5, "shell", ("run", "needs GPU"))
    first, second = commands_of(fence)
    assert first.words == ("python", "a.py", "--b") and first.state == "run"
    assert second.words == ("c.sh", "#1") and second.variables == ("GPUS",) and second.state == "needs GPU"


def test_no_mark_means_run(tmp_path):
    fences = read(page(tmp_path, "- in a list\n\n  ```shell\n  a {b,c}_d\n  e\n  ```\n\n```python\nx = 1\n```\n"))
    assert [fence.text for fence in fences] == ["a {b,c}_d\ne\n", "x = 1\n"]
    assert [(command.words, command.state) for command in commands_of(fences[0])] == [
        (("a", "b_d", "c_d"), "run"),
        (("e",), "run"),
    ]


@pytest.mark.parametrize("marks", [("runs",), ("run", "run"), ("run", "later", "run")])
def test_wrong_marks_are_refused(marks):
    with pytest.raises(ValueError, match=r"page.md:3: the mark .* of the 3 commands, of run, slow"):
        commands_of(Fence("page.md", 3, "shell", "a\nb\nc\n", marks))


def test_a_mark_without_fence_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not on the line before a fence"):
        read(page(tmp_path, "<!-- commands: parsed -->\n\n```shell\na\n```\n"))
