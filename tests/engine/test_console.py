"""The screen has what a person needs, the log file everything."""

from mirl_mm.engine.training import run_training
from tests.conftest import forget_runs
from tests.training import small_config, write_images


def test_before_the_first_iteration(tmp_path, capsys):
    forget_runs()
    run_training(small_config(write_images(tmp_path / "data", 8), tmp_path / "run"))
    (log,) = (tmp_path / "run").glob("*/*.log")
    file, screen = log.read_text(), capsys.readouterr().out
    for text in ("System environment:", "Config:\n", "Hooks will be executed", "parameter groups:", "Exp name: "):
        assert text in file and text not in screen
    before = screen[: screen.index("Epoch(train)")]
    assert "training\n" in before and "  length" in before and "random weights" in before
    assert len(before.splitlines()) <= 20
