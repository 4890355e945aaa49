"""What campaigns report: rows of the table, and how far they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A line of the table at the end.

    Attributes:
        what: What was tried.
        tried: How often.
        outcomes: How often each outcome came.
        ok: Whether that is as promised.
        note: Figures, or the first failure and where its log is.
    """

    what: str
    tried: int
    outcomes: dict[str, int]
    ok: bool
    note: str = ""


def tell(out_dir: Path, text: str) -> None:
    """Say how far a campaign is; the last word counts."""
    (out_dir / "progress").write_text(text)


def format_table(rows: Sequence[tuple[str, Row]]) -> str:
    """The table, in Markdown: campaign, what, how often, outcomes, as promised or not, note."""
    lines = ["| campaign | what | tried | outcomes | as promised | note |", "|---|---|---|---|---|---|"]
    for campaign, row in rows:
        outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in row.outcomes.items())
        cells = (campaign, row.what, f"{row.tried:,}", outcomes, "yes" if row.ok else "**NO**", row.note)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)
