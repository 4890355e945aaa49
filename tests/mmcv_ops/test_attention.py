import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

from tests.mmcv_ops.golden import back, equal, leaves, tensor


def test_op_is_mmcvs_plain_form(device):
    """The function that mmcv calls on the GPU; on the CPU its own form, whose golden this is, is taken instead."""
    inputs = leaves("ms_deform", ("value", "locations", "weights"), device=device)
    shapes = tensor("ms_deform/shapes").to(device)
    starts = torch.cat([shapes.new_zeros(1), shapes.prod(dim=1).cumsum(0)[:-1]])
    value, locations, weights = inputs.values()
    out = back(MultiScaleDeformableAttnFunction.apply(value, shapes, starts, locations, weights, 64))
    assert equal(out, "ms_deform/out")
    for name, leaf in inputs.items():
        assert equal(leaf.grad, f"ms_deform/grad_{name}"), name
