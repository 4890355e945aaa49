"""The set-up: pins and ranges agree, half-made environments and foreign ones are told apart, wheels are kept apart."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from tests.tools.scripts import load_script

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [Requirement(line) for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines()]


@pytest.fixture
def setup_env(monkeypatch, tmp_path) -> ModuleType:
    monkeypatch.setenv("MIRL_MM_CACHE", str(tmp_path / "cache"))
    return load_script("setup_env")


@pytest.fixture
def install_mmcv(setup_env) -> ModuleType:
    return load_script("install_mmcv")


def test_every_locked_package_is_pinned():
    assert all(re.fullmatch(r"==[^*,]+", str(requirement.specifier)) for requirement in LOCK)
    assert not any(requirement.url for requirement in LOCK)


def test_pins_are_within_the_ranges_for_users():
    ranges = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    for wanted in map(Requirement, ranges):
        pins = [one for one in LOCK if one.name.lower() == wanted.name.lower()]
        assert pins, f"{wanted.name} is not in requirements/lock.txt; run `make lock`"
        for one in pins:
            assert wanted.specifier.contains(str(one.specifier)[2:]), f"{one} is not in {wanted}"


def test_the_remedy_for_an_unfit_torch_is_the_pinned_one(setup_env):
    pins = f"{setup_env.pin('torch')} {setup_env.pin('torchvision')}"
    assert setup_env.machine.TORCH_REMEDY.endswith(f"install {pins}")


def test_the_core_asks_for_nothing_that_is_compiled():
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert not names & {"onedl-mmcv", "onedl-mmdetection", "onedl-mmsegmentation", "opencv-python"}


def test_the_version_is_read_without_torch():
    code = "import sys, mirl_mm; assert 'torch' not in sys.modules; print(mirl_mm.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout), done.stderr


def test_ci_script_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_environment_is_complete_only_with_the_stamp_of_the_present_pins(setup_env, monkeypatch, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    assert not setup_env.is_complete(venv)
    setup_env.write_stamp(venv, setup_env.UNFINISHED)
    assert not setup_env.is_complete(venv)
    setup_env.write_stamp(venv, setup_env.fingerprint(venv))
    assert setup_env.is_complete(venv)

    other_pins = tmp_path / "lock.txt"
    other_pins.write_text(setup_env.LOCK.read_text().replace("timm==1", "timm==2"))
    with monkeypatch.context() as patched:
        patched.setattr(setup_env, "LOCK", other_pins)
        assert not setup_env.is_complete(venv)

    venv.rename(tmp_path / "moved")  # the paths inside would be wrong
    assert not setup_env.is_complete(tmp_path / "moved")


def test_environment_whose_python_is_gone_is_not_complete(setup_env, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    setup_env.write_stamp(tmp_path, setup_env.fingerprint(tmp_path))
    assert not setup_env.is_complete(tmp_path)


def test_foreign_environment_is_left_alone_and_its_torch_judged(setup_env, tmp_path):
    assert setup_env.foreign_environment(tmp_path / "absent") is None
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    assert "not made by this set-up" in setup_env.foreign_environment(tmp_path)
    (site / "torch-2.14.0+cu130.dist-info").mkdir()
    message = setup_env.foreign_environment(tmp_path)
    assert "torch 2.14.0+cu130" in message and "pip install torch==2.12.1 torchvision==0.27.1" in message
    setup_env.write_stamp(tmp_path, setup_env.UNFINISHED)
    assert setup_env.foreign_environment(tmp_path) is None


def test_half_made_environment_is_emptied_but_stays_ours(setup_env, tmp_path):
    setup_env.write_stamp(tmp_path, setup_env.UNFINISHED)
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").touch()
    (tmp_path / "lib64").symlink_to("lib")
    setup_env.remove(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [setup_env.STAMP]


def test_all_that_is_missing_is_said_at_once(setup_env, monkeypatch, tmp_path):
    monkeypatch.setattr(setup_env.machine, "cxx_compiler", lambda: None)
    monkeypatch.setattr(setup_env.machine, "python_headers", lambda: None)
    monkeypatch.setattr(setup_env.machine, "free_bytes", lambda path: 2 * 10**9)
    problems = setup_env.find_problems(tmp_path / "venv")
    assert "apt install g++" in problems[0] and "pip install -e ." in problems[0]
    assert "python3-dev" in problems[1]
    assert problems[2].startswith("2.0 GB are free at ") and "MIRL_MM_CACHE" in problems[2]


def test_no_compiler_is_needed_where_the_wheel_is_kept(setup_env, install_mmcv, monkeypatch, tmp_path):
    monkeypatch.setattr(setup_env.machine, "cxx_compiler", lambda: None)
    torch = setup_env.pin("torch").partition("==")[2]
    assert any("compiler" in problem for problem in setup_env.find_problems(tmp_path / "venv"))
    folder = install_mmcv.wheel_folder(f"{torch}+cu130", "cpu")
    folder.mkdir(parents=True)
    (folder / f"onedl_mmcv-{install_mmcv.pinned_version()}-any.whl").touch()
    assert not any("compiler" in problem for problem in setup_env.find_problems(tmp_path / "venv"))


def test_wheels_are_kept_apart_and_unfinished_ones_not_found(install_mmcv):
    folder = install_mmcv.wheel_folder("2.12.1+cu130", "cpu")
    assert f"torch2.12.1+cu130-cp{sys.version_info[0]}{sys.version_info[1]}-" in folder.name
    assert len({folder, install_mmcv.wheel_folder("2.12.1", "cpu"), install_mmcv.wheel_folder("2.12.1", "cuda13")}) == 3
    name = f"onedl_mmcv-{install_mmcv.pinned_version()}-cp311-cp311-linux_x86_64.whl"
    (folder / "building-x").mkdir(parents=True)
    (folder / "building-x" / name).touch()
    assert install_mmcv.find_wheel(folder) is None
    (folder / name).touch()
    assert install_mmcv.find_wheel(folder) == folder / name


@pytest.mark.parametrize(
    ("available", "nvcc", "expected", "warns"),
    [
        (False, "13.0", "cpu", False),  # a compiler without a GPU must not cost an hour
        (True, "13.1", "cuda13.1-sm90", False),
        (True, "12.4", "cpu", True),
        (True, None, "cpu", True),
    ],
)
def test_ops_for_the_gpu_only_where_they_compile(install_mmcv, monkeypatch, available, nvcc, expected, warns):
    for name in ("FORCE_CUDA", "TORCH_CUDA_ARCH_LIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(install_mmcv.machine, "nvcc_version", lambda: nvcc)
    ops, warning = install_mmcv.choose_ops(available, "13.0", ["90", "90"])
    assert ops == expected
    assert (warning is not None and "CUDA 13.0 toolkit" in warning) is warns


def test_torch_that_mmcv_does_not_compile_with_is_refused(install_mmcv):
    with pytest.raises(install_mmcv.SetupError, match=r"torch 2\.14\.0 needs C\+\+20.*pip install torch==2\.12\.1"):
        install_mmcv.check_ready("2.14.0")


def test_a_failed_command_shows_the_end_of_its_log(install_mmcv, tmp_path):
    steps = load_script("steps")
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    seen: list[str] = []
    with pytest.raises(steps.SetupError, match=r"the reason(?s:.*)status 3"):
        steps.run_logged(command, tmp_path / "log", on_line=seen.append)
    assert seen == ["the reason\n"]


@pytest.mark.det
def test_compiled_ops_run_forward_and_backward(install_mmcv):
    pytest.importorskip("mmcv.ops", exc_type=ImportError)
    assert install_mmcv.ops_error(["cpu"]) is None
