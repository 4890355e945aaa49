"""Evaluates a checkpoint with its config.

Of a classifier, both the weights and their average (EMA) are evaluated if the checkpoint has both. Of a detector,
COCO's twelve numbers for boxes, and for masks if it has them. Of a segmentor, mean IoU and accuracy.

python tools/test.py configs/cls/mirl_vitb48_in1k.py work_dirs/cls/mirl_vitb48_in1k/epoch_60.pth --per-class
python tools/test.py configs/det/mirl_vitb48_coco.py work_dirs/det/mirl_vitb48_coco/iter_184375.pth --tta
"""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import dump

from mirl_mm.checkpoint.safe_load import file_kind
from mirl_mm.classification.predictions_file import check_predictions_file
from mirl_mm.config import config_path
from mirl_mm.engine.cfg_options import set_metric_option
from mirl_mm.engine.cli import config_from_args, make_parser
from mirl_mm.engine.derive_from_datasets import inner_datasets
from mirl_mm.engine.launch import build_runner, finish_processes, set_tta
from mirl_mm.engine.run_errors import plain_errors
from mirl_mm.outputs import check_not_input

#: What only training needs.
UNUSED = (
    *("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr"),
    *("val_dataloader", "val_cfg", "val_evaluator"),
)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("checkpoint", help="weights of any origin that fit the model")
    parser.add_argument("--json", metavar="FILE", help="write the metrics to this file, too")
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation of detectors and segmentors: several versions of each image, as the config has it",
    )
    parser.add_argument("--per-class", action="store_true", help="print each class's accuracy, precision or IoU, too")
    parser.add_argument(
        "--predictions",
        metavar="PATH",
        help="of a classifier: write each image's label and best classes to this .csv or .json file; of a detector: "
        "write results in COCO's format beside this .json file, NAME.bbox.json and NAME.segm.json; of a segmentor: "
        "write segmentation maps into this folder, one for each image",
    )
    args = parser.parse_args()
    cfg = config_from_args(args, ["test_dataloader"])
    file_kind(args.checkpoint)
    datasets = inner_datasets((cfg.get("test_dataloader") or {}).get("dataset"))
    annotations = [Path(each.get("data_root") or "", each["ann_file"]) for each in datasets if each.get("ann_file")]
    for path in (args.json, args.predictions):
        check_not_input(path, [args.checkpoint, config_path(args.config), *annotations])
    cfg.load_from = args.checkpoint
    if args.per_class:
        set_metric_option(cfg, "--per-class", per_class=True, classwise=True)
    if args.predictions:
        target = args.predictions
        prefix = str(Path(target).with_suffix(""))
        options = set_metric_option(cfg, "--predictions", out_file=target, outfile_prefix=prefix, output_dir=target)
        if options != {"output_dir"}:
            check_predictions_file(target)
    if args.tta:
        set_tta(cfg)
    for name in UNUSED:
        cfg.pop(name, None)
    metrics = build_runner(cfg, ["test_dataloader"]).test()
    if args.json and is_main_process():
        dump(metrics, args.json)
    finish_processes()


if __name__ == "__main__":
    with plain_errors():
        main()
