"""The encoders of the MIRL paper, and how a user's own is read."""

from collections.abc import Mapping
from typing import Any

#: name -> settings. Heads: width 384 uses 12 heads of 32 (not timm's 6), as the authors' code does. A wrong head count
#: loads without an error, since no tensor's shape depends on it.
ARCHS: dict[str, dict[str, Any]] = {
    "vit-s": {"depth": 12, "embed_dims": 384, "num_heads": 12},
    "vit-s-54": {"depth": 54, "embed_dims": 384, "num_heads": 12},
    "vit-b": {"depth": 12, "embed_dims": 768, "num_heads": 12},
    "vit-b-24": {"depth": 24, "embed_dims": 768, "num_heads": 12},
    "vit-b-48": {"depth": 48, "embed_dims": 768, "num_heads": 12},
    "vit-l": {"depth": 24, "embed_dims": 1024, "num_heads": 16},
}

_REQUIRED = ("depth", "embed_dims", "num_heads")
_OPTIONAL = {"mlp_ratio": 4.0}


def resolve_arch(arch: str | Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a named encoder, or of a dict with ``depth``, ``embed_dims``, ``num_heads`` and maybe ``mlp_ratio``.

    Raises:
        ValueError: For an unknown name, or a dict with missing or unknown keys.
    """
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f"unknown arch {arch!r}: choose one of {', '.join(ARCHS)}, or give a dict")
        return _OPTIONAL | ARCHS[arch]
    missing = [key for key in _REQUIRED if key not in arch]
    unknown = [key for key in arch if key not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        raise ValueError(
            f"arch needs {', '.join(_REQUIRED)} and may have {', '.join(_OPTIONAL)}: "
            f"missing {missing}, unknown {unknown}"
        )
    return _OPTIONAL | dict(arch)
