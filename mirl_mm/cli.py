"""Help and output of the tools' command lines."""

import argparse
import sys
from collections.abc import Callable

from .errors import one_line_errors


def print_any_name() -> None:
    """Let names of files that are no UTF-8 be printed, with escapes for their bytes, rather than stop a tool."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def run(main: Callable[[], None]) -> None:
    """Run a tool: it prints names of any bytes, and what its user can mend ends it with one line."""
    print_any_name()
    with one_line_errors():
        main()


class Parser(argparse.ArgumentParser):
    """A tool's parser; the description is the tool's docstring."""

    def __init__(self, description: str | None) -> None:
        super().__init__(description=description, formatter_class=HelpFormatter)


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Shows the description as it is written, and defaults where there are any and the help does not tell them."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default is False or action.default in ([], {}, "")
        if nothing or "default:" in (action.help or ""):
            return action.help
        if isinstance(action.default, (list, tuple)):  # as it is typed, not as Python prints it
            return f"{action.help} (default: {' '.join(map(str, action.default))})"
        return super()._get_help_string(action)
