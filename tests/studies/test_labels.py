"""The comparison of pre-trainings: its grid of fine-tunings, and what it makes of results."""

import json

import pytest

from mirl_mm.config import read_config
from mirl_mm.studies.label_results import collect, table, write_results
from mirl_mm.studies.labels import RANDOM, LabelStudy
from tests.training import ROOT, write_class_folders

CONFIG = str(ROOT / "configs/study/cls_12x96.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp("data"), train=100, val=6, classes=["a", "b"])


def study(folder, data, **options):
    (folder / "mirl.pth").write_text("")
    starts = {"MIRL": str(folder / "mirl.pth"), RANDOM: None}
    return LabelStudy(
        folder / "study", CONFIG, str(data), starts, **{"shares": (1.0, 0.25), "seeds": (0, 1), **options}
    )


def test_steps(tmp_path, data):
    """Few labels come first, for longer; random weights learn at one rate in all blocks."""
    grid = study(tmp_path, data)
    assert list(grid.steps)[:3] == [("MIRL", 0.25, 0), (RANDOM, 0.25, 0), ("MIRL", 1.0, 0)]
    assert [grid.number(share) for share in (0.25, 1.0)] == [24, 100]
    few, whole = (grid.steps["MIRL", share, 0] for share in (0.25, 1.0))
    assert (few.makes, whole.makes) == ("epoch_20.pth", "epoch_10.pth")
    assert (few.updates, whole.updates) == (20, 10)
    assert few.title == "MIRL, 25 % of the labels, seed 0" and few.name == "MIRL_25_seed0"
    assert f"--pretrained {tmp_path}/mirl.pth" in few.command
    assert "--pretrained" not in grid.steps[RANDOM, 0.25, 0].words
    decays = [
        read_config(grid.steps[name, 1.0, 0].config).optim_wrapper.paramwise_cfg.layer_decay for name in grid.starts
    ]
    assert decays[0] < decays[1] == 1
    assert grid.config_of(few).train_cfg.max_epochs == 20 and grid.config_of(few).randomness.seed == 0
    assert [step.name for step in grid.bundles()[0]] == ["MIRL_25_seed0", "random_25_seed0"]
    assert study(tmp_path, data, lengths=(7, 3)).steps["MIRL", 0.25, 0].makes == "epoch_3.pth"


def test_what_cannot_be(tmp_path, data):
    with pytest.raises(ValueError, match="2 shares of the labels need as many lengths, got 1"):
        study(tmp_path, data, lengths=(5,))
    with pytest.raises(ValueError, match=r"a share of the labels is in \(0, 1\], got 1.5"):
        study(tmp_path, data, shares=(1.5,))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint 'gone.pth' \(MAE\)"):
        LabelStudy(tmp_path, CONFIG, str(data), {"MAE": "gone.pth"})


def finish(step, top1):
    """Leave what a training would."""
    (step.folder / "1/vis_data").mkdir(parents=True)
    (step.folder / step.makes).write_text("")
    records = [{"step": 5, "iter": 5, "epoch": 1, "loss": 1.0}]
    records += [{"step": epoch, "accuracy/top1": top1 - 2 + epoch} for epoch in (1, 2)]
    (step.folder / "1/vis_data/scalars.json").write_text("\n".join(map(json.dumps, records)))
    step.ended, step.spans, step.cpu = True, [[0.0, 90.0]], 60.0
    step.keep()


def test_results(tmp_path, data):
    grid = study(tmp_path, data)
    for (start, share, seed), step in grid.steps.items():
        if (share, seed) != (1.0, 1):
            finish(step, 40 + 20 * share + 2 * seed + (10 + 2 * seed) * (start == "MIRL"))
    scores = collect(grid)
    assert len(scores) == 6 and {(each.score, each.seconds, each.processor_seconds) for each in scores} == {
        ("accuracy/top1", 90.0, 60.0)
    }
    text = table(grid, scores)
    assert "| 24 (25 %) | top-1 | 57.0 ± 2.0 (2) | 46.0 ± 1.0 (2) | +11.0 ± 1.0 | 1 min 30 s |" in text
    assert "| 100 (100 %) | top-1 | 70.0 (1) | 60.0 (1) | +10.0 | 1 min 30 s |" in text
    written = {path.name: path.read_bytes() for path in write_results(grid, scores)}
    assert list(written) == ["scores.csv", "table.md", "scores.png"]
    assert written["scores.csv"].count(b"\n") == 7 and written["scores.png"].startswith(b"\x89PNG")
