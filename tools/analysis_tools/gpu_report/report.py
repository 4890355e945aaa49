"""The report made of the parts' records: JSON, Markdown, and tables for the screen."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as ScreenTable

from mirl_mm.file_backend import write_file
from mirl_mm.text import markdown_table

from .plan import PARTS
from .record import DONE, LEFT_OUT, RUNNING, read_record
from .tables import Table, failures, make_tables

#: What the Markdown is put between.
BEGIN, END = "<!-- gpu_report: begin -->", "<!-- gpu_report: end -->"

#: The file of a work dir that says which machine and version its results are of.
MADE_BY = "made_by.json"

#: Of what goes into a file, in characters.
_WIDTH = 160


def collect(work_dir: Path, rehearse: bool) -> dict[str, Any]:
    """Everything that is known so far, of all parts with a record."""
    records = [read_record(work_dir / "parts" / f"{part.name}.json") for part in PARTS]
    records = [record for record in records if record is not None]
    tables: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for name, rows in record["tables"].items():
            tables.setdefault(name, []).extend(rows)
    parts = [{key: value for key, value in record.items() if key != "tables"} for record in records]
    file = work_dir / MADE_BY
    facts = json.loads(file.read_text()) if file.is_file() else {}
    return {"made": time.strftime("%Y-%m-%d"), "rehearsal": rehearse, "by": facts, "parts": parts, "tables": tables}


def write(work_dir: Path, rehearse: bool) -> dict[str, Any]:
    """Write ``report.json`` and ``report.md``; returns the content of the first."""
    report = collect(work_dir, rehearse)
    write_file(work_dir / "report.json", json.dumps(report, indent=1))
    write_file(work_dir / "report.md", markdown(report))
    return report


def markdown(report: dict[str, Any]) -> str:
    """The report as a page of documentation takes it."""
    by = [f"{name} {report['by'][name]}" for name in ("GPU", "torch", "mirl_mm") if name in report["by"]]
    lines = [f"Measured on {report['made']} by `make gpu-report`: {', '.join(by) or 'unknown GPU'}."]
    if report["rehearsal"]:
        lines = [f"**A rehearsal** of {report['made']}, small and on a CPU: its figures say nothing."]
    for table in make_tables(report["tables"]):
        lines += ["", f"#### {table.title}", "", markdown_table(table.columns, table.rows)]
        lines += ["", table.about] if table.about else []
    incomplete = [*states(report), *failures(report["tables"])]
    lines += ["", "#### Left out or failed", "", *(f"- {line}" for line in incomplete)] if incomplete else []
    return "\n".join(lines) + "\n"


def states(report: dict[str, Any]) -> list[str]:
    """Parts that are not whole, and notes."""
    lines = []
    for part in report["parts"]:
        state = f" after {part['seconds']:.0f} s" if part["state"] not in (DONE, LEFT_OUT, RUNNING) else ""
        if part["state"] != DONE:
            lines.append(f"{part['part']}: {part['state']}{state}{': ' if part['why'] else ''}{part['why']}")
        lines += [f"{part['part']}: {note}" for note in part["notes"]]
    return lines


def show(report: dict[str, Any], console: Console | None = None) -> None:
    """Print all tables."""
    console = console or Console(width=None if sys.stdout.isatty() else _WIDTH)
    for table in make_tables(report["tables"]):
        console.print(_on_screen(table))
    for line in [*states(report), *failures(report["tables"])]:
        console.print(line, markup=False, highlight=False)


def put_into(page: Path, text: str) -> None:
    """Replace what a page has between its two marks.

    Args:
        page: Has :data:`BEGIN` and :data:`END`, each on a line of its own.
        text: The report's Markdown.

    Raises:
        ValueError: If the page has not both, in this order.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no place for the report: it needs the lines {BEGIN} and {END}")
    write_file(page, f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _on_screen(table: Table) -> ScreenTable:
    screen = ScreenTable(title=table.title, title_justify="left", caption=table.about or None, caption_justify="left")
    for column in table.columns:
        screen.add_column(column, overflow="fold")  # no figure is cut
    for row in table.rows:
        screen.add_row(*row)
    return screen
