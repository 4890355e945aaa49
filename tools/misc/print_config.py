"""Print a config with everything that it inherits: python tools/misc/print_config.py CONFIG [--cfg-options ...]."""

import argparse

from mmengine.config import DictAction

from mirl_mm.engine.launch import load_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE")
    args = parser.parse_args()
    print(load_config(args.config, args.cfg_options).pretty_text)


if __name__ == "__main__":
    main()
