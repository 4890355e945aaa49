"""Ways to damage and to forge files of weights."""

import io
import itertools
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from mmengine.config import Config

Mutator = Callable[[bytes, random.Random], bytes]

#: What a forger would have called, in pickles' words; some are near to what readers allow.
NAMES = (
    *("os system", "posix system", "subprocess check_call", "builtins eval", "builtins exec", "builtins getattr"),
    *("builtins bytearray", "builtins set", "builtins tuple", "_codecs encode", "_codecs lookup", "torch load"),
    *("torch.hub load", "torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_meta_tensor_no_storage"),
    *("torch._utils _rebuild_qtensor", "torch FloatTensor", "torch Tensor", "torch.nn.parameter Parameter"),
    *("collections OrderedDict", "collections Counter", "numpy ndarray", "numpy dtype", "numpy.core.multiarray scalar"),
    *("numpy._core.multiarray _reconstruct", "mmengine.logging.history_buffer HistoryBuffer", "argparse Namespace"),
    *("mmengine.config.config Config", "mirl_mm.registry import_parts", "pickle loads", "webbrowser open"),
)
TYPES = (
    *("os.system", "subprocess.call", "canary.parts.Thing", "canary", "mmdet.canary", "torch.hub.load", "", "."),
    *("mirl_mm.registry.import_module", "mmengine.Config.fromfile", "LinearClsHead", "DeepViT", "MIRL", "PackInputs"),
    *("ImgDataPreprocessor", "LoadImage", "RandomFlip", "mmdet.MaskRCNN", "mmseg.EncoderDecoder", "VPD", "GELU"),
)
#: Instructions: None, marks, tables, lists, fetched and large numbers, calls, fills, deep tuples, repetition.
SINGLE = (
    *(b"N", b"(", b"}", b"]", b")", b"h\x00", b"K\xff", b"J\xff\xff\xff\x7f"),
    *(b"R", b"b", b"Q", b"s", b"u", b"t", b"\x85" * 300, b"2", b"0"),
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """As disks and networks leave it: flipped bits, an end that is missing, zeros, parts in other places."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(max(len(data), 1))
        length = min(chance.choice((1, 4, 64, 4096)), len(data) - place)
        kind = chance.randrange(6)
        if kind <= 1 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            data[place : place + length] = bytes(length)
        elif kind == 4:
            data[place:place] = chance.randbytes(length)
        else:
            other = chance.randrange(max(len(data), 1))
            data[place : place + length] = data[other : other + length]
    return bytes(data)


def forged(code: bytes, chance: random.Random) -> bytes:
    """A pickle with instructions replaced, repeated or put in between that a forger may think of."""
    steps = [(op, argument, place) for op, argument, place in pickletools.genops(code) if place is not None]
    cuts = [place for _, _, place in steps] + [len(code)]
    parts = [code[start:end] for start, end in itertools.pairwise(cuts)]
    for _ in range(chance.choice((1, 1, 2, 5))):
        if len(parts) < 3:
            break
        place = chance.randrange(1, len(parts))
        kind = chance.randrange(6)
        if kind == 0:
            named = [i for i, (op, _, _) in enumerate(steps) if op.name == "GLOBAL" and i < len(parts)]
            place = chance.choice(named) if named else place
            parts[place] = _named(chance)
        elif kind == 1:
            parts.insert(place, _named(chance) + _text("touch sung") + b"\x85R" + chance.choice((b"0", b"")))
        elif kind == 2:
            parts[place] = chance.choice(parts)
        elif kind == 3:
            del parts[place]
        elif kind == 4:
            parts.insert(place, chance.choice(SINGLE))
        else:
            parts.insert(place, b"]q\xf0" + b"]q\xf1(h\xf0h\xf0eq\xf0" * chance.choice((3, 30, 300)) + b"0")
        steps = steps[: len(parts)]
    return b"".join(parts)


def in_old(content: bytes, chance: random.Random) -> bytes:
    """A file of PyTorch's before 1.6: :func:`forged`, in the last of the four pickles with which it begins."""
    stream = io.BytesIO(content)
    ends = [[place for _, _, place in pickletools.genops(stream)] and stream.tell() for _ in range(4)]
    return content[: ends[2]] + forged(content[ends[2] : ends[3]], chance) + content[ends[3] :]


def _named(chance: random.Random) -> bytes:
    return b"c" + chance.choice(NAMES).replace(" ", "\n").encode() + b"\n"


def _text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def in_zip(mutator: Mutator) -> Mutator:
    """The same for the table of contents in a file of ``torch.save``, whose checksums are right again."""

    def mutate(content: bytes, chance: random.Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in parts if name.endswith("data.pkl"))
        if chance.random() < 0.1:
            name = chance.choice(list(parts))
        if chance.random() < 0.05:
            del parts[name]
        elif name.endswith("data.pkl"):
            parts[name] = mutator(parts[name], chance)
        else:
            parts[name] = damaged(parts[name], chance)
        target = io.BytesIO()
        packed = zipfile.ZIP_DEFLATED if chance.random() < 0.05 else zipfile.ZIP_STORED
        with zipfile.ZipFile(target, "w", packed) as archive:
            for each, part in parts.items():
                archive.writestr(each, part)
        return target.getvalue()

    return mutate


def in_header(content: bytes, chance: random.Random) -> bytes:
    """A file of safetensors with other values in its table."""
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    values = (-1, 0, 2**63, 1.5, None, "", "F64", "BF16", [], {}, [10**9, 10**9], [[[]]] * 3, "\u0000", "x" * 5000)
    for _ in range(chance.choice((1, 2, 5))):
        entry = table[chance.choice(list(table))]
        if isinstance(entry, dict) and entry:
            entry[chance.choice(list(entry))] = chance.choice(values)
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def strange(cfg: Config, chance: random.Random) -> Config:
    """A config with other values at random places of what may be built."""
    changed = Config(cfg._cfg_dict.to_dict())
    places = list(_places(changed._cfg_dict.model, ())) + list(_places(changed.test_dataloader.dataset, ()))
    for _ in range(chance.choice((1, 1, 2, 4))):
        node, key = chance.choice(places)
        value = _value(chance)
        try:
            if isinstance(node, dict) and chance.random() < 0.3:
                key = chance.choice(("type", "_scope_", "init_cfg", "norm_cfg", "arch", "custom_imports", "pretrained"))
            node[key] = value
        except (TypeError, IndexError):  # a list that has become shorter
            continue
    if chance.random() < 0.1:
        changed._cfg_dict["default_scope"] = chance.choice(("canary", "mmengine", "mmcv", 3, "os", "mirl_mm.registry"))
    return changed


def _places(node: Any, keys: tuple) -> list[tuple[Any, Any]]:
    found = []
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            found += _places(node[key], (*keys, key))
    return found


def _value(chance: random.Random) -> Any:
    shell = {"type": chance.choice(TYPES), chance.choice(("command", "args", "cmd", "name")): "touch sung"}
    return chance.choice(
        [
            *(shell, shell, [shell], {"a": [shell]}, chance.choice(TYPES), chance.choice(TYPES)),
            *("__import__('os').system('touch sung')", "evil.pkl", "http://host/evil.pkl", "canary/registry.py"),
            *(None, True, -1, 0, 1, 7, 1000, 100_000, 10**12, 0.5, -1e300, [], {}, "", "x" * 200, [[[[1]]]], (1, 2)),
        ]
    )


def as_text(cfg: Config, chance: random.Random) -> str:
    """The config as a checkpoint has it, sometimes with more in it than values."""
    lines = [f"{name} = {value!r}" for name, value in cfg._cfg_dict.to_dict().items()]
    if chance.random() < 0.2:
        lines.insert(
            chance.randrange(len(lines)),
            chance.choice(
                [
                    *("import os", "__import__('os').system('touch sung')", "x = open('sung', 'a')", "filename = 'x'"),
                    *("a = " + "[" * 50_000 + "]" * 50_000, "a = " + "-" * 50_000 + "1", "a = dict(b='" + "x" * 50_000),
                    *("a = 1" + "+1" * 50_000, "a = " + "not " * 9_000 + "1", "a = '\\x00'", "text = 3"),
                ]
            ),
        )
    return "\n".join(lines)
