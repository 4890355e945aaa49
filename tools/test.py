"""Evaluate a checkpoint with its config: python tools/test.py CONFIG CHECKPOINT."""

import argparse
import os
from pathlib import Path

from mmengine.config import DictAction
from mmengine.dist import is_main_process
from mmengine.fileio import dump

from mirl_mm.checkpoint.latest import check_checkpoint
from mirl_mm.engine.launch import build_runner, load_config, set_data_root


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file with which the checkpoint was trained")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="where the log goes (default: work_dirs/<config name>)")
    parser.add_argument("--data-root", help="folder of the data set, in place of the config's")
    parser.add_argument("--out", metavar="JSON", help="write the metrics to this file, too")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or str(Path("work_dirs") / Path(args.config).stem)
    if args.data_root:
        set_data_root(cfg, args.data_root)
    cfg.load_from = str(check_checkpoint(args.checkpoint))
    for unused in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"):
        cfg.pop(unused, None)
    for unused in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg.pop(unused, None)
    metrics = build_runner(cfg, ["test_dataloader"]).test()
    if args.out and is_main_process():
        dump(metrics, args.out)


if __name__ == "__main__":
    main()
