"""Prediction in windows and as a whole, for images of any size; a frozen backbone."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from torch import nn

from mirl_mm.registry import MODELS
from tests.segmentation.small import small_segmentor


def build(tmp_path, **options):
    """The small segmentor with weights that make something of the image."""
    cfg = small_segmentor("data", tmp_path, **options).model
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(cfg)
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.1)
    return model.eval()


def sample(labels: torch.Tensor | None = None, **metainfo):
    """A data sample, with labels ``(H, W)`` or without."""
    from mmseg.structures import SegDataSample  # where mmseg is missing, tests are skipped, not broken

    made = SegDataSample(metainfo=metainfo)
    if labels is not None:
        made.gt_sem_seg = PixelData(data=labels[None])
    return made


def slide(model, crop: tuple[int, int], stride: tuple[int, int]) -> None:
    model.test_cfg.update(mode="slide", crop_size=crop, stride=stride)


@torch.no_grad()
def scores(model, images: torch.Tensor) -> torch.Tensor:
    metas = [{"ori_shape": images.shape[2:], "img_shape": images.shape[2:]} for _ in images]
    return model.inference(images, metas)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (50, 61)])
def test_slide_equals_whole_on_an_image_of_one_window(tmp_path, size):
    model = build(tmp_path)
    images = torch.randn(2, 3, *size)
    whole = scores(model, images)
    assert whole.std() > 0.01
    slide(model, size, tuple(side * 2 // 3 for side in size))
    assert torch.equal(scores(model, images), whole)


def pointwise(images: torch.Tensor, *_) -> torch.Tensor:
    """In place of a network: scores that depend on the pixel alone."""
    return torch.stack([images[:, 0], images[:, 0].sin(), images.sum(1)], dim=1)


def smooth(height: int, width: int) -> torch.Tensor:
    """``(1, 3, H, W)``, a function of the place without jumps."""
    y, x = torch.meshgrid(torch.linspace(0, 5, height), torch.linspace(0, 7, width), indexing="ij")
    return torch.stack([(x * 0.7).sin() + y, (x * y / 5).cos(), x - y])[None]


@pytest.mark.parametrize(
    ("size", "crop", "stride"),
    [
        ((96, 96), (64, 64), (42, 42)),
        ((131, 257), (64, 48), (42, 32)),
        ((64, 200), (64, 64), (64, 64)),
        ((40, 100), (64, 64), (42, 42)),  # lower than a window
        ((20, 30), (64, 64), (42, 42)),
    ],
)
def test_tiles_join_without_seams(tmp_path, monkeypatch, size, crop, stride):
    """Windows put together are the function itself: none is shifted, no pixel is left out or counted wrongly."""
    model = build(tmp_path)
    model.out_channels = 3
    monkeypatch.setattr(model, "extract_feat", lambda images: images)
    monkeypatch.setattr(model.decode_head, "predict", pointwise)
    slide(model, crop, stride)
    image = smooth(*size)
    found = scores(model, image)
    torch.testing.assert_close(found, pointwise(image), rtol=0, atol=1e-5)


def test_windows_and_the_whole_nearly_agree(tmp_path):
    """A network sees less in a window, but the same place: a shifted window would give something else entirely."""
    model = build(tmp_path)
    image = smooth(64, 128)
    whole = scores(model, image)
    slide(model, (64, 64), (42, 42))
    tiles = scores(model, image)
    assert torch.corrcoef(torch.stack([whole.flatten(), tiles.flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (8, 200), (3, 5), (72, 40)])
@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_any_size(tmp_path, size, mode):
    model = build(tmp_path)
    if mode == "slide":
        slide(model, (64, 64), (42, 42))
    info = sample(ori_shape=(33, 77), img_shape=size)
    with torch.no_grad():
        data = {"inputs": [torch.randint(0, 256, (3, *size), dtype=torch.uint8)], "data_samples": [info]}
        (result,) = model.test_step(data)
    assert result.pred_sem_seg.data.shape == (1, 33, 77)
    assert result.seg_logits.data.shape[1:] == (33, 77) and result.seg_logits.data.isfinite().all()


def test_padding_is_cut_off(tmp_path):
    """An image of no whole patches is one padded by hand, its scores cut."""
    model = build(tmp_path)
    image = torch.randn(1, 3, 61, 58)
    padded = nn.functional.pad(image, (0, 6, 0, 3))
    assert torch.equal(scores(model, image), scores(model, padded)[..., :61, :58])


def test_training_pads_smaller_images(tmp_path):
    model = build(tmp_path).train()
    info = sample(torch.zeros(40, 64, dtype=torch.long))
    data = {"inputs": [torch.zeros(3, 40, 64, dtype=torch.uint8)], "data_samples": [info]}
    out = model.data_preprocessor(data, training=True)
    assert out["inputs"].shape == (1, 3, 64, 64)
    assert (out["data_samples"][0].gt_sem_seg.data[0, 40:] == 255).all()


def linear(tmp_path):
    head = {"type": "mirl_mm.LinearHead", "in_channels": 16, "num_classes": 9, "_delete_": True}
    return build(
        tmp_path,
        model__freeze_backbone=True,
        model__neck=None,
        model__auxiliary_head=None,
        model__decode_head=head,
        model__backbone__drop_path_rate=0.5,
    )


def loss(model, batch: int = 2):
    samples = [sample(torch.randint(0, 9, (64, 64))) for _ in range(batch)]
    losses = model(torch.randn(batch, 3, 64, 64), samples, mode="loss")
    return sum(value for name, value in losses.items() if "loss" in name)


def test_a_frozen_backbone_neither_learns_nor_drops(tmp_path):
    model = linear(tmp_path).train()
    assert not any(module.training for module in model.backbone.modules()) and model.decode_head.norm.training
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss(model).backward()
    optimizer.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.rpartition(".")[0] for name in changed} == {"decode_head.conv_seg", "decode_head.norm"}
    assert not model.extract_feat(torch.zeros(1, 3, 64, 64))[0].requires_grad


def test_linear_head_is_linear(tmp_path):
    head = linear(tmp_path).decode_head
    a, b = torch.randn(2, 16, 4, 4), torch.randn(2, 16, 4, 4)
    middle = head([(a + b) / 2])
    torch.testing.assert_close(middle, (head([a]) + head([b])) / 2)


def test_linear_head_of_several_maps():
    head = MODELS.build({"type": "mirl_mm.LinearHead", "in_channels": [4, 6], "in_index": [0, 2], "num_classes": 3})
    maps = [torch.randn(2, 4, 8, 8), torch.randn(2, 5, 8, 8), torch.randn(2, 6, 4, 4)]
    assert head(maps).shape == (2, 3, 8, 8) and head.conv_seg.in_channels == 10
