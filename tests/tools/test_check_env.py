"""tools/misc/check_env.py: what it says for which machine, and that it runs in a bare Python."""

import json
import os
import subprocess
import sys
from importlib import metadata
from types import ModuleType

import pytest

from tests.tools.scripts import MISC, load_script

SCRIPT = str(MISC / "check_env.py")
VERSIONS = {
    "torch": "2.15.0+cu132",
    "torchvision": "0.29.2",
    "numpy": "2.2.6",
    "cv2": "5.0.0",
    "timm": "1.0.31",
    "mmengine.runner": "0.10.12",
    "mirl_mm.registry": "0.1.0",
    "mmcv.ops": "2.3.6",
    "mmdet.registry": "3.5.1",
    "mmseg.registry": "1.4.2",
}
HEADLESS, PLAIN = "opencv-python-headless", "opencv-python"


@pytest.fixture
def check_env(monkeypatch) -> ModuleType:
    """The script, on a machine with one OpenCV and no package outside of the ranges."""
    module = load_script("check_env")
    monkeypatch.setattr(module, "opencv_versions", lambda: {HEADLESS: "5.0.0.93"})
    monkeypatch.setattr(module, "outside_ranges", lambda: [])
    return module


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
    assert found["parts"]["torch"] == "2.15.0+cu132"


def test_it_says_what_decodes_jpegs(check_env, monkeypatch):
    for versions, words in (({"simplejpeg": "1.9.0"}, "simplejpeg 1.9.0"), ({}, "PIL; pip install simplejpeg")):
        monkeypatch.setattr(check_env.metadata, "version", lambda name, known=versions: package_version(name, known))
        assert check_env.describe_machine()["jpegs"].startswith(words)


def package_version(name: str, known: dict[str, str]) -> str:
    if name not in known:
        raise metadata.PackageNotFoundError(name)
    return known[name]


def test_torchvision_of_another_torch_breaks_the_core(check_env):
    found = examine(check_env, torchvision="!RuntimeError: operator torchvision::nms does not exist")
    (problem,) = found["problems"]
    assert problem["part"] == "torchvision" and "nms" in problem["what"]
    assert problem["remedy"].endswith("pip install --upgrade torch torchvision")
    assert not any(found["tasks"].values())


def test_mmcv_missing_leaves_the_core(check_env):
    found = examine(check_env, mmcv_ops="!is not installed")
    (mmcv,) = found["problems"]
    assert mmcv["remedy"] == "pip install -e '.[det,seg]'"
    assert found["tasks"] == {"core": True, "det": False, "seg": False}


@pytest.mark.det
def test_it_says_where_mmcvs_ops_come_from(check_env):
    found = examine(check_env)
    assert found["mmcv_ops"] in ("compiled", "torchvision")
    assert f"2.3.6  (ops: {found['mmcv_ops']})" in check_env.report(found)


def test_two_opencvs_of_one_version_are_named_and_of_two_are_a_problem(check_env, monkeypatch):
    monkeypatch.setattr(check_env, "opencv_versions", lambda: {PLAIN: "5.0.0.93", HEADLESS: "5.0.0.93"})
    found = examine(check_env)
    assert found["problems"] == [] and f"5.0.0  ({PLAIN}, {HEADLESS})" in check_env.report(found)
    monkeypatch.setattr(check_env, "opencv_versions", lambda: {PLAIN: "4.12.0.88", HEADLESS: "5.0.0.93"})
    (mixed,) = examine(check_env)["problems"]
    assert "4.12.0.88" in mixed["what"] and mixed["remedy"].endswith(f"; pip install {HEADLESS}")


def test_an_opencv_that_needs_libgl_can_be_exchanged(check_env):
    error = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    (libgl,) = examine(check_env, cv2=f"!{error}")["problems"]
    assert libgl["what"] == error and f"pip install {HEADLESS}" in libgl["remedy"]


def test_versions_outside_of_the_ranges_are_found(monkeypatch):
    module = load_script("check_env")
    have = {"torch": "2.10.0+cpu", "timm": "1.0.9", "onedl-mmcv": "3.0.0"}
    wanted = [
        "torch>=2.6",
        "timm>=1.0.15",
        "rich>=13",
        'onedl-mmcv<3,>=2.3.6; extra == "seg"',
        'ruff>9; extra == "dev"',
    ]

    def version(name):
        if name not in have:
            raise module.metadata.PackageNotFoundError(name)
        return have[name]

    monkeypatch.setattr(module.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(module.metadata, "version", version)
    timm, mmcv = module.outside_ranges()
    assert timm["what"] == "1.0.9 is not >=1.0.15" and timm["tasks"] == ("core", "det", "seg")
    assert mmcv["tasks"] == ("seg",) and mmcv["remedy"] == "pip install 'onedl-mmcv<3,>=2.3.6'"


def test_each_task_needs_its_own_parts(check_env):
    found = examine(check_env, mmdet_registry="!is not installed")
    assert found["problems"][0]["remedy"] == "pip install -e '.[det]'"
    assert found["tasks"] == {"core": True, "det": False, "seg": True}


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
    assert "torch: is not installed" in text and "remedy: pip install -e '.[det,seg]'" in text


def test_the_core_works_here():
    done = run("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["tasks"]["core"] and found["machine"]["cores"] >= 1


def test_an_unknown_task_is_refused():
    done = run("--require", "core,dets")
    assert done.returncode == 2 and "'dets'" in done.stderr and "core, det, seg" in done.stderr
