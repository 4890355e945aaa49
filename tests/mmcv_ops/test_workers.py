"""Processes that start from nothing have mmcv's ops, too."""

import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

pytest.importorskip("mirl_mm.detection.mmdet_parts", reason="needs mmdet", exc_type=ImportError)

from mirl_mm.detection.mmdet_parts import CocoDataset
from mirl_mm.shapes import CLASSES, generate


@pytest.mark.slow
def test_spawned_workers_of_a_data_loader(tmp_path):
    """Its data set is a subclass of mmdet's, whose import asks for the ops."""
    root = generate(tmp_path / "data", num_train=2, num_val=1, size=(32, 32), layouts=("coco",), workers=1) / "coco"
    dataset = CocoDataset(
        data_root=str(root),
        ann_file="annotations/instances_train2017.json",
        data_prefix={"img": "train2017"},
        metainfo={"classes": CLASSES},
        pipeline=[
            {"type": "mmdet.LoadImageFromFile"},
            {"type": "mmdet.LoadAnnotations", "with_bbox": True},
            {"type": "mmdet.PackDetInputs"},
        ],
    )
    loader = DataLoader(dataset, num_workers=1, multiprocessing_context="spawn", collate_fn=pseudo_collate)
    assert [tuple(batch["inputs"][0].shape) for batch in loader] == [(3, 32, 32)] * 2
