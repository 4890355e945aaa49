"""The module in place of mmcv's compiled one."""

import re
from inspect import signature
from pathlib import Path

import mmcv
import mmcv.ops
import pytest
import torch
from mmcv.utils import collect_env

from mirl_mm.mmcv_ops import source
from mirl_mm.mmcv_ops.ext import OPS, CompiledOpMissing

BINDINGS = Path(mmcv.ops.__file__).parent / "csrc/pytorch/pybind.cpp"
pytestmark = pytest.mark.skipif(source() == "compiled", reason="mmcv has compiled ops here")


@pytest.mark.parametrize("name", OPS)
def test_arguments_are_those_of_mmcvs_binding(name):
    binding = re.search(rf'm\.def\("{name}",(.*?)\);', BINDINGS.read_text(), re.DOTALL)
    assert list(signature(OPS[name]).parameters) == re.findall(r'py::arg\("(\w+)"\)', binding[1])


def test_an_op_that_is_not_served_says_so_when_it_is_called():
    boxes = torch.tensor([[5.0, 5.0, 4.0, 4.0, 0.0]])
    with pytest.raises(CompiledOpMissing, match=r"mmcv's op nms_rotated is not among those.*nms.*pip install"):
        mmcv.ops.nms_rotated(boxes, torch.ones(1), 0.5)


def test_reports_on_the_environment_work():
    assert "torchvision" in collect_env()["MMCV Compiler"]
