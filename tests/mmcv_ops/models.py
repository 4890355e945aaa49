"""mmdet's and mmseg's own configs, made small, for one step of training and one of testing."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

#: Height and width.
SIZE = (64, 64)
#: Upper bounds of what else makes a step long.
_MOST = {
    "max_per_img": 50,
    "nms_pre": 100,
    "num_layers": 2,
    "num_points": 64,
    "num_proposals": 20,
    "num_queries": 50,  # DETR gives no more than it has
    "stacked_convs": 1,
    "subdivision_num_points": 64,
}

DETECTORS = {
    "Faster R-CNN": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco",
    "Faster R-CNN, soft-NMS": "faster_rcnn/faster-rcnn_r50_fpn_soft-nms_1x_coco",
    "Faster R-CNN, C4": "faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco",
    "Mask R-CNN": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco",
    "Mask R-CNN, DCN": "dcn/mask-rcnn_r50-dconv-c3-c5_fpn_1x_coco",
    "Mask R-CNN, DCNv2": "dcnv2/mask-rcnn_r50-mdconv-c3-c5_fpn_1x_coco",
    "Mask R-CNN, CARAFE": "carafe/mask-rcnn_r50_fpn-carafe_1x_coco",
    "Cascade Mask R-CNN": "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco",
    "HTC": "htc/htc-without-semantic_r50_fpn_1x_coco",
    "PointRend": "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco",
    "PISA": "pisa/mask-rcnn_r50_fpn_pisa_1x_coco",
    "Libra R-CNN": "libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco",
    "Guided anchoring": "guided_anchoring/ga-retinanet_r50_fpn_1x_coco",
    "Sparse R-CNN": "sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco",
    "RetinaNet": "retinanet/retinanet_r50_fpn_1x_coco",
    "NAS-FPN": "nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco",
    "FCOS": "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco",
    "GFL": "gfl/gfl_r50_fpn_1x_coco",
    "VFNet": "vfnet/vfnet_r50_fpn_1x_coco",
    "ATSS": "atss/atss_r50_fpn_1x_coco",
    "TOOD": "tood/tood_r50_fpn_1x_coco",
    "RepPoints": "reppoints/reppoints-moment_r50_fpn_1x_coco",
    "CenterNet, DCNv2": "centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco",
    "YOLOX": "yolox/yolox_tiny_8xb8-300e_coco",
    "RTMDet": "rtmdet/rtmdet_tiny_8xb32-300e_coco",
    "RTMDet-Ins": "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco",
    "SOLOv2": "solov2/solov2_r50_fpn_1x_coco",
    "SOLOv2, light, DCN": "solov2/solov2-light_r50-dcn_fpn_ms-3x_coco",
    "DETR": "detr/detr_r50_8xb2-150e_coco",
    "Deformable DETR": "deformable_detr/deformable-detr_r50_16xb2-50e_coco",
    "DINO": "dino/dino-4scale_r50_8xb2-12e_coco",
    "Mask2Former": "mask2former/mask2former_r50_8xb2-lsj-50e_coco",
}
SEGMENTORS = {
    "FCN": "fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512",
    "PSPNet": "pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512",
    "DeepLabV3+": "deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512",
    "UPerNet": "upernet/upernet_r50_4xb4-80k_ade20k-512x512",
    "UPerNet, Swin": "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512",
    "PSANet": "psanet/psanet_r50-d8_4xb4-80k_ade20k-512x512",
    "CCNet": "ccnet/ccnet_r50-d8_4xb4-80k_ade20k-512x512",
    "OCRNet": "ocrnet/ocrnet_hr18s_4xb4-80k_ade20k-512x512",
    "PointRend": "point_rend/pointrend_r50_4xb4-160k_ade20k-512x512",
    "SegFormer": "segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512",
    "Segmenter": "segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512",
    "SegNeXt": "segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512",
    "K-Net": "knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512",
    "MaskFormer": "maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512",
    "Mask2Former": "mask2former/mask2former_r50_8xb2-160k_ade20k-512x512",
}

#: Which ops these ask for beyond ``nms`` and ``roi_align``, on a CPU. The focal loss and deformable attention are asked
#: for on a GPU only.
BEYOND = {
    "Faster R-CNN, soft-NMS": {"softnms"},
    "Mask R-CNN, DCN": {"deform_conv"},
    "Mask R-CNN, DCNv2": {"modulated_deform_conv"},
    "Mask R-CNN, CARAFE": {"carafe"},
    "PISA": {"nms_match"},
    "Guided anchoring": {"deform_conv", "masked_im2col", "masked_col2im"},
    "VFNet": {"deform_conv"},
    "TOOD": {"deform_conv"},
    "RepPoints": {"deform_conv"},
    "CenterNet, DCNv2": {"modulated_deform_conv"},
    "SOLOv2, light, DCN": {"modulated_deform_conv"},
    "PSANet": {"psamask"},
}


def build(library: str, config: str, device: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A model without pre-trained weights, and a batch of two images for it."""
    init_default_scope(library)
    MMLogger.get_current_instance().setLevel("WARNING")  # or each weight's initialisation is printed
    for name in ("epoch", "iter"):
        MessageHub.get_current_instance().update_info(name, 0)  # which TOOD and YOLOX look up
    torch.manual_seed(0)
    folder = Path(find_spec(library).origin).parent / ".mim/configs"
    cfg = Config.fromfile(folder / f"{config}.py")
    _shrink(cfg.model)
    if library == "mmdet":
        import mmdet.models  # noqa: F401  (registers)
        from mmdet.registry import MODELS
    else:
        import mmseg.models  # noqa: F401
        from mmseg.registry import MODELS
    model = MODELS.build(cfg.model)
    model.init_weights()
    batch = _detection_batch("mask" in str(cfg.model)) if library == "mmdet" else _segmentation_batch()
    return model.to(device), batch


