"""Trains any config.

python tools/train.py configs/pretrain/mirl_vits54_in1k.py --data-root data/imagenet --amp
python tools/train.py configs/cls/mirl_vits54_in1k.py --pretrained work_dirs/pretrain/mirl_vits54_in1k/epoch_800.pth
python tools/train.py configs/cls/mirl_vits54_in1k.py --resume       # after an interruption

tools/dist_train.sh and tools/slurm_train.sh run it on several GPUs.
"""

from mirl_mm.stopping import ends_well


def batch_size(text: str) -> int | str:
    return text if text == "auto" else int(text)


def train() -> None:
    from mirl_mm.engine.cli import config_from_args, make_parser
    from mirl_mm.engine.trackers import TRACKERS

    parser = make_parser(__doc__)
    parser.add_argument("--epochs", type=int, metavar="N", help="length of the training; schedule and intervals follow")
    parser.add_argument("--iters", type=int, metavar="N", help="the same in iterations, for configs that count them")
    parser.add_argument(
        "--batch-size",
        type=batch_size,
        metavar="N",
        help="images of a step in each process; auto: as many as fit the memory, with the config's images per update",
    )
    parser.add_argument("--no-validate", action="store_true", help="train without a validation set")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="CHECKPOINT",
        help="go on from a checkpoint, or without a value from the last one in the work dir (from the start if none)",
    )
    parser.add_argument(
        "--pretrained", metavar="CHECKPOINT", help="start the backbone from this file's weights, whatever wrote it"
    )
    parser.add_argument("--load-from", metavar="CHECKPOINT", help="start from weights of any origin")
    parser.add_argument("--amp", action="store_true", help="bfloat16 mixed precision, whatever the config says")
    parser.add_argument("--compile", action="store_true", help="torch.compile what is trained (docs/speed.md)")
    parser.add_argument("--fsdp", action="store_true", help="shard the model over the processes (docs/scaling.md)")
    parser.add_argument(
        "--tracker",
        nargs="+",
        choices=TRACKERS,
        default=[],
        metavar="NAME",
        help=f"report to {', '.join(TRACKERS)}, too",
    )
    args = parser.parse_args()
    from mirl_mm.engine.run_errors import plain_errors
    from mirl_mm.engine.training import prepare_training, run_training

    with plain_errors():
        cfg = config_from_args(
            args, ["train_dataloader"] if args.no_validate else ["train_dataloader", "val_dataloader"]
        )
        prepare_training(
            cfg,
            epochs=args.epochs,
            iters=args.iters,
            given=args.cfg_options,
            batch_size=args.batch_size,
            validate=not args.no_validate,
            amp=args.amp,
            compile=args.compile,
            fsdp=args.fsdp,
            trackers=args.tracker,
            pretrained=args.pretrained,
            load_from=args.load_from,
            resume=args.resume,
        )
        run_training(cfg)


def main() -> None:
    with ends_well():  # the imports in functions take seconds, in which Ctrl-C is to end well, too
        train()


if __name__ == "__main__":
    main()
