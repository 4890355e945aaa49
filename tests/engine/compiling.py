"""A hook for runs in other processes: what was compiled, and when."""

import json
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch._dynamo.utils import counters

from mirl_mm.registry import HOOKS


@HOOKS.register_module(force=True)
class CompiledGraphsHook(Hook):
    """Writes ``graphs.json`` of the run: graphs compiled up to each iteration's end, and the breaks in them."""

    def before_train(self, runner) -> None:
        torch._dynamo.reset()
        counters.clear()
        self.graphs: list[int] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.graphs.append(counters["stats"]["unique_graphs"])

    def after_train(self, runner) -> None:
        if is_main_process():
            found = {"graphs": self.graphs, "breaks": dict(counters["graph_break"])}
            (Path(runner.work_dir) / "graphs.json").write_text(json.dumps(found))
