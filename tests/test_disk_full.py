"""What is said when a file does not fit."""

import errno
import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mirl_mm.disk_full import NoSpaceError, explain_no_space, size_text
from mirl_mm.engine.disk_space import checkpoint_sizes, space_warning
from mirl_mm.engine.launch import build_runner
from mirl_mm.file_backend import AtomicLocalBackend
from tests.training import ROOT, environment, small_classifier, train, write_class_folders


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, r"can't write '.*/a/b' of 3.5 GB: the disk is full \(.* free\): make room\. What was there be"),
        (errno.EDQUOT, r"of 3.5 GB: your quota is used up"),
        (errno.EFBIG, r"of 3.5 GB: a file may have .* here: raise the limit \(ulimit -f\)"),
    ],
)
def test_reasons(tmp_path, number, text):
    error = explain_no_space(OSError(number, "?"), tmp_path / "a/b", 3_500_000_000)
    with pytest.raises(NoSpaceError, match=text):
        raise error
    assert explain_no_space(OSError(errno.EACCES, "?"), tmp_path) is None


def test_sizes_as_people_say_them():
    assert [size_text(n) for n in (0, 999, 1234, 5_600_000, 1_234_567_890)] == [
        *("0 bytes", "999 bytes", "1.23 kB", "5.6 MB", "1.23 GB"),
    ]


@pytest.fixture
def small_files():
    """A limit of 50 kB on the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_there_is_untouched(tmp_path, small_files):
    backend = AtomicLocalBackend()
    backend.put(b"old", tmp_path / "a")
    with pytest.raises(NoSpaceError, match=r"a' of 60 kB: a file may have 50 kB here"):
        backend.put(bytes(60_000), tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


LIMITED = (
    "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
    "sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.mark.slow
def test_a_training_ends_in_one_line_and_goes_on(tmp_path):
    write_class_folders(tmp_path / "data")
    cfg = small_classifier(tmp_path / "data", tmp_path / "run")
    train(cfg)
    size = (tmp_path / "run/epoch_1.pth").stat().st_size
    (tmp_path / "run/epoch_2.pth").unlink()
    (tmp_path / "run/last_checkpoint").write_text(str(tmp_path / "run/epoch_1.pth"))
    cfg.dump(tmp_path / "config.py")
    command = [
        sys.executable,
        "-c",
        LIMITED,
        str(size // 2),
        "tools/train.py",
        str(tmp_path / "config.py"),
        "--resume",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: can't write '{tmp_path / 'run/epoch_2.pth'}' of ")
    assert last.endswith(f"untouched. {tmp_path / 'run/epoch_1.pth'} is whole: go on from it with --resume")
    assert "here: the first one will stop the run; raise the limit (ulimit -f)" in done.stdout  # before it begins


def test_the_size_is_known_before_the_run_and_said_if_it_does_not_fit(tmp_path, monkeypatch):
    write_class_folders(tmp_path / "data")
    cfg = small_classifier(tmp_path / "data", tmp_path / "run")
    cfg.default_hooks.checkpoint.save_best = "accuracy/top1"
    runner = build_runner(cfg, ["train_dataloader", "val_dataloader"])
    hook = next(hook for hook in runner.hooks if hasattr(hook, "save_begin"))
    fresh: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "mirl_mm.engine.hooks.checkpoint.space_warning", lambda runner, _: fresh.append(checkpoint_sizes(runner))
    )
    runner.train()
    whole, weights = checkpoint_sizes(runner)
    assert fresh == [(pytest.approx(whole, rel=0.01), weights)]  # Adam's state was foreseen
    assert weights == pytest.approx(whole / 2, rel=0.01)  # weights and their average; as much of Adam
    assert whole < (tmp_path / "run/epoch_2.pth").stat().st_size  # names, settings and the log are small but there
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    monkeypatch.setattr("mirl_mm.engine.disk_space._saves", lambda *_: 9)
    hook.max_keep_ckpts = 8
    text = space_warning(runner, hook)
    assert text is not None and text.startswith("the checkpoints of this run need ")
    assert "(9 of " in text and "2 of the best of" in text and "max_keep_ckpts" in text
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * whole))
    assert space_warning(runner, hook) is None
