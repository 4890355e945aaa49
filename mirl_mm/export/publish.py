"""Files of weights for others: tensors and plain metadata, nothing that has to be trusted."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from mirl_mm.file_backend import write_file

SUFFIXES = (".safetensors", ".pth")


def check_suffix(path: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """The path of a file to write, refused if it does not end as one of its kind.

    Raises:
        ValueError: For another ending.
    """
    path = Path(path)
    if path.suffix not in suffixes:
        raise ValueError(f"the output must end in {' or '.join(suffixes)}, got {str(path)!r}")
    return path


def publish(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: str | Path, name_by_hash: bool = False
) -> Path:
    """Write tensors and metadata, whole or not at all.

    Args:
        tensors: Names to tensors.
        metadata: Names to text.
        path: ``.safetensors``, with the metadata in its header, or ``.pth``: ``torch.save`` of ``state_dict`` and
            ``meta``, which loads with ``weights_only=True``.
        name_by_hash: Put the first eight digits of the file's SHA-256 behind the name, as timm and OpenMMLab do.

    Returns:
        The file.

    Raises:
        ValueError: For another ending of the name.
    """
    path = check_suffix(path)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if path.suffix == ".safetensors":
        taken: set[int] = set()
        for name, tensor in whole.items():
            place = tensor.untyped_storage().data_ptr()
            if place in taken:  # two share their numbers, as tied weights do, which safetensors has no way to write
                whole[name] = tensor.clone()
            taken.add(place)
        content = save(whole, {"format": "pt", **metadata})
    else:
        buffer = io.BytesIO()
        # Cloned: of a tensor that views another, torch would write all of the other.
        torch.save({"state_dict": {key: value.clone() for key, value in whole.items()}, "meta": dict(metadata)}, buffer)
        content = buffer.getvalue()
    if name_by_hash:
        path = path.with_name(f"{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}")
    write_file(path, content)
    return path
