"""Files that other programs read: GitHub's, pre-commit's, citation tools'."""

import re

import pytest
import yaml

import mirl_mm
from tests.training import ROOT

GITHUB = ROOT / ".github"


def test_the_workflow_runs_what_contributors_run():
    workflow = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text())
    jobs = workflow["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {"ci": ["bash .ci/run"], "matrix": ["make test-matrix MATRIX=${{ matrix.packages }}"]}
    makefile = (ROOT / "Makefile").read_text()
    for packages in jobs["matrix"]["strategy"]["matrix"]["packages"]:
        assert f"\nMATRIX_{packages} = " in makefile
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"(actions|astral-sh)/[a-z-]+@v\d+", action) for action in actions)
    assert set(workflow[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}  # `on` is YAML 1.1's true


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_have_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= form.keys()
    identifiers = [field["id"] for field in form["body"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in form["body"])


def test_paths_and_tools_named_to_contributors_exist():
    texts = [path.read_text() for path in [ROOT / "CONTRIBUTING.md", *GITHUB.rglob("*.*")]]
    named = {
        name
        for text in texts
        for name in re.findall(r"(?<![\w/])(?:tools|docs|configs|requirements)/[\w/]+\.\w+", text)
    }
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_hooks_are_the_linters_of_make_lint():
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    recipe = (ROOT / "Makefile").read_text().partition("lint: env")[2].partition("\n\n")[0]
    for hook in repo["hooks"]:
        assert hook["language"] == "system"
        command = " ".join(hook["entry"].removeprefix(".venv/bin/").split()[: 2 if "ruff" in hook["entry"] else 1])
        assert f"$(BIN)/{command}" in recipe


def test_citation_has_what_its_format_asks_for_and_is_the_readmes():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= citation.keys()
    assert citation.get("version", mirl_mm.__version__) == mirl_mm.__version__
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys()
    readme = (ROOT / "README.md").read_text()
    assert f"{{{paper['title']}}}" in readme and f"{{{paper['year']}}}" in readme
    names = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert f"{{{names}}}" in readme
