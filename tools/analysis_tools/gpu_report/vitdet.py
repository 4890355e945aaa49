"""ViTDet's encoders at 1024 x 1024 beside explicit attention, as tools/analysis_tools/benchmark_vitdet.py sets them."""

from argparse import Namespace
from typing import Any

from benchmark_vitdet import Bench as Encoder

from mirl_mm.engine.compilation import compile_training

from .bench import Bench

#: Architecture, images, and whether it is compiled, too. Explicit attention of B-48 on two images takes over 70 GB.
CASES = (("vit-b", 2, True), ("vit-b-48", 1, False))
#: Of the rehearsal.
SMALL = {"depth": 4, "embed_dims": 48, "num_heads": 3}


def run(bench: Bench) -> None:
    """Forward and backward pass in each way, which share the weights."""
    for arch, images, compiles in CASES:
        size = (64, 64) if bench.rehearse else (1024, 1024)
        window = 2 if bench.rehearse else 14
        settings = {
            "arch": SMALL if bench.rehearse else arch,
            "size": size,
            "window_size": window,
            "batch_size": images,
            "dtype": "bf16",
        }
        title = f"{arch}, {size[0]} × {size[1]}, batch {images}"
        encoder = Encoder(Namespace(**settings, threads=None, seed=0))
        rows: dict[str, dict[str, Any]] = {}
        for way in ("explicit", "ours", *(["compiled"] if compiles else [])):
            with bench.record.attempt("encoders", encoder=title, way=way):
                rows[way] = measure(bench, encoder, way)
                first = rows.get("explicit") if way != "explicit" else None
                ratios = {f"{key}_ratio": rows[way][key] / first[key] for key in ("ms", "gb") if first and first[key]}
                bench.record.add("encoders", encoder=title, way=way, **rows[way], **ratios)
        del encoder


def measure(bench: Bench, encoder: Encoder, way: str) -> dict[str, Any]:
    """Milliseconds and gigabytes of one way's step."""
    if way == "compiled":
        compile_training(encoder.model, backend="aot_eager" if bench.rehearse else "inductor")
    kind = "explicit" if way == "explicit" else "ours"
    warm_up = bench.warm_up(lambda: encoder.step(kind))
    timed = bench.time(lambda: encoder.step(kind))
    return {"ms": timed.ms, "gb": timed.gb, "warm_up_s": warm_up}
