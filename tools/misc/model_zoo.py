"""Brings the model zoo up to date: computed entries of configs/*/metafile.yml, and the tables of configs/*/README.md.

After a new config, add it to its folder's metafile (Name, Config, In Collection, and in Metadata Training Data and
GPUs), and run this. Parameters, FLOPs, epochs or iterations and batch size come from the config. Results and
Paper Results are written by hand and stay as they are.

python tools/misc/model_zoo.py
python tools/misc/model_zoo.py --check
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config
from mmengine.logging import MMLogger

from mirl_mm.analysis import encoder_cost, encoder_settings, model_parts, pretraining_macs, total_cost
from mirl_mm.analysis.flops import is_pretrainer
from mirl_mm.analysis.parts import model_on_meta
from mirl_mm.cli import Parser
from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.engine.launch import load_config
from mirl_mm.file_backend import write_file
from mirl_mm.text import markdown_table

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- models: made by tools/misc/model_zoo.py -->", "<!-- end of models -->"
HEADER = "# Parameters to Batch Size are computed: python tools/misc/model_zoo.py. The rest is written by hand.\n"
#: Heading of a table's column, and what stands there; columns without any entry are left out.
COLUMNS: dict[str, Callable[[dict], str | None]] = {
    "config": lambda model: f"[`{Path(model['Config']).stem}`]({Path(model['Config']).name})",
    "parameters (M)": lambda model: millions(model["Metadata"].get("Parameters")),
    "FLOPs (G)": lambda model: billions(model["Metadata"].get("FLOPs")),
    "encoder: parameters (M)": lambda model: millions(model["Metadata"].get("Encoder Parameters")),
    "encoder: FLOPs (G)": lambda model: billions(model["Metadata"].get("Encoder FLOPs")),
    "epochs": lambda model: model["Metadata"].get("Epochs"),
    "iterations": lambda model: model["Metadata"].get("Iterations"),
    "GPUs": lambda model: model["Metadata"].get("GPUs"),
    "batch": lambda model: model["Metadata"].get("Batch Size"),
    "paper's figure": lambda model: paper_figures(model.get("Paper Results", [])),
    "measured here": lambda model: measured(model.get("Results", [])),
}


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something is out of date")
    args = parser.parse_args()
    MMLogger.get_current_instance().setLevel("WARNING")
    costs: dict[str, dict[str, int]] = {}
    stale = []
    for path in metafiles():
        content = read(path)
        for model in content["Models"]:
            cfg = load_config(ROOT / model["Config"])
            fit_to_datasets(cfg)
            key = json.dumps(cfg.model.to_dict(), default=str, sort_keys=True)
            if key not in costs:
                print(model["Config"], flush=True)
                costs[key] = cost(cfg)
            metadata = model["Metadata"]
            given = {name: metadata[name] for name in ("Training Data", "GPUs")}
            model["Metadata"] = {**given, **costs[key], **schedule(cfg, metadata["GPUs"])}
        readme = path.with_name("README.md")
        for file, text in ((path, dump(content)), (readme, with_table(readme.read_text(), content["Models"]))):
            if file.read_text() != text:
                stale.append(file.relative_to(ROOT).as_posix())
                if not args.check:
                    write_file(file, text)
    if stale and args.check:
        raise SystemExit(f"error: out of date: {', '.join(stale)}; run python tools/misc/model_zoo.py")
    print(f"written: {', '.join(stale)}" if stale else "all is up to date")


def metafiles() -> list[Path]:
    """Those that model-index.yml names."""
    return [ROOT / name for name in yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]]


def read(metafile: Path) -> dict[str, Any]:
    return yaml.safe_load(metafile.read_text())


def dump(content: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def schedule(cfg: Config, gpus: int) -> dict[str, int]:
    """Epochs, or iterations that update the weights, and images of an update on so many GPUs."""
    accumulated = cfg.optim_wrapper.get("accumulative_counts", 1)
    if cfg.train_cfg.get("max_epochs"):
        length = {"Epochs": cfg.train_cfg.max_epochs}
    else:
        length = {"Iterations": cfg.train_cfg.max_iters // accumulated}
    return {**length, "Batch Size": gpus * cfg.train_dataloader.batch_size * accumulated}


def cost(cfg: Config) -> dict[str, int]:
    """Parameters of the whole model, and multiply-adds of a forward pass for an image.

    Of a pre-training that is the masked pass of training; its encoder is counted alone, too, on the whole image.
    """
    if not is_pretrainer(cfg.model):
        parameters, macs = total_cost(model_parts(cfg.model, cfg.default_scope))
        return {"Parameters": parameters, "FLOPs": macs.total}
    network = model_on_meta(cfg.model, cfg.default_scope)
    batch = cfg.train_dataloader.batch_size
    encoder = encoder_cost(encoder_settings(cfg.model))
    return {
        "Parameters": sum(parameter.numel() for parameter in network.parameters()),
        "FLOPs": round(pretraining_macs(cfg.model, batch).total / batch),
        "Encoder Parameters": encoder.parameters,
        "Encoder FLOPs": encoder.macs.total,
    }


def with_table(readme: str, models: list[dict]) -> str:
    """A README with the models' table between its two marks, which must be there."""
    parts = re.fullmatch(f"(.*{BEGIN}\n).*({END}.*)", readme, re.DOTALL)
    if parts is None:
        raise ValueError(f"a README needs a line {BEGIN!r} and a line {END!r}: the table goes between them")
    cells = {name: [fill(model) for model in models] for name, fill in COLUMNS.items()}
    cells = {name: column for name, column in cells.items() if any(column) or name == "measured here"}
    rows = [["–" if c is None else str(c) for c in row] for row in zip(*cells.values(), strict=True)]
    return f"{parts[1]}{markdown_table(list(cells), rows)}\n{parts[2]}"


def paper_figures(results: list[dict]) -> str | None:
    """Such as ``Top 1 Accuracy 84.4 / 84.8 (300 / 800 epochs)``: one task, after several pre-trainings."""
    if not results:
        return None
    shown = [f"{name} {' / '.join(str(one['Metrics'][name]) for one in results)}" for name in results[0]["Metrics"]]
    return f"{', '.join(shown)} ({' / '.join(str(one['Pretraining Epochs']) for one in results)} epochs)"


def measured(results: list[dict]) -> str | None:
    """Metrics of each result, linked to where it is reported."""
    shown = [", ".join(f"{name} {value}" for name, value in one["Metrics"].items()) for one in results]
    links = [f"[{text}](../../{one['Report']})" for text, one in zip(shown, results, strict=True)]
    return "; ".join(links) or None


def millions(number: int | None) -> str | None:
    return None if number is None else f"{number / 1e6:.1f}"


def billions(number: int | None) -> str | None:
    return None if number is None else f"{number / 1e9:.3g}" if number < 1e11 else f"{number / 1e9:.0f}"


if __name__ == "__main__":
    main()
