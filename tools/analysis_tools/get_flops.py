"""Parameters and multiply-adds of a config's backbone, and of the model around it.

Of a pre-trainer those of its training step; of others those of each part in a prediction. A segmentor is counted on one
window, a detector's heads on as many regions as the test lets through at most.

Two counts of multiply-adds: of linear layers alone, as in MIRL's paper (which calls them FLOPs), and with attention's
two products. A multiply-add is two floating-point operations.

    python tools/analysis_tools/get_flops.py configs/pretrain/mirl_vitb48_in1k.py
    python tools/analysis_tools/get_flops.py configs/det/mirl_vitb48_coco.py --shape 1024 1024
"""

from mmengine.config import Config

from mirl_mm.analysis import Macs, encoder_cost, encoder_settings, model_parts, pretraining_macs, total_cost
from mirl_mm.analysis.flops import has_plain_formulation, is_plain, is_pretrainer
from mirl_mm.cli import Parser
from mirl_mm.engine.cli import add_cfg_options
from mirl_mm.engine.derive_from_datasets import fit_to_datasets
from mirl_mm.engine.launch import load_config
from mirl_mm.models.layers import Size
from mirl_mm.registry import MODELS, SCOPE


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="config file of any task on a plain backbone")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("H", "W"), help="image size (default: the config's)")
    parser.add_argument("--batch-size", type=int, help="images of a pre-training step (default: the config's)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="whose way to compute is counted")
    add_cfg_options(parser)
    args = parser.parse_args()
    cfg = load_config(args.config, args.cfg_options)
    model = cfg.get("model")
    shape = None if args.shape is None else tuple(args.shape)
    try:
        settings = encoder_settings(model, shape)
        cost = encoder_cost(settings, args.device)
    except ValueError as error:
        raise SystemExit(f"{args.config}: {error}") from None

    name = settings.get("arch") or settings.get("model_name")
    prefix = {0: "", 1: " and the class token"}.get(cost.prefix_tokens, f" and {cost.prefix_tokens} prefix tokens")
    print(f"Encoder {name if isinstance(name, str) else str(settings['type']).rpartition('.')[2]}, whole image")
    print(f"  image {cost.img_size[0]} x {cost.img_size[1]}, {cost.patches} patches{prefix}")
    print(f"  parameters {cost.parameters / 1e6:.2f} M, of which trained {cost.trainable / 1e6:.2f} M")
    print(heading("multiply-adds per image"))
    print(line("forward", cost.macs))
    if is_pretrainer(model):
        batch = args.batch_size or cfg.get("train_dataloader", {}).get("batch_size", 1)
        print(f"\n{model.type}, a batch of {batch}, masked")
        print(heading("multiply-adds per image"))
        for label, backward in (("forward", False), ("forward and backward", True)):
            ours = pretraining_macs(model, batch, shape, backward)
            print(line(label, ours, batch))
            if has_plain_formulation(model):
                plain = pretraining_macs(model, batch, shape, backward, plain=True)
                print(line("  the same, plainly", plain, batch), f"  (x {plain.total / ours.total:.3f})")
    elif not is_plain(model):
        print_parts(cfg, shape, args.device)


def heading(label: str, second: str = "") -> str:
    return f"  {label:34s}{second:>13s}{'linears':>11s}{'+ attention':>14s}{'= operations':>20s}"


def line(label: str, macs: Macs, images: int = 1, parameters: int | None = None) -> str:
    linear, total = macs.linear / images / 1e9, macs.total / images / 1e9
    number = "" if parameters is None else f"{parameters / 1e6:.2f} M"
    return f"  {label:34s}{number:>13s}{linear:9.2f} G{total:12.2f} G{2 * total:14.2f} GFLOP"


def print_parts(cfg: Config, shape: Size | None, device: str) -> None:
    """The parts of a classifier, detector or segmentor."""
    scope = cfg.get("default_scope", SCOPE)
    with MODELS.switch_scope_and_registry(scope) as models:
        known = models.get(cfg.model.type) is not None
    if not known:
        print(f"\nNothing but the encoder is counted: {cfg.model.type!r} is no model that is known in scope {scope!r}")
        return
    fit_to_datasets(cfg)
    parts = model_parts(cfg.model, scope, shape, device)
    print(f"\n{cfg.model.type}, prediction")
    print(heading("part", "parameters"))
    parameters, macs = total_cost(parts)
    for part in parts:
        label = part.name if part.regions is None else f"{part.name}, {part.regions} regions"
        print(line(label, part.macs, parameters=part.parameters))
    print(line("all", macs, parameters=parameters))


if __name__ == "__main__":
    main()
