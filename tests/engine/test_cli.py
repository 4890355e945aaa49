from pathlib import Path

from mirl_mm.engine.cli import default_work_dir


def test_runs_of_two_tasks_do_not_meet(tmp_path):
    assert default_work_dir("configs/cls/mirl_vitb48_in1k.py") == Path("work_dirs/cls/mirl_vitb48_in1k")
    assert default_work_dir("configs/pretrain/mirl_vitb48_in1k.py") == Path("work_dirs/pretrain/mirl_vitb48_in1k")


def test_a_config_from_elsewhere_counts_with_its_name(tmp_path):
    assert default_work_dir(tmp_path / "mine.py") == Path("work_dirs/mine")
    assert default_work_dir(tmp_path / "configs" / "mine.py") == Path("work_dirs/mine")
