"""How things are drawn: consoles, tables, states in their colours, and values as plain JSON."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "ran": "green",
    "passed": "green",
    "cached": "cyan",
    "failed": "red",
    "interrupted": "red",
    "undecided": "yellow",
    "warning": "yellow",
}


def open_console() -> Console:
    """Return a console on stdout as it is now."""
    # Made when it is used: a test or a pipe may have replaced stdout. Without a terminal lines are not cut at 80.
    # Texts of users are printed as they are: `[/x]` and `:x:` mean something in a markup alone. Colours are Text.
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not sys.stdout.isatty(),
        width=None if sys.stdout.isatty() else 140,
    )


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; models and structs in it are dumped."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def make_table(*columns: str, rows: Iterable[Sequence[str | Text]], title: str) -> Table:
    """Return a table without lines."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, style=None, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def coloured(state: str, colour: str | None = None) -> Text:
    """Return a word in its colour: that of a state, if none is named."""
    return Text(state, style=colour or COLOURS.get(state, "default"))


def warn(console: Console, warning: str) -> None:
    """Print a warning."""
    console.print(Text.assemble(coloured("warning"), f": {warning}"), soft_wrap=True)
