"""Words for messages."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """Such as ``"1 box"`` and ``"1,200 boxes"``.

    Args:
        number: How many.
        one: The word for one.
        several: The word for more, or for none; ``one`` with an s if not given.
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
