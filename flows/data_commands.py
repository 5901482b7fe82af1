"""The commands ``slipway data``: list, compare and delete data versions."""

from typing import Annotated

import typer

from flows import terminal
from flows.run_flow import home

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]

data = typer.Typer(help="List, compare and delete data versions.", no_args_is_help=True)


@data.command("list")
def data_list(as_json: Json = False) -> None:
    """List the snapshots, newest first, and the builds made from them."""
    from components.data.versions import list_versions

    versions = list_versions(home())
    terminal.print_json(versions) if as_json else terminal.print_versions(versions)


@data.command("diff")
def data_diff(
    before: Annotated[str, typer.Argument(help="The first characters of a digest.")],
    after: Annotated[str, typer.Argument(help="The first characters of a later one.")],
    as_json: Json = False,
) -> None:
    """Compare two snapshots: rows, columns, and how far each column has moved."""
    from components.data.versions import diff_versions, find_version

    found = diff_versions(find_version(before, home()), find_version(after, home()))
    terminal.print_json(found) if as_json else terminal.print_version_diff(found)


@data.command("rm")
def data_rm(
    digests: Annotated[list[str] | None, typer.Argument(help="The first characters of each digest.")] = None,
    keep_latest: Annotated[int | None, typer.Option(min=0, help="Keep this many of the newest of each source.")] = None,
    older_than_days: Annotated[int | None, typer.Option(min=0, help="Delete only older ones.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only say what would be.")] = False,
    as_json: Json = False,
) -> None:
    """Delete data versions, and what was made of them, by digest or by age; one that a build was made from stays."""
    from components.data.versions import delete_versions

    deletion = delete_versions(
        home(), digests or (), keep_latest=keep_latest, older_than_days=older_than_days, dry_run=not yes
    )
    terminal.print_json(deletion) if as_json else terminal.print_deletion(deletion)
