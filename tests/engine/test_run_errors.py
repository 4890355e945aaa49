"""One line for what can be mended, a traceback for what can't, and nothing lost."""

import logging

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader, Dataset

from mirl_mm.datasets import CorruptImageError
from mirl_mm.engine.launch import join_processes
from mirl_mm.engine.run_errors import plain_errors
from tests.conftest import forget_runs


class Corrupt(Dataset):
    """Raises as the reader of images does, from what a decoder said."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> None:
        try:
            raise OSError("truncated")
        except OSError as error:
            raise CorruptImageError(f"cannot read image '{index}.jpg': OSError: truncated. Replace it") from error


class Failing(Corrupt):
    def __getitem__(self, index: int) -> None:
        raise AssertionError(f"failed to load image: {index}.jpg")


@pytest.fixture
def log_file(tmp_path):
    """Of a run that has begun."""
    path = tmp_path / "run.log"
    logger = MMLogger.get_instance(tmp_path.name, log_file=str(path))
    yield path
    for handler in [each for each in logger.handlers if isinstance(each, logging.FileHandler)]:
        handler.close()
    MMLogger._instance_dict.pop(tmp_path.name)


@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError, ModuleNotFoundError, FloatingPointError])
def test_what_can_be_mended_is_one_line(kind):
    with pytest.raises(SystemExit, match=r"^error: lower the rate") as caught, plain_errors():
        raise kind("lower the rate")
    assert isinstance(caught.value.__cause__, kind)


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(TypeError), plain_errors():
        raise TypeError("no such argument")


def test_what_this_package_says_is_one_line_without_a_log_file_too(monkeypatch):
    forget_runs()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^error: launcher 'slurm' needs GPUs.* --launcher pytorch$"), plain_errors():
        join_processes(Config({"launcher": "slurm"}))
    with pytest.raises(RuntimeError, match="of torch's"), plain_errors():
        raise RuntimeError("of torch's, with a traceback that is kept nowhere")


def test_the_log_file_has_the_traceback(log_file):
    message = rf"^error: out of memory\n\(the traceback is in '.*{log_file.name}'\)$"
    with pytest.raises(SystemExit, match=message), plain_errors():
        raise RuntimeError("out of memory")
    text = log_file.read_text()
    assert "the run ends here" in text and "Traceback (most recent call last)" in text
    assert text.rstrip().endswith("RuntimeError: out of memory")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Corrupt(), "cannot read image '0.jpg': OSError: truncated. Replace it"),
        (Failing(), "failed to load image: 0.jpg"),
    ],
    ids=["corrupt", "assertion"],
)
def test_an_error_of_a_loading_process(log_file, dataset, message):
    with pytest.raises(SystemExit) as caught, plain_errors():
        next(iter(DataLoader(dataset, num_workers=1)))
    first, second = str(caught.value).splitlines()
    assert first == f"error: {message}"
    assert second.startswith("(the traceback is in ")
    assert log_file.read_text().count("Traceback") >= 2
