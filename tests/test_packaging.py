"""The wheel: what is in it, and that it works far from the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.training import ROOT

BUILD = "from setuptools import build_meta; print(build_meta.build_{}('{}'))"
#: Of the checkout's tools, those that make the checkout's own environment, demo and tables.
CHECKOUT_ONLY = {"tools/demo.py", *(f"tools/misc/{name}.py" for name in ("setup_env", "model_zoo", "recipes"))}


def run(*command: str, cwd: Path, **env: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | env
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what git tracks that a distribution is made of."""
    folder = tmp_path_factory.mktemp("build") / "checkout"
    folder.mkdir()
    parts = ["mirl_mm", "configs", "tools", "requirements", "tests/test_setup.py", "docs/data.md"]
    files = [path.name for path in ROOT.iterdir() if path.is_file()]
    copy = f"tar cf - --exclude=__pycache__ {' '.join([*parts, *files])} | tar xf - -C {folder}"
    run("bash", "-c", copy, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout) -> Path:
    """Built from the source distribution, as package indexes' users and pip do."""
    name = run(sys.executable, "-c", BUILD.format("sdist", "dist"), cwd=checkout).splitlines()[-1]
    with tarfile.open(checkout / "dist" / name) as archive:
        archive.extractall(checkout.parent)
    source = checkout.parent / name.removesuffix(".tar.gz")
    return source / "dist" / run(sys.executable, "-c", BUILD.format("wheel", "dist"), cwd=source).splitlines()[-1]


def below(folder: str) -> set[str]:
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if path.parent.name != "__pycache__"}


def test_wheel_holds_package_configs_and_tools_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    info = {name for name in names if name.startswith("mirl_mm-")}
    package = {name for name in below("mirl_mm") if ".mim" not in name}
    links = {f"mirl_mm/.mim/{name}" for part in ("configs", "tools", "requirements") for name in below(part)}
    links -= {f"mirl_mm/.mim/{name}" for name in CHECKOUT_ONLY | below("tools/demo")}
    assert names - info == package | links | {"mirl_mm/.mim/model-index.yml"}
    assert {name.rpartition("/")[2] for name in info} == {"LICENSE", "METADATA", "WHEEL", "top_level.txt", "RECORD"}


def test_source_distribution_holds_no_tests(wheel):
    source = wheel.parents[1]
    assert {path.name for path in source.iterdir()} >= {"LICENSE", "README.md", "pyproject.toml", "mirl_mm"}
    assert not (source / "tests").exists() and not (source / "docs").exists()
    assert not any(path.is_symlink() for path in source.rglob("*"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


@pytest.mark.slow
def test_an_inherited_config_builds_from_the_installed_package(installed, tmp_path):
    (tmp_path / "mine.py").write_text(
        '_base_ = "mirl_mm::cls/mirl_vits54_in1k.py"\nmodel = dict(head=dict(num_classes=7))\n'
    )
    code = (
        "import mirl_mm\nfrom mirl_mm.config import read_config\nfrom mirl_mm.registry import MODELS\n"
        "model = MODELS.build(read_config('mine.py').model)\n"
        "print(mirl_mm.__file__, model.backbone.depth, model.head.fc.out_features)"
    )
    found = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).split()
    assert found == [str(installed / "mirl_mm/__init__.py"), "54", "7"]


@pytest.mark.slow
def test_it_trains_and_reconstructs(installed, tmp_path):
    run_mirl = (sys.executable, "-m", "mirl_mm")
    env = {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    made = ("--num-train", "8", "--num-val", "8", "--size", "64", "64")
    run(*run_mirl, "generate_shapes", "shapes", *made, cwd=tmp_path, **env)
    (tmp_path / "mine.py").write_text(
        '_base_ = "mirl_mm::pretrain/mirl_tiny24_64px.py"\n'
        "train_dataloader = dict(batch_size=4, num_workers=0)\nval_dataloader = dict(num_workers=0)\n"
    )
    run(*run_mirl, "train", "mine.py", "--data-root", "shapes/folder", "--epochs", "1", cwd=tmp_path, **env)
    weights = "work_dirs/mine/epoch_1.pth"
    run(*run_mirl, "infer", weights, "shapes/folder/val", "--out-dir", "seen", cwd=tmp_path, **env)
    assert list((tmp_path / "seen").glob("*.png"))
