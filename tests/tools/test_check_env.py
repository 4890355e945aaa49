"""tools/misc/check_env.py: what it says for which machine, and that it runs in a bare Python."""

import json
import os
import subprocess
import sys
from types import ModuleType

import pytest

from tests.tools.scripts import MISC, load_script

SCRIPT = str(MISC / "check_env.py")
VERSIONS = {
    "torch": "2.12.1+cu130",
    "torchvision": "0.27.1",
    "numpy": "2.2.6",
    "cv2": "5.0.0",
    "timm": "1.0.31",
    "mmengine.runner": "0.10.12",
    "mirl_mm.registry": "0.1.0",
    "mmcv": "2.3.6",
    "mmcv.ops": "2.3.6",
    "mmdet.registry": "3.5.1",
    "mmseg.registry": "1.4.2",
}


@pytest.fixture
def check_env() -> ModuleType:
    return load_script("check_env")


def examine(check_env: ModuleType, **changes: str) -> dict:
    """Examine a machine with all of `VERSIONS`, but for modules given another version or an error (``'!...'``)."""

    def importer(module: str) -> tuple[str | None, str | None]:
        answer = changes.get(module.replace(".", "_"), VERSIONS[module])
        return (None, answer[1:]) if answer.startswith("!") else (answer, None)

    return check_env.examine(importer)


def test_all_is_well(check_env):
    found = examine(check_env)
    assert found["problems"] == []
    assert found["tasks"] == {"core": True, "det": True, "seg": True}
    assert found["parts"]["torch"] == "2.12.1+cu130"


def test_torchvision_of_another_torch_breaks_the_core(check_env):
    found = examine(check_env, torchvision="!RuntimeError: operator torchvision::nms does not exist")
    (problem,) = found["problems"]
    assert problem["part"] == "torchvision" and "nms" in problem["what"]
    assert "torch==2.12.1 torchvision==0.27.1" in problem["remedy"]
    assert not any(found["tasks"].values())


def test_mmcv_without_ops_leaves_the_core(check_env, monkeypatch):
    monkeypatch.setattr(check_env.machine, "cxx_compiler", lambda: None)
    found = examine(check_env, mmcv_ops="!ModuleNotFoundError: No module named 'mmcv._ext'")
    ops, compiler = found["problems"]
    assert "mmcv._ext" in ops["what"] and "install_mmcv.py" in ops["remedy"]
    assert "apt install g++" in compiler["remedy"] and "dnf" in compiler["remedy"] and "xcode" in compiler["remedy"]
    assert found["tasks"] == {"core": True, "det": False, "seg": False}


def test_no_compiler_is_no_problem_once_the_ops_work(check_env, monkeypatch):
    monkeypatch.setattr(check_env.machine, "cxx_compiler", lambda: None)
    assert examine(check_env)["problems"] == []


def test_torch_too_new_for_mmcv(check_env):
    found = examine(check_env, torch="2.14.0", mmcv="!ModuleNotFoundError: No module named 'mmcv'", mmcv_ops="!x")
    assert found["tasks"]["core"]
    assert any(problem["part"] == "torch" and "C++20" in problem["what"] for problem in found["problems"])


def test_each_task_needs_its_own_parts(check_env):
    found = examine(check_env, mmdet_registry="!ModuleNotFoundError: No module named 'mmdet'")
    assert found["problems"][0]["what"] == "is not installed"
    assert found["tasks"] == {"core": True, "det": False, "seg": True}


@pytest.mark.parametrize(("version", "good"), [("2.3.9", False), ("2.4.0", True), ("2.10.0+cpu", True)])
def test_minimum_versions_compare_as_numbers(check_env, version, good):
    assert examine(check_env, torch=version)["tasks"]["core"] is good


def run(*arguments: str) -> subprocess.CompletedProcess:
    """Run the script here, whether this project is installed or not."""
    env = {**os.environ, "PYTHONPATH": str(MISC.parents[1])}
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, env=env)


def run_bare(*arguments: str) -> subprocess.CompletedProcess:
    """Run the script in a Python that sees no installed package."""
    return subprocess.run([sys.executable, "-S", "-E", "-s", SCRIPT, *arguments], capture_output=True, text=True)


def test_runs_in_a_bare_python():
    done = run_bare("--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and not done.stderr
    assert found["parts"]["torch"] is None and not any(found["tasks"].values())
    text = run_bare().stdout
    assert "torch: is not installed" in text and "remedy: pip install torch==2.12.1" in text


def test_the_core_works_here():
    done = run("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["tasks"]["core"] and found["machine"]["cores"] >= 1


def test_an_unknown_task_is_refused():
    done = run("--require", "core,dets")
    assert done.returncode == 2 and "'dets'" in done.stderr and "core, det, seg" in done.stderr
