"""Metafiles and READMEs of the model zoo say what the configs say; no figure of the paper stands as ours."""

import re

import pytest

from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.engine.launch import load_config
from tests.tools.scripts import load_script
from tests.training import ROOT

zoo = load_script("model_zoo")
CONTENT = {path: zoo.read(path) for path in zoo.metafiles()}
MODELS = {model["Config"]: model for content in CONTENT.values() for model in content["Models"]}
#: Counted in every test run; the others take a minute.
QUICK = {"configs/pretrain/mirl_tiny24_64px.py", "configs/cls/mirl_vits_in1k.py"}
REMEDY = "run python tools/misc/model_zoo.py"


def test_every_config_is_listed_once_in_its_folder():
    listed = [(path.parent, model["Config"]) for path, content in CONTENT.items() for model in content["Models"]]
    found = [path for path in (ROOT / "configs").glob("*/*.py") if path.parent.name != "_base_"]
    assert sorted(listed) == sorted((path.parent, path.relative_to(ROOT).as_posix()) for path in found)


@pytest.mark.parametrize("metafile", CONTENT, ids=lambda path: path.parent.name)
def test_form(metafile):
    content = CONTENT[metafile]
    collections = {each["Name"] for each in content["Collections"]}
    assert {model["In Collection"] for model in content["Models"]} == collections
    for each in content["Collections"]:
        assert (ROOT / each["README"]) == metafile.with_name("README.md")
        assert each["Paper"]["URL"].startswith("https://arxiv.org/abs/")
    for model in content["Models"]:
        assert model["Name"] == model["Config"].removeprefix("configs/").removesuffix(".py")
        assert model["Metadata"]["Training Data"] and "Weights" not in model
    assert metafile.read_text() == zoo.dump(content)


@pytest.mark.parametrize("metafile", CONTENT, ids=lambda path: path.parent.name)
def test_the_table_is_the_metafiles(metafile):
    text = metafile.with_name("README.md").read_text()
    assert text == zoo.with_table(text, CONTENT[metafile]["Models"]), REMEDY


def skip_without_its_task(config: str) -> None:
    for task, package in (("det", "mirl_mm.detection.mmdet_parts"), ("seg", "mirl_mm.segmentation.mmseg_parts")):
        if re.search(f"[/_]{task}[/_]", config):
            pytest.importorskip(package, exc_type=ImportError)


@pytest.mark.parametrize("config", MODELS)
def test_schedule(config):
    skip_without_its_task(config)
    metadata = MODELS[config]["Metadata"]
    schedule = zoo.schedule(load_config(ROOT / config), metadata["GPUs"])
    assert schedule.items() <= metadata.items(), REMEDY
    assert len({"Epochs", "Iterations"} & metadata.keys()) == 1


@pytest.mark.parametrize(
    "config", [pytest.param(config, marks=[] if config in QUICK else pytest.mark.slow) for config in MODELS]
)
def test_cost(config):
    for task, library in (
        ("/det/", "detection"),
        ("_det_", "detection"),
        ("/seg/", "segmentation"),
        ("_seg_", "segmentation"),
    ):
        if task in config:
            pytest.importorskip(f"mirl_mm.{library}", exc_type=ImportError)
    cfg = load_config(ROOT / config)
    fit_to_datasets(cfg)
    assert zoo.cost(cfg).items() <= MODELS[config]["Metadata"].items(), REMEDY


def test_results_stand_in_their_reports():
    results = [result for model in MODELS.values() for result in model.get("Results", [])]
    assert results
    for result in results:
        path, _, anchor = result["Report"].partition("#")
        text = (ROOT / path).read_text()
        headings = [re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in text.splitlines()]
        assert anchor in headings
        assert result["Seeds"] and result["Settings"]
        for figure in result["Metrics"].values():
            assert re.search(rf"(?<![\d.]){figure}(?![\d])", text), f"{figure} is not in {path}"


def test_papers_figures_name_their_source_and_are_apart():
    for model in MODELS.values():
        for result in model.get("Paper Results", []):
            assert result["Source"] == "https://arxiv.org/abs/2309.14136"
            assert result["Metrics"] not in [ours["Metrics"] for ours in model.get("Results", [])]
    papers = {name: [r["Metrics"]["Top 1 Accuracy"] for r in m.get("Paper Results", [])] for name, m in MODELS.items()}
    assert papers["configs/cls/mirl_vitb48_in1k.py"] == [85.3, 86.2]
    assert papers["configs/cls/mirl_vits54_in1k.py"] == [84.4, 84.8]
    assert papers["configs/cls/mirl_vitb24_in1k.py"] == [84.7]
    assert papers["configs/cls/mirl_vitb_in1k.py"] == [83.5, 84.1]
    assert sum(map(len, papers.values())) == 7


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="end of models"):
        zoo.with_table("# Title\n", [])
