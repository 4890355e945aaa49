"""Prints a config with everything that it inherits.

python tools/misc/print_config.py configs/det/mirl_vitb48_coco.py --cfg-options train_dataloader.batch_size=2
"""

from mirl_mm.cli import Parser
from mirl_mm.engine.cli import add_cfg_options
from mirl_mm.engine.launch import load_config


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("config", help="config file")
    add_cfg_options(parser)
    args = parser.parse_args()
    print(load_config(args.config, args.cfg_options).pretty_text)


if __name__ == "__main__":
    main()
