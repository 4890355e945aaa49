"""Where a tensor is computed: some layers have a way of their own for a kind of device."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

_stand_in = "cpu"


def device_kind(x: Tensor) -> str:
    """``"cpu"``, ``"cuda"``, ...; of a tensor on ``meta``, the device it stands for (:func:`meta_stands_for`)."""
    return _stand_in if x.device.type == "meta" else x.device.type


@contextmanager
def meta_stands_for(kind: str) -> Iterator[None]:
    """Within it what is counted on ``meta`` takes another device's ways; without it the CPU's.

    Raises:
        ValueError: For another device than ``cpu`` and ``cuda``.
    """
    global _stand_in
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu' or 'cuda', got {kind!r}")
    before, _stand_in = _stand_in, kind
    try:
        yield
    finally:
        _stand_in = before
