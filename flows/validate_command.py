"""The command ``slipway validate``: is a workload sound, and with --data, are its rows?"""

from typing import TYPE_CHECKING, Annotated

import typer

from components.artefacts.errors import DataError
from flows import terminal

if TYPE_CHECKING:
    from components.data.rows_check import RowsChecked

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]
MOST_REASONS = 20


def validate(
    workload: Annotated[
        str, typer.Argument(help="Name of a workload in deployments/, or the path of a workload file ending in .yaml.")
    ],
    data: Annotated[
        bool, typer.Option("--data", help="Hold every row of the source against the contract, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a workload file, its contract and, with --data, its rows; exit code 3 if too many rows are refused."""
    from components.data.rows_check import check_rows
    from components.declaration.loading import contract_of
    from flows.opening import checked_workload

    declared = checked_workload(workload)
    contract = contract_of(declared)
    checked = check_rows(declared.source, contract) if data else None
    if as_json:
        terminal.print_json(
            {
                "workload": declared.name,
                "contract": contract.name,
                "sound": True,
                "goal": declared.goal,
                "rows": checked,
            }
        )
    else:
        typer.echo(f"{declared.name}: the file is sound, and so is its contract {contract.name}")
        typer.echo(f"goal: {declared.goal.statement}")
        if checked is not None:
            _print_rows(checked)
    if checked is not None and not checked.tolerated:
        raise typer.Exit(DataError.exit_code)


def _print_rows(checked: "RowsChecked") -> None:
    share = f" ({checked.refused / checked.rows:.2%}; {checked.tolerance:.2%} are tolerated)" if checked.refused else ""
    typer.echo(f"{checked.rows:,} rows, {checked.refused:,} of them refused{share}")
    for reason, rows in list(checked.reasons.items())[:MOST_REASONS]:
        typer.echo(f"  {rows:,}  {reason}")
