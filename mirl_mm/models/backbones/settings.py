"""Reading a backbone's settings: sizes and block indices as users give them."""

from collections.abc import Sequence

from ..layers import Size


def pair(value: int | Sequence[int], name: str) -> Size:
    """(rows, columns) from one number or two.

    Raises:
        ValueError: Unless they are positive whole numbers.
    """
    given = (value, value) if isinstance(value, int) else tuple(value)
    if len(given) != 2 or not all(isinstance(n, int) and n > 0 for n in given):
        raise ValueError(f"{name} must be one or two positive whole numbers (rows, columns), got {value!r}")
    return given


def block_numbers(given: Sequence[int] | int, depth: int, name: str) -> tuple[int, ...]:
    """Indices of blocks, the negative ones counted from the end.

    Raises:
        ValueError: If there is none, one outside the depth, or if they don't rise.
    """
    given = (given,) if isinstance(given, int) else tuple(given)
    resolved = tuple(i + depth if i < 0 else i for i in given)
    if not resolved or not all(0 <= i < depth for i in resolved) or sorted(set(resolved)) != list(resolved):
        raise ValueError(f"{name} must rise within the {depth} blocks (0..{depth - 1}), got {given}")
    return resolved


def ends_of_quarters(depth: int) -> tuple[int, ...]:
    """The last block of each quarter of the depth (ViTDet section 3, "backbone adaptation")."""
    return tuple(sorted({max((i + 1) * depth // 4 - 1, 0) for i in range(4)}))


def resolve_windows(
    window_size: int | Sequence[int] | None, global_attn_indexes: Sequence[int] | None, depth: int
) -> tuple[Size | None, tuple[int, ...]]:
    """The window (None: no windows), and the indices of the blocks that attend to the whole map.

    Raises:
        ValueError: For a window of no patches, an index outside the depth, and indices without windows.
    """
    if window_size is None:
        if global_attn_indexes is not None:
            raise ValueError(
                f"global_attn_indexes={tuple(global_attn_indexes)} without windows: set window_size, e.g. 14"
            )
        return None, tuple(range(depth))
    if window_size == 0:
        raise ValueError("window_size must be positive, got 0: None means attention to the whole map")
    window = pair(window_size, "window_size")
    if global_attn_indexes is None:
        return window, ends_of_quarters(depth)
    return window, block_numbers(global_attn_indexes, depth, "global_attn_indexes") if global_attn_indexes else ()
