"""Each value of docs/recipes is what its configs are resolved to, in every config that is named."""

import re
import warnings

import pytest

from tests import recipes
from tests.recipes import resolve, same
from tests.tools.scripts import load_script
from tests.training import ROOT

tool = load_script("recipes")
TABLES = tool.load()
NEEDED = {"det": "mirl_mm.detection.mmdet_parts", "seg": "mirl_mm.segmentation.mmseg_parts"}
#: Each has to be in a table; the others are made of these, for small data, one's own, or public weights without an
#: original recipe.
RECIPES = sorted(
    path.relative_to(ROOT / "configs").as_posix()
    for folder in ("pretrain", "cls", "det", "seg")
    for path in (ROOT / "configs" / folder).glob("*.py")
    if not re.search(r"tiny\d|custom_|dino", path.name)
)


def configs_of(table) -> set[str]:
    return {config for row in table.rows for config in row.configs}


def with_marks(table):
    tasks = {config.split("/")[0] for config in configs_of(table)} & NEEDED.keys()
    return pytest.param(table, marks=[getattr(pytest.mark, task) for task in tasks], id=table.name)


def wrong(rows: list) -> list[str]:
    """What the configs have and the rows have not."""
    found = []
    for row in rows:
        for config in row.configs:
            try:
                value = resolve(config, row.at)
            except (LookupError, AttributeError, ValueError) as error:
                value = error
            if not same(value, row.ours):
                found.append(f"{config}: {row.what} ({row.at}) is {value!r}, and the table says {row.ours!r}")
    return found


@pytest.mark.parametrize("table", [with_marks(table) for table in TABLES])
@pytest.mark.filterwarnings("ignore")
def test_values(table):
    for task, package in NEEDED.items():
        if any(config.startswith(task) for config in configs_of(table)):
            pytest.importorskip(package, exc_type=ImportError)
    found = wrong(table.rows)
    assert not found, "\n".join(found)


#: Keys that no table has to name: where data and types are, widths that follow from others, what a table's `rate at`,
#: `built` and `images per update` stand for, and what makes no difference to the result.
ELSEWHERE = re.compile(
    r"""(^|\.)(type|arch|constructor|labelled|split|data_root|ann_file|data_prefix\..*|collate_fn\..*|meta_keys|test_mode
    |num_classes|in_channels|out_channels|embed_dim|roi_feat_size|num_workers|persistent_workers|pin_memory|debug
    |pos_weight|fused|by_epoch|batch_size|accumulative_counts|val_interval|enable|with_bbox|with_mask|shuffle|crop_type
    |keep_empty|pad_mask|bias_decay|ln2d_decay)$
    |^(param_scheduler|model\.mixup|model\.random_erasing|custom_hooks\.ReconstructionHook)\.
    |^val_dataloader\.(drop_last|.*(MaskNoise|keep_ratio)|dataset.*(LoadAnnotations))
    |^model\.train_cfg\.rcnn\..*(min_pos_iou|ignore_iof_thr|neg_pos_ub|mask_size)$|target_means$""",
    re.VERBOSE,
)
PARTS = ("model", "optim_wrapper", "auto_scale_lr", "param_scheduler", "train_cfg", "custom_hooks")
LOADERS = ("train_dataloader", "val_dataloader")


def keys_of(value, key=()):
    """Each key of a config, with the names of a list's entries in a tuple."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from keys_of(each, (*key, (name,)))
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        for index, each in enumerate(value):
            yield from keys_of(each, (*key, (each.get("type", "").rpartition(".")[2], str(index), "*")))
    else:
        yield key


@pytest.mark.parametrize("config", [path for path in RECIPES if not re.search("gfl|linear_ade20k", path)])
def test_every_key_is_in_a_table(config):
    if (task := config.split("/")[0]) in NEEDED:
        pytest.importorskip(NEEDED[task], exc_type=ImportError)
    named = [row.at.split(".") for table in TABLES for row in table.rows if config in row.configs]
    missing = []
    for key in keys_of(
        {name: value for name, value in recipes.load(config).to_dict().items() if name in PARTS + LOADERS}
    ):
        found = any(len(at) <= len(key) and all(map(tuple.__contains__, key, at)) for at in named)
        text = ".".join(names[0] for names in key)
        if not found and not ELSEWHERE.search(text):
            missing.append(text)
    assert not missing, f"docs/recipes has no row of {config} for {missing}"


def test_every_recipe_has_a_table():
    assert sorted(set.union(*map(configs_of, TABLES))) == RECIPES


def test_page_is_up_to_date():
    assert tool.PAGE.read_text() == tool.page(TABLES), "run python tools/misc/recipes.py"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (
            {"optim_wrapper.optimizer.lr": 1e-4},
            {"rate per 256 images", "highest rate", "rate half through the warm-up"},
        ),
        ({"optim_wrapper.optimizer.eps": 1e-6}, {"epsilon"}),  # a default that the config leaves out
        ({"train_cfg.max_epochs": 799}, {"epochs"}),
        ({"optim_wrapper.accumulative_counts": 1}, {"images in an update", "highest rate"}),
        ({"model.num_segments": 4}, {"segments", "blocks of a segment", "pairs of components"}),
    ],
    ids=["rate", "epsilon", "epochs", "accumulation", "segments"],
)
def test_another_value_is_noticed(monkeypatch, settings, what):
    config = "pretrain/mirl_vits54_in1k.py"
    cfg = recipes.load(config).copy()
    cfg.merge_from_dict(settings)
    monkeypatch.setattr(recipes, "load", lambda path: cfg)
    caches = (recipes.built, recipes.rates, recipes.settings_of_parameters)
    for cache in caches:
        cache.cache_clear()
    rows = [row for row in TABLES[0].rows if config in row.configs and not row.at.startswith("std")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = wrong([row._replace(configs=(config,)) for row in rows])
    for cache in caches:
        cache.cache_clear()
    assert what <= {row.what for row in rows if any(f" {row.what} ({row.at})" in each for each in found)}


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("optim_wrapper.optimiser.lr", "no default of 'optimiser'"),
        ("train_dataloader.dataset.pipeline.RandomCrop.size", "not enough values"),
        ("train_cfg.max_epochs.first", "no 'first' in int"),
        ("rate at epoch 0.33", "between two"),
    ],
)
def test_a_key_that_is_not_there(at, message):
    with pytest.raises((LookupError, ValueError), match=message):
        resolve("pretrain/mirl_vits54_in1k.py", at)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (True, 1),
        (1, True),
        ("1", 1),
        (None, 0),
        ([1], 1),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        (1.0, 1.00001),
        (1, "1"),
    ],
)
def test_not_the_same(found, expected):
    assert not same(found, expected) and same(expected, expected)
