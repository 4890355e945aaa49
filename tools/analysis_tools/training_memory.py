"""Memory for training a detector or a segmentor, computed without a GPU.

Weights, gradients and AdamW's two averages are 16 bytes for each parameter that is trained. Activations are the tensors
that autograd keeps for the backward pass, counted on the meta device in float32, of backbone, neck and heads; mixed
precision keeps between a half of it and all. Losses, anchors, the compiler's and the libraries' own memory are not in
it.

python tools/analysis_tools/training_memory.py configs/det/mirl_vitb_coco.py configs/det/mirl_vitb48_24gb_coco.py
python tools/analysis_tools/training_memory.py configs/seg/mirl_vitb_ade20k.py --batch-sizes 2 4
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mirl_mm.analysis.memory import training_memory
from mirl_mm.cli import Parser
from mirl_mm.engine.launch import load_config
from mirl_mm.registry import SCOPE

GIB = 2**30


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("configs", nargs="+", help="configs of detectors or segmentors with a DeepViT")
    parser.add_argument(
        "--batch-sizes", nargs="+", type=int, metavar="IMAGES", default=[1, 2, 8], help="images on a GPU"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="whose way to compute is counted")
    args = parser.parse_args()
    table = Table("config", "parameters (M)", "states", "each image", *(f"batch {batch}" for batch in args.batch_sizes))
    for path in args.configs:
        cfg = load_config(path)
        try:
            memory = training_memory(
                cfg.model, cfg.get("default_scope", SCOPE), args.device, bool(cfg.get("activation_checkpointing"))
            )
        except ValueError as error:
            raise SystemExit(f"{path}: {error}") from None
        totals = [memory.states + batch * memory.activations for batch in args.batch_sizes]
        figures = (f"{size / GIB:.1f}" for size in (memory.states, memory.activations, *totals))
        table.add_row(Path(path).stem, f"{memory.parameters / 1e6:.0f}", *figures)
    console = Console()
    console.print(table)
    console.print("GiB, computed, not measured; activations in float32")


if __name__ == "__main__":
    main()
