import torch
from mmcv.ops import masked_conv2d


def test_is_the_convolution_where_the_mask_is():
    features, weight, bias = torch.randn(1, 3, 6, 7), torch.randn(4, 3, 3, 3), torch.randn(4)
    for mask in (torch.rand(1, 6, 7).gt(0.5), torch.zeros(1, 6, 7, dtype=torch.bool)):
        out = masked_conv2d(features, mask, weight, bias, 1)
        expected = torch.nn.functional.conv2d(features, weight, bias, padding=1) * mask
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
