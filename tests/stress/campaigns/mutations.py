"""Damaged and forged files of weights of every kind, and strange configs in them: read, or refused in a line."""

import argparse
import io
import os
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import MODELS, TASK_UTILS, TRANSFORMS
from safetensors.torch import save

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.training_state import read_whole
from mirl_mm.classification.inferencer import ClassifyInferencer
from mirl_mm.export import open_source
from mirl_mm.export.publish import publish
from mirl_mm.inference.dispatch import inferencer_for
from mirl_mm.probing.inferencer import FeatureInferencer
from mirl_mm.registry import PARTS, import_parts
from tests.strangers import canary, classifier, classifier_config, config_text
from tests.stress.limited import outcomes
from tests.stress.mutate import Mutator, as_text, damaged, forged, in_header, in_old, in_zip, strange
from tests.stress.table import Row, tell

NAME = "mutated files"
WEIGHT = 2.0
_ROUND = 500  # files of a kind, then those of the next
_REFUSALS = (ValueError, FileNotFoundError, ImportError)


class Kind(NamedTuple):
    """Files of one kind: what they are called, how they come about, and what is done with them."""

    what: str
    share: int
    make: Callable[[random.Random], bytes]
    ending: str
    use: tuple[Callable[[Path], Any], ...]


def _import(path: Path) -> None:
    weights = read_any(path)
    publish(weights.state, {"origin": weights.origin}, path.with_name("imported.safetensors"))


def _infer(path: Path) -> None:
    ClassifyInferencer(path, device="cpu")


def _features(path: Path) -> None:
    FeatureInferencer(path, device="cpu")


def _export(path: Path) -> None:
    open_source(path).backbone()


def kinds() -> list[Kind]:
    """All of them, made of a small classifier."""
    cfg, model = classifier_config(), classifier()
    state = model.state_dict()
    run = {
        "state_dict": state,
        "meta": {"epoch": 1, "iter": 5, "cfg": config_text(cfg), "dataset_meta": {"classes": ("cat", "dog")}},
        "message_hub": {
            "log_scalars": {"train/loss": HistoryBuffer([3.0, 1.0], [1, 1])},
            "runtime_info": {"best": np.float32(0.5), "palette": np.arange(6).reshape(2, 3), "epoch": 1},
            "resumed_keys": {"train/loss": True},
        },
        "optimizer": {
            "state": {
                i: {"step": torch.tensor(4.0), "exp_avg": p.detach().clone()} for i, p in enumerate(state.values())
            },
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99), "params": list(range(len(state)))}],
        },
        "param_schedulers": [{"end": 2, "last_step": 1}],
    }
    arrays = {name: (name, value.numpy()) for name, value in state.items()}
    paddle = {"model": arrays, "epoch": 3, "args": argparse.Namespace(model="mae_vit", lr=0.1)}
    plain = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    text = {name: value.clone() for name, value in plain.items()}
    whole, old = _saved(run), _saved({"model": plain, "epoch": 3}, old=True)
    tensors = save(text, {"num_heads": "2", "epoch": "3"})
    pickles = [pickle.dumps(paddle, protocol) for protocol in (2, 4, 5)]
    every = (read_any, read_whole, _import)

    def of(contents: list[bytes], *mutators: Mutator) -> Callable[[random.Random], bytes]:
        return lambda chance: chance.choice(mutators)(chance.choice(contents), chance)

    def with_config(chance: random.Random) -> bytes:
        meta = {"epoch": 1, "iter": 5, "cfg": as_text(strange(cfg, chance), chance)}
        return _saved({"state_dict": state, "meta": meta})

    return [
        Kind("checkpoints, damaged", 3, of([whole], damaged), "pth", every),
        Kind("checkpoints, forged, checksums right", 6, of([whole], in_zip(forged), in_zip(damaged)), "pth", every),
        Kind("PyTorch's before 1.6", 2, of([old], damaged, in_old), "pth", (read_any, _import)),
        Kind("safetensors", 3, of([tensors], damaged, in_header), "safetensors", (read_any, _import)),
        Kind("pickles of PaddlePaddle and detectron2", 3, of(pickles, damaged, forged), "pd", (read_any, _import)),
        Kind("strange configs in checkpoints", 3, with_config, "pth", (_infer, _features, _export, inferencer_for)),
    ]


def _saved(content: Any, old: bool = False) -> bytes:
    target = io.BytesIO()
    torch.save(content, target, _use_new_zipfile_serialization=not old)
    return target.getvalue()


def run(minutes: float, seed: int, out_dir: Path, most: int | None = None) -> list[Row]:
    """Try files of all kinds, round by round, until the time is over.

    Args:
        minutes: How long, about.
        seed: Of what is random.
        out_dir: Where a file that failed stays.
        most: At most so many files of a kind and round, and one round.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(out_dir)  # the commands in the files would leave their mark here
    sung = canary(out_dir)
    sys.path.insert(0, str(out_dir))
    _import_all()
    all_kinds = kinds()
    counts: dict[str, Counter] = {kind.what: Counter() for kind in all_kinds}
    notes: dict[str, str] = {}
    begun, number = time.monotonic(), 10_000_000  # of seven and more digits, which nothing else in a message has
    while True:
        for kind in all_kinds:
            chunk = range(number, number + (most or _ROUND * kind.share))
            number = chunk.stop
            found = outcomes(lambda each, kind=kind: _try(kind, each, seed, out_dir), chunk, _REFUSALS)
            if sung.exists() or (out_dir / "sung").exists():
                found[chunk.start] = ("executed", "a file was left")
            for each, (outcome, detail) in found.items():
                counts[kind.what][outcome] += 1
                if outcome not in ("read", "refused") and kind.what not in notes:
                    (out_dir / f"{each}.{kind.ending}").write_bytes(_content(kind, each, seed))
                    notes[kind.what] = f"{out_dir / str(each)}.{kind.ending}: {outcome}, {detail}"
            tell(out_dir, f"{sum(sum(each.values()) for each in counts.values()):,} files")
            if most is None and time.monotonic() - begun > 60 * minutes:
                break
        if most is not None or time.monotonic() - begun > 60 * minutes:
            break
    return [
        Row(what, sum(count.values()), dict(count), count.keys() <= {"read", "refused"}, notes.get(what, ""))
        for what, count in counts.items()
        if count
    ]


def _import_all() -> None:
    """So that no process spends its time on that."""
    for scope in PARTS:
        with suppress(ImportError):
            import_parts(scope)
    for root in (MODELS, TRANSFORMS, TASK_UTILS):
        for node in root.children.values():
            with suppress(ImportError):
                node.import_from_location()


def _content(kind: Kind, number: int, seed: int) -> bytes:
    return kind.make(random.Random(f"{seed} {number}"))


def _try(kind: Kind, number: int, seed: int, out_dir: Path) -> None:
    path = out_dir / f"try{number}.{kind.ending}"
    path.write_bytes(_content(kind, number, seed))
    try:
        kind.use[number % len(kind.use)](path)
    finally:
        path.unlink()
