"""``--compile`` in two processes: with DDP, accumulation, recomputation, drop path and FSDP."""

import json

import pytest
import torch

from tests.engine.test_sharded import checkpoint, config, on_two_processes
from tests.training import write_images

pytestmark = pytest.mark.slow

RUNS = "2 runs of 1 block, 2 decoders, embeddings, target, losses; without CUDA graphs"
BLOCKS = "2 blocks, one by one, 2 decoders, embeddings, target, losses; without CUDA graphs"
#: What is set, options of the tool, and what the log says was compiled.
CASES = {
    "ddp": ({}, [], RUNS),
    "accumulated": ({"accumulative_counts": 2}, [], RUNS),
    "recomputed": ({"checkpointing": True}, [], f"{BLOCKS} (activation checkpointing recomputes block by block)"),
    "drop_path": ({"drop_path_rate": 0.4}, [], RUNS),
    "fsdp": ({}, ["--fsdp"], f"{BLOCKS} (FSDP gathers and frees weights block by block)"),
    "fsdp_all": (
        {"accumulative_counts": 2, "checkpointing": True, "drop_path_rate": 0.4},
        ["--fsdp"],
        f"{BLOCKS} (FSDP gathers and frees weights block by block)",
    ),
}


def write_config(root, work_dir, settings: dict, compiled: bool) -> list:
    """The config's file; returns the tool's arguments."""
    cfg = config(root, work_dir, train_dataloader__batch_size=2)
    cfg.optim_wrapper.accumulative_counts = settings.get("accumulative_counts", 1)
    cfg.model.backbone.drop_path_rate = settings.get("drop_path_rate", 0.0)
    cfg.activation_checkpointing = settings.get("checkpointing", False)
    cfg.compile = {"backend": "aot_eager"} if compiled else False
    cfg.custom_imports = {"imports": ["tests.engine.compiling"]}
    cfg.custom_hooks = [{"type": "CompiledGraphsHook"}]
    cfg.dump(work_dir.with_suffix(".py"))
    return [work_dir.with_suffix(".py"), "--work-dir", work_dir]


def test_all_of_it_compiles_once_and_trains_alike(tmp_path, two_devices):
    tolerance = 0 if two_devices.type == "cpu" else 1e-5  # a GPU's products may be others for other views
    root = write_images(tmp_path / "data", 16)
    runs = []
    for name, (settings, options, _) in CASES.items():
        for kind in ("plain", "compiled"):
            runs.append([*write_config(root, tmp_path / f"{name}_{kind}", settings, kind == "compiled"), *options])
    on_two_processes(29651, *runs)
    for name, (settings, _, said) in CASES.items():
        plain, compiled = (checkpoint(tmp_path / f"{name}_{kind}/epoch_2.pth") for kind in ("plain", "compiled"))
        moved = checkpoint(tmp_path / f"{name}_plain/epoch_1.pth")
        for key, tensor in plain["state_dict"].items():
            found = compiled["state_dict"][key]
            if "drop_path_rate" in settings:  # compiled, it draws other samples
                assert found.isfinite().all(), (name, key)
            else:
                torch.testing.assert_close(found, tensor, rtol=0, atol=tolerance, msg=f"{name}: {key}")
        assert any(not torch.equal(tensor, moved["state_dict"][key]) for key, tensor in plain["state_dict"].items())
        (log,) = (tmp_path / f"{name}_compiled").glob("*/*.log")
        assert log.read_text().count(f"compiled for training: {said}") == 1, name
        found = json.loads((tmp_path / f"{name}_compiled/graphs.json").read_text())
        update = settings.get("accumulative_counts", 1) - 1
        assert found["graphs"][update] == found["graphs"][-1] > 0, (name, found)
        assert len(found["graphs"]) == 8 and not found["breaks"], (name, found)
        assert json.loads((tmp_path / f"{name}_plain/graphs.json").read_text())["graphs"][-1] == 0
