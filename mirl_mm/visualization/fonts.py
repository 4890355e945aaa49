"""Text in pictures."""

from pathlib import Path

import matplotlib
from PIL import ImageFont

INK, FAINT, PAPER = (20, 20, 20), (100, 100, 100), (255, 255, 255)


def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib: the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def shorten(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Cuts the front off a text that is too wide: of a path, the end tells more."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"…{text}") > room:
        text = text[1:]
    return f"…{text}"


def wrap(text: str, font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    """Lines of whole words that are no wider than ``room`` pixels, but for words that are."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
