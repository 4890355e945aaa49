"""Common options of command lines that take a config."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mirl_mm.cli import Parser
from mirl_mm.config import LOADERS, config_path

from .data_root import use_folder
from .derive_from_datasets import set_classes
from .launch import load_config


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with ``config`` and the options of every run."""
    parser = Parser(description)
    parser.add_argument(
        "config", help="config file, e.g. configs/cls/mirl_vitb48_in1k.py; mirl_mm::cls/mirl_vitb48_in1k.py also works"
    )
    parser.add_argument("--work-dir", help="where logs and checkpoints go (default: work_dirs/<task>/<config name>)")
    add_data_options(parser)
    add_cfg_options(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="of processes")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def config_from_args(args: argparse.Namespace, loaders: Sequence[str] = LOADERS) -> Config:
    """The config that the options of :func:`make_parser` ask for, with the data of the loaders that will be used."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or str(default_work_dir(args.config))
    set_data(cfg, args, Path(cfg.work_dir) / "data", loaders)
    return cfg


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the option that overrides settings of a config."""
    example = "train_dataloader.batch_size=32 optim_wrapper.optimizer.lr=1e-4"
    settings: Any = {"nargs": "+", "action": DictAction, "default": {}, "metavar": "KEY=VALUE"}
    parser.add_argument("--cfg-options", **settings, help=f"override settings, e.g. {example}")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options that name other data than the config's."""
    parser.add_argument(
        "--data-root", help="folder of the data, in place of the config's; docs/data.md shows what it may hold"
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the data's classes, or a .txt file with one on each line, in place of the config's",
    )


def set_data(cfg: Config, args: argparse.Namespace, out_dir: Path, loaders: Sequence[str] = LOADERS) -> None:
    """Do what :func:`add_data_options` was asked for; lists and converted annotations go to ``out_dir``."""
    if args.data_root:
        use_folder(cfg, args.data_root, out_dir, loaders, args.classes or ())
    elif args.classes:
        set_classes(cfg, args.classes)


def default_work_dir(config: str | Path) -> Path:
    """``work_dirs/cls/x`` for ``configs/cls/x.py``: configs of two tasks may have the same name.

    A config outside of a folder ``configs`` counts with its name alone.
    """
    parts = config_path(config).resolve().with_suffix("").parts
    below = parts[len(parts) - parts[::-1].index("configs") :] if "configs" in parts[:-1] else parts[-1:]
    return Path("work_dirs", *below)
