"""Evaluate a checkpoint with its config: python tools/test.py CONFIG CHECKPOINT."""

import argparse

from mmengine.dist import is_main_process
from mmengine.fileio import dump

from mirl_mm.checkpoint.files import file_kind
from mirl_mm.engine.cli import make_parser, read_config
from mirl_mm.engine.launch import build_runner, finish_processes

#: What only training needs.
UNUSED = (
    *("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"),
    *("val_dataloader", "val_cfg", "val_evaluator"),
)


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("checkpoint", help="weights of any origin that fit the model")
    parser.add_argument("--out", metavar="JSON", help="write the metrics to this file, too")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args)
    file_kind(args.checkpoint)
    cfg.load_from = args.checkpoint
    for name in UNUSED:
        cfg.pop(name, None)
    metrics = build_runner(cfg, ["test_dataloader"]).test()
    if args.out and is_main_process():
        dump(metrics, args.out)
    finish_processes()


if __name__ == "__main__":
    main()
