"""The golden tensors of tests/data/golden on the device: predictions, losses and gradients of the originals."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mirl_mm import MAE, MIRL, DeepViT, ImageClassifier
from mirl_mm.checkpoint.key_maps import from_authors_mirl, from_mae, torch_axes
from mirl_mm.checkpoint.key_maps_timm import from_vit
from mirl_mm.checkpoint.key_maps_vitdet import from_detectron2_vitdet
from mirl_mm.models.necks import SimpleFPN

from .bench import ROOT, Bench

FOLDER = ROOT / "tests" / "data" / "golden"

#: What an error may be, by precision: of outputs, the loss and all gradients as one vector, relative to their norm.
#: float32: tests on a CPU find 1e-6; a GPU adds up in other orders. bfloat16 has 8 bits; autocast's gradients of a
#: 12-block MIRL are 0.9 to 1.6 % off (docs/speed.md).
LIMITS = {"float32": (1e-5, 1e-5, 1e-4), "bfloat16": (0.02, 0.01, 0.03)}

Outcome = dict[str, tuple[Tensor, Tensor]]


class Case(NamedTuple):
    """A model of an original.

    Attributes:
        name: For the report.
        file: Its golden tensors.
        run: From the arrays by group, the device and a context of the precision to what is found and what is expected,
            by the kind of it: outputs, loss, gradients.
    """

    name: str
    file: str
    run: Callable[[dict[str, dict[str, Any]], torch.device, torch.autocast], Outcome]


def run(bench: Bench) -> None:
    """Each model in float32, without TF32, and under bfloat16 autocast."""
    if not FOLDER.is_dir():
        bench.record.note("The golden tensors are in a checkout alone, not in an installed package: left out.")
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    for case in CASES:
        arrays = read(case.file)
        for precision, limits in LIMITS.items():
            with bench.record.attempt("golden", model=case.name, precision=precision):
                half = torch.autocast(bench.device.type, torch.bfloat16, enabled=precision == "bfloat16")
                outcome = case.run(arrays, bench.device, half)
                errors = {kind: relative_error(*outcome[kind]) for kind in outcome}
                kinds = ("outputs", "loss", "gradients")
                fits = all(errors[kind] <= limit for kind, limit in zip(kinds, limits, strict=True) if kind in errors)
                bench.record.add("golden", model=case.name, precision=precision, **errors, limits=limits, fits=fits)


def read(name: str) -> dict[str, dict[str, Any]]:
    """A file's arrays by group (``param``, ``out``, ``grad``), and those of none under ``""``."""
    groups: dict[str, dict[str, Any]] = {"": {}, "param": {}, "out": {}, "grad": {}}
    with np.load(FOLDER / f"{name}.npz") as arrays:
        for key in arrays.files:
            group, slash, rest = key.partition("/")
            groups[group if slash else ""][rest or key] = np.array(arrays[key])
    return groups


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the expected norm."""
    found, expected = found.detach().double().cpu(), expected.double().cpu()
    return ((found - expected).norm() / expected.norm()).item()


def flat(tensors: Any) -> Tensor:
    """All numbers of some tensors, in float64 on the CPU."""
    return torch.cat([tensor.detach().double().cpu().flatten() for tensor in tensors])


def tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    """Arrays as tensors."""
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def gradients(model: nn.Module, expected: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """All gradients that are expected, found and expected."""
    found = dict(model.named_parameters())
    return flat(found[name].grad for name in expected), flat(expected.values())


def _backbone(depth: int, **settings: Any) -> dict[str, Any]:
    arch = {"depth": depth, "embed_dims": 24, "num_heads": 3}
    return {"type": "DeepViT", "arch": arch, "img_size": (64, 64), **settings}


def _pretrainer(model: nn.Module, golden: dict[str, dict[str, Any]], device: torch.device, half: Any) -> Outcome:
    images, noise = (torch.from_numpy(golden[""][name]).to(device) for name in ("images", "noise"))
    model.to(device).train()
    with half:
        groups, mask = model(images, mode="tensor", noise=noise)
        loss = model(images, mode="loss", noise=noise)["loss"]
    loss.backward()
    out = tensors(golden["out"])
    if not torch.equal(mask.cpu(), out["mask"]):
        raise ValueError("other patches are masked than in the original")
    if len(groups) == 1:
        predictions = {"pred": groups[0][0]}
    else:
        last = 2 * len(groups) - 1
        predictions = {f"pred{g}": group[0] for g, group in enumerate(groups)}
        predictions |= {f"pred{last - g}": group[1] for g, group in enumerate(groups)}
    outputs = flat(predictions.values()), flat(out[name] for name in predictions)
    return {"outputs": outputs, "loss": (loss, out["loss"])}


def _mirl(golden: dict[str, dict[str, Any]], device: torch.device, half: Any) -> Outcome:
    model = MIRL(_backbone(12), decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(from_authors_mirl(torch_axes(golden["param"])))
    outcome = _pretrainer(model, golden, device, half)
    return outcome | {"gradients": gradients(model, from_authors_mirl(torch_axes(golden["grad"])))}


def _mae(golden: dict[str, dict[str, Any]], device: torch.device, half: Any) -> Outcome:
    model = MAE(_backbone(4), decoder_embed_dims=16, decoder_depth=2, decoder_num_heads=2)
    model.load_state_dict(from_mae(tensors(golden["param"])))
    outcome = _pretrainer(model, golden, device, half)
    return outcome | {"gradients": gradients(model, from_mae(tensors(golden["grad"])))}


def _classifier(golden: dict[str, dict[str, Any]], device: torch.device, half: Any) -> Outcome:
    backbone = _backbone(6, pos_embed="learned", final_norm=False)
    model = ImageClassifier(backbone, {"type": "LinearClsHead", "num_classes": 10})
    model.load_state_dict(from_vit(torch_axes(golden["param"])))
    with torch.no_grad(), half:
        scores = model.to(device).eval()(torch.from_numpy(golden[""]["images"]).to(device))
    return {"outputs": (scores, torch.from_numpy(golden["out"]["logits"]))}


def _vitdet(golden: dict[str, dict[str, Any]], device: torch.device, half: Any) -> Outcome:
    backbone = DeepViT(
        {"depth": 4, "embed_dims": 48, "num_heads": 3},
        img_size=(128, 128),
        pretrain_img_size=(64, 64),
        pos_embed="learned",
        final_norm=False,
        class_token=False,
        window_size=4,
        use_rel_pos=True,
        global_attn_indexes=(1, 3),
    )
    model = nn.ModuleDict({"backbone": backbone, "neck": SimpleFPN(48, 32)})
    model.load_state_dict(from_detectron2_vitdet(golden["param"]))
    model.to(device).train()
    with half:
        levels = model["neck"](model["backbone"](torch.from_numpy(golden[""]["images"]).to(device)))
    sum(level.float().square().mean() for level in levels).backward()
    expected = {name: array for name, array in golden["grad"].items() if name != "images"}
    out = tensors(golden["out"])
    return {
        "outputs": (flat(levels), flat(out[f"p{number}"] for number, _ in enumerate(levels, start=2))),
        "gradients": gradients(model, from_detectron2_vitdet(expected)),
    }


CASES = (
    Case("MIRL", "mirl_6seg_w24", _mirl),
    Case("MAE", "mae_normpix_w24", _mae),
    Case("classifier", "vit_cls_w24", _classifier),
    Case("ViTDet's backbone and pyramid", "vitdet_square_w48", _vitdet),
)
