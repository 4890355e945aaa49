"""Trains any config.

python tools/train.py configs/pretrain/mirl_vits54_in1k.py --data-root data/imagenet --amp
python tools/train.py configs/cls/mirl_vits54_in1k.py --pretrained work_dirs/pretrain/mirl_vits54_in1k/epoch_800.pth
python tools/train.py configs/cls/mirl_vits54_in1k.py --resume       # after an interruption

tools/dist_train.sh and tools/slurm_train.sh run it on several GPUs.
"""

import argparse

from mirl_mm.checkpoint.files import file_kind
from mirl_mm.checkpoint.latest import check_checkpoint, latest_checkpoint
from mirl_mm.engine.cli import make_parser, read_config
from mirl_mm.engine.launch import build_runner, drop_validation, finish_processes, set_pretrained


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--no-validate", action="store_true", help="train without a validation set")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint, or without a value from the last one in the work dir (from the start if none)",
    )
    parser.add_argument(
        "--pretrained", metavar="CHECKPOINT", help="start the backbone from this file's weights, whatever wrote it"
    )
    parser.add_argument("--load-from", metavar="CHECKPOINT", help="start from weights of any origin")
    parser.add_argument("--amp", action="store_true", help="bfloat16 mixed precision, whatever the config says")
    parser.add_argument("--compile", action="store_true", help="torch.compile the encoder's blocks")
    parser.add_argument("--fsdp", action="store_true", help="share the model out to the processes (docs/scaling.md)")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard events, too")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args)
    if args.no_validate:
        drop_validation(cfg)
    if args.amp:
        cfg.optim_wrapper.type = "mirl_mm.Bf16OptimWrapper"
    if args.compile:
        cfg.model.backbone.compile_blocks = True
    if args.fsdp:
        cfg.runner_type = "mirl_mm.ShardedRunner"
    if args.tensorboard:
        cfg.visualizer.vis_backends.append({"type": "TensorboardVisBackend"})
    if args.pretrained:
        set_pretrained(cfg, args.pretrained)
    if args.load_from:
        file_kind(args.load_from)
        cfg.load_from = args.load_from
    if args.resume:
        cfg.load_from = latest_checkpoint(cfg.work_dir) if args.resume == "auto" else str(check_checkpoint(args.resume))
        cfg.resume = cfg.load_from is not None
    build_runner(cfg, ["train_dataloader", "val_dataloader"]).train()
    finish_processes()


if __name__ == "__main__":
    main()
