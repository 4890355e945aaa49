"""The depth study's configs and steps, what it adopts, what it makes of results."""

import json
import re
import shutil
from pathlib import Path

import pytest

from mirl_mm.config import read_config
from mirl_mm.studies.adopting import adopt
from mirl_mm.studies.depth import METHODS, RANDOM, DepthStudy, variant
from mirl_mm.studies.depth_results import collect, tables, write_results
from mirl_mm.studies.expecting import START, expect
from mirl_mm.studies.study import Running, run_study
from tests.training import ROOT, write_class_folders

STUDY = ROOT / "configs/study"
DIFFERENCES = {"mirl": {}, "mae": {"model.decoder_depth": 9}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp("data"), train=130, val=6, classes=["a", "b"])


def study(folder, data, **options):
    return DepthStudy(folder, str(data), **{"depths": (12, 24), "seeds": (0, 1), **options})


@pytest.mark.parametrize("method", DIFFERENCES)
def test_24_blocks_are_the_tiny_config_but_for_the_differences(method):
    tiny = read_config(ROOT / f"configs/pretrain/{method}_tiny24_64px.py")
    tiny.merge_from_dict(DIFFERENCES[method])
    assert read_config(STUDY / f"{method}_24x96.py").to_dict() == tiny.to_dict()


def test_fine_tuning_is_that_of_the_results():
    cfg = read_config(ROOT / "configs/cls/mirl_tiny24_64px.py")
    cfg.merge_from_dict({"train_cfg.max_epochs": 10, "optim_wrapper.type": "Bf16OptimWrapper"})
    assert read_config(STUDY / "cls_24x96.py").to_dict() == cfg.to_dict()