def _shrink(node: Any) -> None:
    """No pre-trained weights, no synchronised norm, small images, few layers, queries, points and boxes."""
    if isinstance(node, list | tuple):
        for value in node:
            _shrink(value)
    if not isinstance(node, dict):
        return
    if isinstance(init := node.get("init_cfg"), dict) and init.get("type") == "Pretrained":
        node["init_cfg"] = None
    if isinstance(node.get("pretrained"), str):
        node["pretrained"] = None
    if node.get("type") == "SyncBN":
        node["type"] = "BN"
    if str(node.get("type")).endswith("Sampler") and "num" in node:
        node["num"] = 16
    if node.get("type") == "ScoreHLRSampler":
        node["score_thr"] = 0.0  # as below; its own is a default
    for key, value in node.items():
        if key in ("size", "crop_size", "img_size", "input_size", "test_size") and not isinstance(value, int):
            node[key] = SIZE
        elif key in _MOST and isinstance(value, int):
            node[key] = min(value, _MOST[key])
        elif key == "score_thr":
            node[key] = 0.0  # so that random scores, too, reach NMS
        else:
            _shrink(value)


def _detection_batch(with_mask: bool) -> dict[str, Any]:
    from mmdet.testing import demo_mm_inputs

    shapes = [(3, *SIZE)] * 2
    return demo_mm_inputs(2, shapes, num_items=[3, 2], num_classes=10, with_mask=with_mask, use_box_type=True)


def _segmentation_batch() -> dict[str, Any]:
    from mmseg.structures import SegDataSample

    rng = np.random.default_rng(0)
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo={"img_shape": SIZE, "ori_shape": SIZE, "pad_shape": SIZE, "flip": False})
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(rng.integers(0, 10, (1, *SIZE))))
        samples.append(sample)
    images = [torch.from_numpy(rng.integers(0, 256, (3, *SIZE), dtype=np.uint8)) for _ in samples]
    return {"inputs": images, "data_samples": samples}
