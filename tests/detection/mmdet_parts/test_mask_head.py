"""The mask head's start."""

import math

import pytest
import torch

pytest.importorskip("mirl_mm.detection.mmdet_parts", reason="needs mmdet", exc_type=ImportError)

from mirl_mm.detection.mmdet_parts import FCNMaskHead


@pytest.mark.parametrize("num_classes", [2, 80])
def test_masks_start_at_one_half(num_classes):
    torch.manual_seed(0)
    head = FCNMaskHead(num_convs=1, in_channels=32, conv_out_channels=32, num_classes=num_classes)
    head.init_weights()
    logits = head(torch.randn(4, 32, 14, 14))
    assert logits.shape == (4, num_classes, 28, 28)
    assert 0 < logits.abs().max() < 0.05
    targets = torch.randint(2, (4, 28, 28)).float()
    loss = head.loss_mask(logits, targets, torch.zeros(4, dtype=torch.long))
    assert float(loss) == pytest.approx(math.log(2), abs=0.01)
    assert head.conv_logits.weight.std().item() == pytest.approx(0.001, rel=0.3)