@pytest.mark.parametrize("width", [96, 192])
def test_all_of_a_width_see_the_same_images_in_as_many_updates(width):
    configs = {path.stem: read_config(path).to_dict() for path in STUDY.glob(f"*x{width}.py")}
    assert len(configs) == 9
    encoders, firsts = {}, {}
    for name, cfg in configs.items():
        method, depth = name.removesuffix(f"x{width}").split("_")
        model = cfg.pop("model")
        assert model["type"] == {"mirl": "MIRL", "mae": "MAE", "cls": "ImageClassifier"}[method]
        assert model["backbone"]["arch"] == {"depth": int(depth), "embed_dims": width, "num_heads": width // 32}
        if method != "cls":
            encoders[name] = {key: model[key] for key in ("backbone", "data_preprocessor", "mask_ratio")}
        else:  # the embeddings' share of the head's rate
            decay = cfg["optim_wrapper"]["paramwise_cfg"].pop("layer_decay")
            assert decay ** (int(depth) + 1) == pytest.approx(0.88**25)
        assert cfg == firsts.setdefault(method == "cls", cfg)
    assert all(encoders[name] == encoders[name.replace("mae", "mirl")] for name in encoders)


def test_steps_and_their_order(tmp_path, data):
    grid = study(tmp_path, data, methods=("mirl", "mae", "mirl-2seg"))
    seen = set()
    for step in grid.all_steps:
        assert set(step.needs) <= seen
        seen.add(step)
    pretrain = grid.steps["pretrain", "mae", 24, 1]
    assert pretrain.updates == 20 * 2
    assert pretrain.command.endswith(f"--work-dir {tmp_path}/mae_24x96_seed1 --resume --cfg-options randomness.seed=1")
    assert "model.num_segments=2" in grid.steps["pretrain", "mirl-2seg", 12, 0].words
    assert "model.num_segments=2" not in grid.steps["finetune", "mirl-2seg", 12, 0].words
    assert f"--pretrained {tmp_path}/mae_24x96_seed1/epoch_20.pth" in grid.steps["finetune", "mae", 24, 1].command
    names = [[step.name for step in bundle] for bundle in grid.bundles()]
    first = ["mirl_12x96_seed0", "mae_12x96_seed0", "mirl_12x96_seed0_probe", "mae_12x96_seed0_probe"]
    assert names[0] == first and names[1] == ["mirl_12x96_seed0_finetune", "mae_12x96_seed0_finetune"]
    assert sum(map(len, names)) == len(grid.all_steps) == 3 * 2 * 2 * 3
    assert names.index(["mirl-2seg_12x96_seed0", "mirl-2seg_12x96_seed0_probe"]) == 8


def test_probes_look_after_blocks_that_the_encoder_has(tmp_path, data):
    grid = study(tmp_path, data, probe_depths=("0", "6", "12", "18", "24"))
    depths = [grid.steps["probe", "mae", depth, 0].command.split("--depths ")[1] for depth in (12, 24)]
    assert depths == ["0 6 12", "0 6 12 18 24"]


def test_what_is_expected_follows_from_the_measured_speed(tmp_path, data):
    grid = study(tmp_path, data, depths=(12,), seeds=(0,))
    for method, rate in (("mirl", 100.0), ("mae", 50.0)):
        folder = grid.speed[method, 12].folder
        folder.mkdir()
        measured = {"images_per_s": rate, "flop_per_s": 1e10}
        (folder / "speed.json").write_text(json.dumps({"variants": {"fp32": measured}}))
    assert [step.name for step in grid.measurements] == ["speed_mirl_12x96", "speed_mae_12x96"]
    expect(grid)
    seconds = {key[:2]: step.seconds - START for key, step in grid.steps.items()}
    assert seconds["pretrain", "mae"] == pytest.approx(2 * seconds["pretrain", "mirl"])
    assert seconds["pretrain", "mirl"] == pytest.approx(20 * 130 / 100, rel=0.02)  # and a few images of validation
    assert seconds["finetune", "mirl"] == seconds["finetune", "mae"] > 0
    assert seconds["probe", "mirl"] == pytest.approx(2 * seconds["probe", "mae"])  # random weights, too


def test_what_there_is_not(tmp_path, data):
    with pytest.raises(ValueError, match="no method moco: there are mirl, mae, mirl-2seg"):
        study(tmp_path, data, methods=("moco",))
    with pytest.raises(ValueError, match="no config of 13 blocks of width 96: configs/study has cls_12x192"):
        study(tmp_path, data, depths=(13,))
    with pytest.raises(ValueError, match="--probe-depths 18 24: none is within 12 blocks"):
        study(tmp_path, data, probe_depths=("18", "24"))
    with pytest.raises(ValueError, match="--probe-depths 6 every: give 'all', or numbers of blocks"):
        study(tmp_path, data, probe_depths=("6", "every"))


def test_a_variant_is_a_method_with_other_settings_of_pre_training_alone(tmp_path, data):
    slow = variant("2seg-slow", "mirl-2seg", {"optim_wrapper.optimizer.lr": "0.003", "train_cfg.max_epochs": "40"})
    grid = study(tmp_path, data, methods=("mirl", "2seg-slow"), variants={"2seg-slow": slow})
    pretrain, finetune = (grid.steps[part, "2seg-slow", 12, 0] for part in ("pretrain", "finetune"))
    assert "mirl_mm::study/mirl_12x96.py" in pretrain.words
    settings = ["model.num_segments=2", "optim_wrapper.optimizer.lr=0.003", "train_cfg.max_epochs=40"]
    assert pretrain.words[pretrain.words.index("--cfg-options") + 1 :] == [*settings, "randomness.seed=0"]
    assert (pretrain.makes, pretrain.updates) == ("epoch_40.pth", 80)
    assert not set(settings) & set(finetune.words)
    assert f"--pretrained {tmp_path}/2seg-slow_12x96_seed0/epoch_40.pth" in finetune.command
    cfg = grid.config_of(pretrain)
    assert (cfg.optim_wrapper.optimizer.lr, cfg.train_cfg.max_epochs, cfg.model.num_segments) == (0.003, 40, 2)
    finish(grid.steps["probe", "2seg-slow", 24, 0], "probe", 40)
    assert "| 24 | 2seg-slow | 1 | 24.0 |" in tables(grid, collect(grid))


@pytest.mark.parametrize(
    ("name", "method", "why"),
    [
        ("mae", "mirl", "variant 'mae': give it a name of its own"),
        ("random", "mirl", "variant 'random': give it a name of its own"),
        ("a/b", "mirl", "variant 'a/b': give it a name of its own"),
        ("slow", "moco", "variant slow of moco: there are mirl, mae"),
    ],
)
def test_what_no_variant_can_be(name, method, why):
    with pytest.raises(ValueError, match=why):
        variant(name, method, {})


@pytest.mark.parametrize(
    ("options", "epochs", "why"),
    [
        ({"model.mask_ration": "0.5"}, None, "model has no 'mask_ration'; did you mean mask_ratio"),
        ({"train_cfg.max_epochs": "40"}, 2, "--epochs 2 and train_cfg.max_epochs of --cfg-options: give one of them"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(tmp_path, data, options, epochs, why):
    variants = {"other": variant("other", "mae", options)}
    grid = study(tmp_path / "out", data, methods=("mirl", "other"), variants=variants, epochs=(epochs, None))
    with pytest.raises(ValueError, match=re.escape(why)):
        run_study(grid, Running([{}]), lambda: pytest.fail("measured"))
    assert not list((tmp_path / "out").glob("speed*"))


def test_every_ablation_builds():
    import torch

    from mirl_mm.engine.launch import load_config
    from mirl_mm.registry import MODELS

    for method in METHODS.values():
        options = {key: eval(value) for key, value in method.options.items()}
        with torch.device("meta"):
            MODELS.build({**load_config(STUDY / f"{method.config}_24x96.py", options).model, "_scope_": "mirl_mm"})


def work_dir(folder, grid, key, **options):
    """As tools/train.py leaves it."""
    folder.mkdir()
    cfg = grid.config_of(grid.steps[key])
    cfg.merge_from_dict({"optim_wrapper.optimizer.lr": 1e-3, **options})  # scaled
    cfg.dump(folder / "some.py")
    (folder / grid.steps[key].makes).write_text("weights")
    return folder


def test_a_finished_training_is_adopted(tmp_path, data):
    grid, key = study(tmp_path / "study", data), ("pretrain", "mirl", 24, 1)
    step = grid.steps[key]
    same = work_dir(tmp_path / "same", grid, key)
    for name, options, said in (
        ("seed", {"randomness.seed": 0}, "randomness.seed: 0, now 1"),
        ("epochs", {"train_cfg.max_epochs": 8}, "train_cfg.max_epochs: 8, now 20"),
        ("depth", {"model.backbone.arch.depth": 12}, "model.backbone.arch.depth: 12, now 24"),
    ):
        with pytest.raises(ValueError, match=f"another training: {said}"):
            adopt(step, work_dir(tmp_path / name, grid, key, **options), grid.config_of(step))
    assert not step.folder.exists()
    adopt(step, same, grid.config_of(step))
    assert step.done and step.folder.resolve() == same
    again = study(tmp_path / "study", data).steps[key]
    assert again.done
    adopt(again, same, grid.config_of(step))
    with pytest.raises(ValueError, match="has this training already"):
        adopt(again, tmp_path / "seed", grid.config_of(step))
    (same / step.makes).unlink()
    with pytest.raises(FileNotFoundError, match=r"no epoch_20\.pth: is the training finished"):
        adopt(study(tmp_path / "other", data).steps[key], same, grid.config_of(step))


def finish(step, part, value):
    """Leave what a step would."""
    step.folder.mkdir(parents=True)
    (step.folder / step.makes).write_text("")
    if part == "probe":
        depths = range(int(step.kind.split()[1]) + 1)

        def encoder(checkpoint, shift):
            figures = {
                depth: {"knn_top1": value + shift - abs(depth - 8), "linear_top1": value + depth} for depth in depths
            }
            return {"name": "x", "checkpoint": checkpoint, "depths": figures}

        encoders = [encoder("x.pth", 0)] + ([encoder(None, -20)] if "--random" in step.words else [])
        (step.folder / step.makes).write_text(json.dumps({"encoders": encoders}))
    else:
        records = [{"step": 5, "iter": 5, "epoch": 1, "loss": value / 100}]
        key = "loss" if part == "pretrain" else "accuracy/top1"
        records.append({"step": 1, key: value / (100 if part == "pretrain" else 1)})
        (step.folder / "1/vis_data").mkdir(parents=True)
        (step.folder / "1/vis_data/scalars.json").write_text("\n".join(map(json.dumps, records)))
    step.ended = True
    step.keep()


def test_results(tmp_path, data):
    grid = study(tmp_path / "study", data)
    for (part, method, depth, seed), step in grid.steps.items():
        if (depth, seed) != (24, 1):
            finish(step, part, 40 + depth / 4 + 2 * seed + (3 + seed) * (method == "mirl"))
    numbers = collect(grid)
    text = tables(grid, numbers)
    rows = [line.split(" | ") for line in text.splitlines()]
    assert ["| 12", "MIRL", "2", "43.5 ± 1.5", "47.5 ± 1.5"] in [row[:5] for row in rows]
    assert ["| 12", "MAE", "2", "40.0 ± 1.0", "44.0 ± 1.0"] in [row[:5] for row in rows]
    assert ["| 12", "MIRL − MAE", "2", "+3.5 ± 0.5", "+3.5 ± 0.5"] in [row[:5] for row in rows]
    assert ["| 24", "MIRL − MAE", "1", "+3.0", "+3.0"] in [row[:5] for row in rows]
    assert ["| 24", "random weights", "1", "13.0", "29.0"] in [row[:5] for row in rows]
    assert ["| 12", "MAE", "–", "–", "–", "– |"] in rows
    speed = {"batch_size": 64, "variants": {"fp32": {"images_per_s": 100.0, "flop_per_step": 6.4e9}}}
    for method, rate in (("mirl", 100.0), ("mae", 80.0)):
        speed["variants"]["fp32"]["images_per_s"] = rate
        folder = grid.speed[method, 12].folder
        folder.mkdir()
        (folder / "speed.json").write_text(json.dumps(speed))
    grid.steps["pretrain", "mae", 12, 1].cpu = 120.0
    grid.steps["pretrain", "mae", 12, 1].spans = [[0.0, 200.0]]
    assert "| 12 | MAE | 0.100 | 80.0 | 1.250 | 2.0 |" in tables(grid, numbers)
    best = next(each for each in numbers if each[:4] == ("mirl", 24, 0, "knn_best"))
    assert (best.block, best.value) == (8, 49.0)
    assert all(Path(each.source).is_file() for each in numbers), "no number without its log"
    assert {each.method for each in numbers} == {"mirl", "mae", RANDOM}
    files = write_results(grid, numbers)
    written = {path.name: path.read_bytes() for path in files}
    assert [path.name for path in files] == ["numbers.csv", "tables.md", "depths.png", "blocks.png"]
    assert all(written[name].startswith(b"\x89PNG") for name in ("depths.png", "blocks.png"))
    assert written["numbers.csv"].count(b"\n") == len(numbers) + 1
    shutil.rmtree(grid.steps["finetune", "mae", 12, 0].folder)
    assert len(collect(grid)) == len(numbers) - 1, "a step whose result is gone still counts"
