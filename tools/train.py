"""Train any config: python tools/train.py configs/pretrain/mirl_vitb48_in1k.py."""

import argparse
import os
from pathlib import Path

from mmengine.config import DictAction

from mirl_mm.checkpoint.latest import latest_checkpoint
from mirl_mm.engine.launch import build_runner, drop_validation, load_config, set_data_root


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file, e.g. configs/pretrain/mirl_vits54_in1k.py")
    parser.add_argument("--work-dir", help="where logs and checkpoints go (default: work_dirs/<config name>)")
    parser.add_argument("--data-root", help="folder of the data set, in place of the config's")
    parser.add_argument("--no-validate", action="store_true", help="train without a validation set")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint, or without a value from the last one in the work dir (from the start if none)",
    )
    parser.add_argument("--load-from", metavar="CHECKPOINT", help="start from these weights, with a new schedule")
    parser.add_argument("--amp", action="store_true", help="bfloat16 mixed precision, whatever the config says")
    parser.add_argument("--compile", action="store_true", help="torch.compile the encoder's blocks")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard events, too")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        metavar="KEY=VALUE",
        help="override settings, e.g. train_dataloader.batch_size=32 optim_wrapper.optimizer.lr=1e-4",
    )
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
    if args.no_validate:
        drop_validation(cfg)
    if args.amp:
        cfg.optim_wrapper.type = "Bf16OptimWrapper"
    if args.compile:
        cfg.model.backbone.compile_blocks = True
    if args.tensorboard:
        cfg.visualizer.vis_backends.append({"type": "TensorboardVisBackend"})
    if args.load_from:
        cfg.load_from = args.load_from
    if args.resume:
        cfg.load_from = latest_checkpoint(cfg.work_dir) if args.resume == "auto" else args.resume
        cfg.resume = cfg.load_from is not None
    build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()


if __name__ == "__main__":
    main()
