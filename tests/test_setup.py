"""The set-up: pins and ranges agree, half-made environments and foreign ones are told apart, one set-up at a time."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from tests.tools.scripts import MISC, load_script

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [Requirement(line) for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines()]


@pytest.fixture
def setup_env() -> ModuleType:
    return load_script("setup_env")


def test_every_locked_package_is_pinned():
    assert all(re.fullmatch(r"==[^*,]+", str(requirement.specifier)) for requirement in LOCK)
    assert not any(requirement.url for requirement in LOCK)


def test_pins_are_within_the_ranges_for_users():
    extras = {name: ranges for name, ranges in PROJECT["optional-dependencies"].items() if name != "lora"}
    ranges = [*PROJECT["dependencies"], *(one for extra in extras.values() for one in extra)]
    for wanted in map(Requirement, ranges):
        if wanted.name == "opencv-python":  # for which requirements/overrides.txt takes the headless one
            continue
        pins = [one for one in LOCK if one.name.lower() == wanted.name.lower()]
        assert pins, f"{wanted.name} is not in requirements/lock.txt; run `make lock`"
        for one in pins:
            assert wanted.specifier.contains(str(one.specifier)[2:]), f"{one} is not in {wanted}"


def test_there_is_one_cv2():
    assert [one.name for one in LOCK if one.name.startswith("opencv")] == ["opencv-python-headless"]


def test_the_core_asks_for_none_of_mmlab_but_its_engine():
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert {name for name in names if name.startswith("onedl")} == {"onedl-mmengine"}


def test_the_version_is_read_without_torch():
    code = "import sys, mirl_mm; assert 'torch' not in sys.modules; print(mirl_mm.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout), done.stderr


def test_ci_script_can_be_run_and_lints_and_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-2:] == ["make lint", "make test"]


def test_environment_is_complete_only_with_the_stamp_of_the_present_pins(setup_env, monkeypatch, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    assert not setup_env.is_complete(venv)
    (venv / setup_env.STAMP).touch()
    assert not setup_env.is_complete(venv)
    (venv / setup_env.STAMP).write_text(setup_env.fingerprint(venv))
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
    (tmp_path / setup_env.STAMP).write_text(setup_env.fingerprint(tmp_path))
    assert not setup_env.is_complete(tmp_path)


def start(venv: Path, path: str | Path = "/nonexistent") -> subprocess.Popen:
    """Start the set-up on a machine with a large disk and another PATH, as uv is looked for there."""
    code = f"""
import sys
sys.path.insert(0, {str(MISC)!r})
sys.argv[1:] = ["--venv", {str(venv)!r}]
import setup_env
setup_env.check_disk = lambda venv, uv: True
try:
    setup_env.main()
except setup_env.SetupError as error:
    sys.exit(f"error: {{error}}")
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PATH": str(path)}, **pipes)


def make(venv: Path, path: str | Path = "/nonexistent") -> subprocess.CompletedProcess:
    """Run it to its end."""
    process = start(venv, path)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def test_foreign_environment_is_left_alone(tmp_path):
    (tmp_path / "lib").mkdir()
    done = make(tmp_path)
    assert done.returncode == 1 and f"error: {tmp_path} was not made by this set-up" in done.stderr
    assert "make env VENV=" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lib"]


def pretend_uv(folder: Path, script: str) -> Path:
    """A folder for PATH with a ``uv`` that runs a shell script."""
    folder.mkdir()
    (folder / "uv").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "uv").chmod(0o755)
    return folder


def test_half_made_environment_is_emptied_and_made_again(setup_env, tmp_path):
    venv = tmp_path / "venv"
    (venv / "lib" / "deep").mkdir(parents=True)
    (venv / "lib64").symlink_to("lib")
    (venv / setup_env.STAMP).touch()
    done = make(venv, pretend_uv(tmp_path / "bin", f'echo "$@" > {tmp_path}/called; exit 3'))
    assert done.returncode == 1 and "the next call starts afresh" in done.stderr, done.stdout + done.stderr
    assert not (venv / "lib" / "deep").exists() and not setup_env.is_complete(venv)
    called = (tmp_path / "called").read_text()
    assert called.startswith(f"pip install --python {venv}/bin/python --no-deps") and str(setup_env.LOCK) in called


def test_a_second_set_up_waits_for_what_a_killed_one_left_running(tmp_path):
    """uv and pip go on for a moment if only the set-up is killed; they hold its lock."""
    venv = tmp_path / "venv"
    uv = pretend_uv(tmp_path / "bin", f"echo > {tmp_path}/started; {shutil.which('sleep')} 3; echo > {tmp_path}/ended")
    first = start(venv, uv)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    (uv / "uv").write_text(f"#!/bin/sh\n[ -e {tmp_path}/ended ] && exit 4\n")
    done = make(venv, uv)
    assert f"waiting for another set-up of {venv}" in done.stdout
    assert (tmp_path / "ended").exists() and "failed, see above" in done.stderr


@pytest.mark.parametrize(
    ("uv", "free", "same_disk", "refused"),
    [
        (None, 7.3e9, True, "7.3 GB are free at {venv}, 10.9 GB are needed"),  # pip's downloads lie beside
        (None, 11e9, True, None),
        (None, 15e9, True, None),
        (None, 7.3e9, False, None),
        (None, 3e9, False, "3.0 GB are free at {venv}, 7.2 GB"),
        ("uv", 7.3e9, True, None),  # links
        ("uv", 2e9, True, "2.0 GB are free at {venv}, 7.2 GB"),
    ],
)
def test_a_full_disk_is_seen_before_the_download(setup_env, monkeypatch, tmp_path, uv, free, same_disk, refused):
    if not same_disk:
        if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second disk")
        monkeypatch.setattr(setup_env.tempfile, "gettempdir", lambda: "/dev/shm")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv" / "cache"))
    monkeypatch.setattr(setup_env.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9e9, 9e9 - free, free))
    if refused is None:
        assert setup_env.check_disk(tmp_path, uv) == (free == 15e9)  # whether pip may keep its downloads
        return
    with pytest.raises(setup_env.SetupError, match=f"{re.escape(refused.format(venv=tmp_path))}.*make env VENV="):
        setup_env.check_disk(tmp_path, uv)


def test_pip_keeps_its_downloads_where_its_cache_has_a_disk_of_its_own(setup_env, monkeypatch, tmp_path):
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    monkeypatch.setattr(setup_env.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(20e9, 9e9, 11e9))
    monkeypatch.setenv("PIP_CACHE_DIR", "/dev/shm/not/there/yet")
    assert setup_env.check_disk(tmp_path, None)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    assert not setup_env.check_disk(tmp_path, None)


def test_what_python_lacks_is_said(setup_env, monkeypatch):
    setup_env.check_python(uv=None)
    find_spec = setup_env.importlib.util.find_spec
    monkeypatch.setattr(
        setup_env.importlib.util, "find_spec", lambda name: (name != "ensurepip" and find_spec(name)) or None
    )
    setup_env.check_python(uv="uv")
    with pytest.raises(setup_env.SetupError, match="no `ensurepip`: `apt install python3-venv`"):
        setup_env.check_python(uv=None)
    monkeypatch.setattr(setup_env.sys, "version_info", (3, 9, 1))
    with pytest.raises(setup_env.SetupError, match=r"Python 3\.9\.1 is too old.*make env PYTHON="):
        setup_env.check_python(uv="uv")
