"""Pickles of arrays, PaddlePaddle's and detectron2's: nothing that they name is called."""

import argparse
import collections
import io
import os
import pickle
import pickletools

import numpy as np
import pytest
import torch

from mirl_mm.checkpoint.key_maps import torch_axes
from mirl_mm.checkpoint.numpy_pickles import read_pickle
from tests.golden import GOLDEN, Golden


@pytest.fixture
def write(tmp_path):
    """Write bytes, or pickle an object; returns the path."""

    def write(content, protocol=4):
        path = tmp_path / "weights.pd"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
        return path

    return write


def test_the_authors_form():
    content = read_pickle(GOLDEN / "mirl_6seg_w24.pd")
    expected = Golden("mirl_6seg_w24").param
    assert content["epoch"] == 799
    assert content["model"].keys() == expected.keys()
    assert all(np.array_equal(content["model"][name], array) for name, array in expected.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "f2", "i8", "?", "u2"])
def test_arrays(write, protocol, dtype):
    arrays = {"c": np.arange(24).reshape(2, 3, 4).astype(dtype), "scalar": np.array(3).astype(dtype)}
    arrays["fortran"] = np.asfortranarray(arrays["c"])
    pairs = collections.OrderedDict((name, (f"name_{name}", array)) for name, array in arrays.items())
    read = read_pickle(write({"model": pairs, "plain": arrays}, protocol))
    for name, array in arrays.items():
        for group in ("model", "plain"):
            assert read[group][name].dtype == array.dtype
            assert np.array_equal(read[group][name], array)


def test_arguments_are_plain_values_only(write):
    args = argparse.Namespace(model="vit", lr=0.1, sizes=[1, 2], table={"a": (1, 2)}, array=np.ones(2))
    content = read_pickle(write({"model": {}, "args": args, "empty": argparse.Namespace()}))
    assert content["args"] == {"model": "vit", "lr": 0.1, "sizes": [1, 2], "table": {"a": (1, 2)}}
    assert content["empty"] == {}


def test_bfloat16_and_axes():
    bits = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.bfloat16)
    tensors = torch_axes({"fc.weight": bits.view(torch.uint16).numpy(), "norm.weight": np.ones(3, np.float32)})
    assert torch.equal(tensors["fc.weight"], bits.t())
    assert tensors["norm.weight"].shape == (3,)


class Call:
    """What a pickle can hold: a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["model", "optimizer", "args"])
def test_another_name_is_refused_and_nothing_executed(write, tmp_path, protocol, place):
    evil = Call(os.mkdir, str(tmp_path / "made"))
    content = {"model": {"w": np.ones(2)}, place: argparse.Namespace(a=evil) if place == "args" else {"w": evil}}
    with pytest.raises(ValueError, match=r"weights\.pd' can't be read as .*names posix\.mkdir.*nothing was executed"):
        read_pickle(write(content, protocol))
    assert not (tmp_path / "made").exists()


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


def program(*parts: bytes) -> bytes:
    code = b"\x80\x04" + b"".join(parts) + pickle.STOP
    list(pickletools.genops(io.BytesIO(code)))  # well-formed
    return code


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("numpy", "core.multiarray._reconstruct"),  # a path through an allowed module
        ("numpy", "f2py.os.system"),
        ("argparse", "Namespace.__init__"),
        ("argparse", "_sys.modules"),
        ("collections", "OrderedDict.__reduce__"),
        ("collections", "_sys"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "dict"),
        ("numpy.core.multiarray", "scalar"),
        ("_codecs", "lookup"),
    ],
)
def test_names_near_the_allowed_ones(write, module, attribute):
    with pytest.raises(ValueError, match=f"it names {module}.{attribute}, which weights don't need"):
        read_pickle(write(program(name(module, attribute))))


EMPTY, TRUE = pickle.EMPTY_TUPLE, pickle.NEWTRUE


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("numpy.dtype", text("O") + pickle.TUPLE1 + pickle.REDUCE, "arrays of type 'O'"),
        ("numpy.dtype", text("V1000") + pickle.TUPLE1 + pickle.REDUCE, "arrays of type 'V1000'"),
        ("numpy.dtype", TRUE + pickle.TUPLE1 + pickle.REDUCE, "arrays of type bool"),
        ("argparse.Namespace", EMPTY + pickle.NEWOBJ + TRUE + pickle.BUILD, "args are no table"),
        ("_codecs.encode", text("x") + text("idna") + pickle.TUPLE2 + pickle.REDUCE, "bytes in an unknown way"),
        ("numpy.core.numeric._frombuffer", text("x") * 3 + pickle.TUPLE3 + pickle.REDUCE, "an array is damaged"),
        ("numpy.ndarray", EMPTY + pickle.REDUCE + TRUE + pickle.BUILD, "an array is damaged"),
    ],
)
def test_allowed_names_are_not_for_anything_else(write, kind, code, message):
    with pytest.raises(ValueError, match=message):
        read_pickle(write(program(name(*kind.rsplit(".", 1)), code)))


def test_object_arrays_made_of_bytes_are_refused(write):
    """With a forged type, NumPy would take the bytes for addresses of objects."""
    forged = pickle.dumps({"model": {"w": np.array([None, None], dtype=object)}}, 4)
    with pytest.raises(ValueError, match="arrays of type 'O8'"):
        read_pickle(write(forged))


@pytest.mark.parametrize(
    "module",
    ["numpy.dtype", "numpy.ndarray", "numpy.core.numeric._frombuffer", "argparse.Namespace", "_codecs.encode"],
)
def test_a_pickle_cannot_change_the_reader(write, module):
    """BUILD with (None, {name: value}) sets attributes of whatever stands on the stack, also of a class."""
    slots = pickle.EMPTY_DICT + text("__setstate__") + TRUE + pickle.SETITEM
    with pytest.raises(ValueError, match="can't be read as a pickle of weights"):
        read_pickle(write(program(name(*module.rsplit(".", 1)), pickle.NONE, slots, pickle.TUPLE2, pickle.BUILD)))
    test_the_authors_form()


@pytest.mark.parametrize("left", [0.0, 0.01, 0.5, 0.999])
def test_truncated(write, left):
    whole = (GOLDEN / "mirl_6seg_w24.pd").read_bytes()
    with pytest.raises(ValueError, match=r"weights\.pd' can't be read as a pickle of weights: .*(truncated|ran out)"):
        read_pickle(write(whole[: int(len(whole) * left)]))


@pytest.mark.parametrize("content", [[1, 2], "text", None])
def test_other_pickles(write, content):
    with pytest.raises(ValueError, match=f"a {type(content).__name__}, not a table of weights"):
        read_pickle(write(content))
