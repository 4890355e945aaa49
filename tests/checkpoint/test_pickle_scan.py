"""Pickles that would end the process, fill the memory or take for ever, seen before they are followed."""

import io
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
import torch

from mirl_mm.checkpoint import read_any
from mirl_mm.checkpoint.pickle_scan import scan
from mirl_mm.checkpoint.training_state import read_whole

MARK = "backbone.blocks.0.attn.qkv.weight"


def scanned(code: bytes):
    return scan(io.BytesIO(code), len(code))


def program(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def zipped(path, table: bytes, storages: dict[str, bytes] | None = None, packed: bool = False):
    """A file of ``torch.save`` with any table of contents."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("a/data.pkl", table)
        archive.writestr("a/byteorder", "little")
        archive.writestr("a/version", "3\n")
        for name, content in (storages or {}).items():
            archive.writestr(f"a/data/{name}", content)
    return path


DEEP_KEY = program(b"}N", b"\x85" * 200_000, b"Ns")
LAUGHS = program(b"]q\x00", b"".join(b"]q" + bytes([i]) + b"(" + b"h" + bytes([i - 1]) + b"h" + bytes([i - 1]) + b"e"
                                       for i in range(1, 200)))  # fmt: skip
COPIES = program(
    *(text("x" * 50_000), b"q\x00c_codecs\nencode\nq\x01"),
    *(b"(" + b"h\x01h\x00" + text("latin1") + b"\x86R0" for _ in range(2_000)),
    b"}",
)
LOOP = program(b"]q\x00h\x00a")
EMPTY_BYTES = program(b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (DEEP_KEY, "more than 100 levels"),
        (LAUGHS, "more than 100 levels|stand for more than"),
        (COPIES, "bytes that stand for more than"),
        (LOOP, "a table or list that refers to itself"),
        (EMPTY_BYTES, "an array of bytes without its bytes"),
    ],
    ids=["deep", "laughs", "copies", "loop", "bytes"],
)
def test_bombs(code, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        scanned(code)
    begun = time.process_time()
    path = zipped(tmp_path / "a.pth", code)
    with pytest.raises(ValueError, match=r"a\.pth' can't be read as a checkpoint: "):
        read_any(path)
    with pytest.raises(ValueError, match=r"can't resume from .*a\.pth': "):
        read_whole(path)
    (tmp_path / "a.pd").write_bytes(code)
    with pytest.raises(ValueError, match=r"a\.pd' can't be read as a pickle of weights"):
        read_any(tmp_path / "a.pd")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_weights_hold_passes(protocol):
    shared = ["a", "b"]
    content = {"x": [1, 2.5, None, True, (1, (2, 3), {4})], "s": shared, "t": shared, "r": np.arange(5), "b": b"12"}
    found = scanned(pickle.dumps(content, protocol))
    assert "numpy.dtype" in found.names


def test_storages(tmp_path):
    torch.save({"w": torch.ones(3, 4), "v": torch.ones(2, dtype=torch.int64)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        found = scanned(archive.read("a/data.pkl"))
    assert found.storages == {"0": ("torch.FloatStorage", 12), "1": ("torch.LongStorage", 2)}
    assert "torch._utils._rebuild_tensor_v2" in found.names


def test_numbers_that_are_not_there(tmp_path):
    """torch would take what lies behind them in memory."""
    torch.save({MARK: torch.ones(8)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        table = archive.read("a/data.pkl")
    larger = table.replace(b"K\x08", b"K\xff")
    assert larger != table
    path = zipped(tmp_path / "b.pth", larger, {"0": bytes(32)})
    for read in (read_any, read_whole):
        with pytest.raises(ValueError, match=r"b\.pth'.*: a tensor's 255 numbers are not all there"):
            read(path)


def test_packed_files_are_refused(tmp_path):
    path = zipped(tmp_path / "a.pth", program(b"}"), {"0": bytes(1 << 20)}, packed=True)
    with pytest.raises(ValueError, match=r"a\.pth' \(\d+ bytes\) was not written by torch\.save: it is packed"):
        read_any(path)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.ones(1000, 1000).to_sparse(), "it holds special tensors, no weights: .*sparse_tensor"),
        (torch.empty(1000, 1000, device="meta"), "it holds special tensors, no weights: .*meta_tensor"),
        (torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.quint8), "it holds numbers of the special kind"),
        (torch.ones(1).expand(10**6, 10**6), "is larger than what the file holds of it"),
    ],
    ids=["sparse", "meta", "quantised", "repeated"],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_weights(tmp_path, tensor, message):
    torch.save({"state_dict": {MARK: tensor}, "meta": {"epoch": 1, "iter": 1}, "message_hub": {}}, tmp_path / "a.pth")
    for read in (read_any, read_whole):
        with pytest.raises(ValueError, match=rf"a\.pth'.*{message}"):
            read(tmp_path / "a.pth")


def test_names_that_are_numbers_are_left_out(tmp_path):
    torch.save({"state_dict": {MARK: torch.ones(2), 3: torch.ones(2)}}, tmp_path / "a.pth")
    assert read_any(tmp_path / "a.pth").state.keys() == {MARK}


def test_forged_array_types_are_refused(tmp_path):
    """With another type, NumPy would take a log's bytes for addresses."""
    hub = {"log_scalars": {}, "runtime_info": {"a": np.ones(3)}, "resumed_keys": {}}
    torch.save({"state_dict": {}, "meta": {"epoch": 1, "iter": 1}, "message_hub": hub}, tmp_path / "a.pth")
    assert read_whole(tmp_path / "a.pth")["message_hub"]["runtime_info"]["a"].tolist() == [1, 1, 1]
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        table = archive.read("a/data.pkl")
    path = zipped(tmp_path / "b.pth", table.replace(text("f8"), text("O8")))
    with pytest.raises(ValueError, match=r"can't resume from .*b\.pth'.*arrays of type 'O8' are no weights"):
        read_whole(path)
