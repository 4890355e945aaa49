"""What holds for every op: right derivatives, half precision by way of float32, the same on the GPU."""

import pytest
import torch

from mirl_mm.mmcv_ops import source
from tests.mmcv_ops.cases import CASES, inputs, outcome

NARROW = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("name", CASES)
def test_gradients(name):
    assert torch.autograd.gradcheck(CASES[name][1], inputs(name, torch.double), fast_mode=True)


@pytest.mark.skipif(source() == "compiled", reason="mmcv has compiled ops here")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_half_precision_is_float32_rounded_once(name, dtype):
    narrow = inputs(name, dtype)
    wide = [leaf.detach().float().requires_grad_() for leaf in narrow]
    with torch.autocast("cpu", dtype):  # which must not reach into the ops
        ours = outcome(name, narrow)
    for i, (value, exact) in enumerate(zip(ours, outcome(name, wide), strict=True)):
        assert value.dtype == dtype
        if i == 0 or name != "roi_align, maximum":  # mmcv keeps the maxima's places in the features' precision
            assert torch.equal(value, exact.to(dtype))


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, *NARROW], ids=str)
def test_gpu_equals_cpu(name, dtype, gpu):
    on_cpu = [leaf.detach().to(dtype).float().requires_grad_() for leaf in inputs(name)]
    with torch.autocast(gpu.type, dtype, enabled=dtype != torch.float32):
        on_gpu = outcome(name, inputs(name, dtype, gpu.type))
    for value, expected in zip(on_gpu, outcome(name, on_cpu), strict=True):
        assert value.device.type == gpu.type and value.dtype == dtype
        if name == "roi_align, maximum" and dtype != torch.float32:
            continue  # as above
        rounding = 1e-5 if dtype == torch.float32 else torch.finfo(dtype).eps
        torch.testing.assert_close(value.cpu().float(), expected, rtol=rounding, atol=rounding * expected.abs().max())
