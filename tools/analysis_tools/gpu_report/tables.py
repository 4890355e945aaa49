"""The report's tables: from the rows that parts wrote to cells of text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]
NOTHING = "–"
#: Ways of a step, in the order of their columns.
WAYS = ("eager", "compiled", "CUDA graphs", "plain")


class Table(NamedTuple):
    """A table of text.

    Attributes:
        title: Above it.
        columns: Names.
        rows: Cells.
        about: A sentence below.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""


def make_tables(found: Mapping[str, Sequence[Row]]) -> list[Table]:
    """All tables that have a row.

    Args:
        found: Name to rows, of all parts.
    """
    makers: tuple[tuple[str, Callable[[Sequence[Row]], Table]], ...] = (
        ("environment", _environment),
        ("matmul", _matmul),
        ("golden", _golden),
        ("steps", _speed),
        ("steps", _details),
        ("steps", _waits),
        ("steps", _memory),
        ("training", _training),
        ("attention", _attention),
        ("encoders", _encoders),
        ("kernels", _kernels),
    )
    made = [make(found[name]) for name, make in makers if found.get(name)]
    return [table for table in made if table.rows]


def failures(found: Mapping[str, Sequence[Row]]) -> list[str]:
    """What went wrong within parts that went on."""
    lines = []
    for name, rows in found.items():
        for row in rows:
            if "error" in row:
                keys = [str(row[key]) for key in row if key != "error"]
                lines.append(f"{name}, {', '.join(keys)}: {row['error']}")
    return lines


def _number(value: float | None, form: str = ".1f") -> str:
    return NOTHING if value is None else format(value, form)


def _good(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if "error" not in row]


def _environment(rows: Sequence[Row]) -> Table:
    return Table("Environment", ("", ""), [(row["what"], str(row["value"])) for row in rows])


def _matmul(rows: Sequence[Row]) -> Table:
    cells = [(row["what"], f"{row['rate']:.4g} {row['unit']}") for row in _good(rows)]
    return Table("What the device attains", ("", "rate"), cells)


def _golden(rows: Sequence[Row]) -> Table:
    cells = []
    for row in _good(rows):
        errors = [_number(row.get(kind), ".1e") for kind in ("outputs", "loss", "gradients")]
        limits = " / ".join(f"{limit:.0e}" for limit in row["limits"])
        cells.append((row["model"], row["precision"], *errors, limits, "yes" if row["fits"] else "NO"))
    columns = ("model", "precision", "outputs", "loss", "gradients", "limits", "within")
    return Table("Golden tensors on the device", columns, cells, "Norm of the difference over the original's norm.")


def _speed(rows: Sequence[Row]) -> Table:
    """A row for each step, a column for each way."""
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        used = f" ({row['used']:.1%})" if row.get("used") else ""
        text = "failed" if "error" in row else f"{row['images_per_s']:.0f}{used}"
        cells.setdefault(row["step"], {})[row["way"]] = text
    lines = [(step, *(by_way.get(way, NOTHING) for way in WAYS)) for step, by_way in cells.items()]
    about = (
        "Images a second; in brackets the share of the matrix multiplication's rate. Plain: the textbook's "
        "formulation, eager, whose own arithmetic is counted."
    )
    return Table("Training steps", ("step", *WAYS), lines, about)


def _details(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        compiled = [_number(row.get(key), "d") for key in ("graphs", "graphs_later", "breaks", "skipped_cuda_graphs")]
        waits = (row.get("host_waits") or {}).get("times")
        figures = (_number(row["ms"]), _number(row.get("busy_ms")), _number(row["tflops"], ".0f"), _number(waits, "d"))
        lines.append((row["step"], row["way"], *figures, *compiled, _number(row["warm_up_s"])))
    columns = ("step", "way", "ms", "busy ms", "matmul TFLOP/s", "host waits", "graphs", "later", "breaks")
    about = (
        "Busy: the kernels' time. Host waits: in one step as the runner takes it. Graphs: compiled in the first "
        "update, and later, an evaluation in between; skipped: parts that could not become CUDA graphs."
    )
    return Table("Step by step", (*columns, "skipped", "first steps, s"), lines, about)


def _waits(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        for place, times in ((row.get("host_waits") or {}).get("where") or {}).items():
            lines.append((row["step"], row["way"], f"`{place}`", str(times)))
    return Table("Where the host waits", ("step", "way", "line", "times a step"), lines)


def _memory(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        gb, computed = row.get("gb"), row.get("computed_gb")
        ratio = gb / computed if gb and computed else None
        lines.append((row["step"], row["way"], _number(gb), _number(computed), _number(ratio, ".2f")))
    about = (
        "GB allocated at most, and what is computed without running: weights, gradients, AdamW's averages, and "
        "activations in float32, of which bfloat16 keeps between a half and all."
    )
    return Table("Memory", ("step", "way", "measured", "computed", "ratio"), lines, about)


def _training(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        figures = (row["images_per_s"], row["per_worker"], row["step_ms"], row["data_ms"])
        lines.append((row["what"], *(_number(figure, ".0f") for figure in figures), str(row["lines"])))
    columns = ("tools/train.py, eager", "images/s", "per worker", "step, ms", "of it for data, ms", "lines of the log")
    return Table("Training with the loader", columns, lines)


def _attention(rows: Sequence[Row]) -> Table:
    """A row for each size, a column for each kernel."""
    names = list(dict.fromkeys(row["kernel"] for row in rows))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        text = NOTHING
        if "forward_us" in row:
            text = (
                f"{row['forward_us']:.0f} / {row['backward_us']:.0f} ({row['error_out']:.0e}, {row['error_grad']:.0e})"
            )
        cells.setdefault((row["where"], row["size"]), {})[row["kernel"]] = text
    lines = [(where, size, *(by.get(name, NOTHING) for name in names)) for (where, size), by in cells.items()]
    about = (
        "Images × tokens × heads × channels; microseconds forward / backward, in brackets the errors of output and "
        "gradients against float32. Ours: what the layers choose."
    )
    return Table("Attention kernels, bfloat16", ("", "size", *names), lines, about)


def _encoders(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        ratios = (_number(row.get(key), ".2f") for key in ("ms_ratio", "gb_ratio"))
        lines.append((row["encoder"], row["way"], _number(row["ms"]), _number(row["gb"]), *ratios))
    columns = ("encoder", "way", "ms", "GB", "time ratio", "memory ratio")
    return Table("Forward and backward pass of detection encoders", columns, lines, "Ratios to explicit attention.")


def _kernels(rows: Sequence[Row]) -> Table:
    lines = []
    for row in _good(rows):
        name = row["kernel"].replace("|", "¦").replace("`", "'")[:90]
        lines.append((row["step"], str(row["place"]), f"`{name}`", _number(row["ms"], ".2f"), f"{row['calls']:.0f}"))
    return Table("Costliest kernels of a step", ("step", "", "kernel", "ms", "calls"), lines)
