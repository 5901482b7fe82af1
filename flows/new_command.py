"""The command ``slipway new``: look at a table, say what was understood, and write the two files that it needs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import terminal

if TYPE_CHECKING:
    from components.profiling.columns import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def new(
    name: Annotated[str, typer.Argument(help="What the workload is to be called: small letters, digits, underscores.")],
    data: Annotated[str, typer.Option("--data", help="A file, a folder or a pattern of them, or s3://bucket/key.")],
    label: Annotated[str | None, typer.Option(help="The column that is to be predicted.")] = None,
    time: Annotated[str | None, typer.Option(help="The column that says when a row was: the split is by time.")] = None,
    group: Annotated[str | None, typer.Option(help="The column of what several rows belong to, as a customer.")] = None,
    goal: Annotated[
        str | None, typer.Option(help="What the model is for, in a sentence; its figures are added.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a table and write its contract and its workload file; then: slipway run NAME."""
    from components.scaffolding.scaffold import Wanted, check_new, scaffold

    files = check_new(name, Path(), force=force)
    profile = scaffold(data, files, Wanted(label, time, group, goal), _asked)
    if as_json:
        terminal.print_json(
            {
                "workload": name,
                "contract": str(files.contract),
                "file": str(files.workload),
                "rows": profile.table.rows,
                "label": profile.label.column.name,
                "target": profile.label.target,
                "split": profile.division,
                "warnings": list(profile.warnings),
                "left_out": {one.column.name: one.why for one in profile.of_role("left out")},
            }
        )
        return
    from flows.new_output import print_profile

    print_profile(name, profile, files)


def _asked(table: "Table") -> str | None:
    """Ask on a terminal which column is to be predicted, if it could be several; nothing is asked elsewhere."""
    from components.profiling.label import likely_labels

    if len(likely_labels(table)) == 1 or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    typer.echo(f"columns: {', '.join(table.names)}", err=True)
    answer: str = typer.prompt("Which column is to be predicted?", err=True)
    return answer.strip()
