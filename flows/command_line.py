"""The command ``slipway``. Run ``slipway --help``.

Nothing heavy is imported before a command needs it, and Prefect only after its environment is set.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from components.artefacts.errors import GateError, SlipwayError
from components.settings import Settings
from components.user_modules import find_user_modules
from flows import (
    build_commands,
    data_commands,
    ending,
    new_command,
    run_output,
    run_tables,
    serve_command,
    serving_output,
    terminal,
    validate_command,
)
from flows.refusals import refusal_of
from flows.run_flow import home, run_flow

app = typer.Typer(
    name="slipway",
    help="Take a model from raw data to a serving deployment, and back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    # A defect of ours is shown as Python shows it.
    pretty_exceptions_enable=False,
)

# What Typer makes of Ctrl-C.
INTERRUPTED = 130

Workload = Annotated[
    str, typer.Argument(help="Name of a workload in deployments/, or the path of a workload file ending in .yaml.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print everything: each stage, metric, gate and slice.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"slipway {version('slipway')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take what is said before a command."""


app.command()(new_command.new)
app.command()(validate_command.validate)


@app.command()
def run(workload: Workload, verbose: Verbose = False, as_json: Json = False) -> None:
    """Build, gate, register, promote and monitor: the whole slipway."""

    output = run_tables if verbose else run_output
    try:
        ended = run_flow("end_to_end", as_json, workload=workload)
    except GateError as refused:
        built = getattr(refused, "outcome", None)
        if built is None or as_json:
            raise
        output.print_run(home(), built, given=workload, refused=getattr(refused, "record", None))
        raise typer.Exit(GateError.exit_code) from refused
    if as_json:
        sys.stdout.write(ended.summary.read_text())
        return
    output.print_run(home(), ended.built, ended.promoted, ended.monitored, given=workload)


@app.command()
def build(
    workload: Workload,
    data_version: Annotated[
        str | None, typer.Option("--data", help="Digest of a data version to build from, instead of the source.")
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make a build and register it as challenger if its gates pass."""

    try:
        built = run_flow("build_model", as_json, workload=workload, data=data_version or "")
    except GateError as refused:
        # The build is there all the same, and shows why.
        built = getattr(refused, "outcome", None)
        if built is None:
            raise
    if as_json:
        terminal.print_json(built)
    else:
        (run_tables if verbose else run_output).print_run(home(), built, given=workload)
    if not built.gates.passed:
        raise typer.Exit(GateError.exit_code)


@app.command()
def promote(
    workload: Workload,
    build_id: Annotated[str | None, typer.Option("--build", help="Build id; the challenger if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge the build live, but change nothing.")] = False,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="A gate whose failure is accepted; the ledger says so.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve a build, judge what a client sees, and make it the champion."""

    from components.declaration.loading import read_workload

    declared = read_workload(workload)
    if accept:
        from components.promotion.promote import check_accepted

        # Before a server is started for it.
        check_accepted(accept)
    try:
        promoted = run_flow(
            "promote_build", as_json, workload=workload, build_id=build_id or "", dry_run=dry_run, accept=accept or []
        )
    except GateError as refused:
        from components.promotion.promote import PromotionRefused

        if not isinstance(refused, PromotionRefused) or as_json:
            raise
        run_tables.print_refusal(refused.record, refused.written, declared.given)
        raise typer.Exit(GateError.exit_code) from refused
    terminal.print_json(promoted) if as_json else run_tables.print_promotion(declared.name, promoted)


@app.command()
def rollback(
    workload: Workload,
    reason: Annotated[str, typer.Option(help="Why; it goes into the ledger.")] = "asked for on the command line",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would serve, but change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Exchange the champion and the one before it: the previous serves again; done twice it is undone."""
    from components.declaration.loading import read_workload
    from components.promotion.rollback import roll_back

    declared = read_workload(workload)
    back = roll_back(declared, home(), Settings(), reason=reason, dry_run=dry_run)
    if as_json:
        terminal.print_json({"champion": back.champion, "replaced": back.replaced, "dry_run": dry_run})
    else:
        run_tables.print_rollback(declared, back, dry_run)


app.command()(serve_command.serve)


@app.command()
def score(
    workload: Workload,
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Parquet, CSV, Arrow or JSON lines file of contract rows.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Parquet, CSV or Arrow file to write.")],
    key: Annotated[
        str | None, typer.Option(help="Column of IN that stands beside each answer; the row's number if not said.")
    ] = None,
    with_inputs: Annotated[bool, typer.Option("--with-inputs", help="Write the inputs beside the answers.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a whole file with the champion."""

    scored = run_flow(
        "score_batch",
        as_json,
        workload=workload,
        source=source.resolve(),
        target=target.resolve(),
        key=key or "",
        with_inputs=with_inputs,
    )
    terminal.print_json(scored) if as_json else serving_output.print_scored(scored)


@app.command()
def monitor(
    workload: Workload,
    live: Annotated[
        bool, typer.Option("--live", help="Compare what the service was asked: its prediction log.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare later data with what the champion was measured on."""

    monitored = run_flow("monitor_drift", as_json, workload=workload, live=live)
    terminal.print_json(monitored) if as_json else run_tables.print_monitored(monitored)


@app.command()
def estimate(workload: Workload, as_json: Json = False) -> None:
    """Predict time, memory and money of a training from a few dozen of its steps."""

    found = run_flow("estimate_training", as_json, workload=workload)
    terminal.print_json(found) if as_json else terminal.print_estimate(found)


@app.command()
def reproduce(
    build_id: Annotated[str, typer.Argument(metavar="BUILD", help="Build id, its first characters, or its folder.")],
    fresh_environment: Annotated[
        bool, typer.Option("--fresh-environment", help="Install the recorded packages anew; takes minutes.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, max=0.5, help="Relative difference of a metric that is still equal.")
    ] = 0.005,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder of the second build.")] = False,
    as_json: Json = False,
) -> None:
    """Make a build again from its recorded code, data and environment, and compare; exit code 1 if it differs."""
    from components.builds.signing import public_key_path
    from components.reproduction.rebuild import find_build
    from components.reproduction.recorded import read_recorded

    # Before a server is started for it.
    read_recorded(find_build(build_id, home(), public_key_path(Settings().key())))
    found = run_flow(
        "reproduce_build",
        as_json,
        build=str(Path(build_id).resolve()) if Path(build_id).is_dir() else build_id,
        fresh_environment=fresh_environment,
        tolerance=tolerance,
        keep=keep,
    )
    terminal.print_json(found) if as_json else terminal.print_reproduction(found)
    if not found.held:
        raise typer.Exit(1)


@app.command()
def selftest(workload: Workload, as_json: Json = False) -> None:
    """Plant known faults and say which gates caught them; exit code 1 if one was missed."""

    planted = run_flow("selftest_gates", as_json, workload=workload)
    terminal.print_json(planted) if as_json else terminal.print_planted(planted)
    if not all(result.caught for result in planted):
        raise typer.Exit(1)


@app.command()
def status(
    workload: Workload = "flights",
    last_build: Annotated[
        bool, typer.Option("--last-build", help="Show the last run that built, whatever ran after it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the last run stage by stage, why each ran or was cached, and who serves."""
    from flows.status import status_of

    found = status_of(workload, home(), last_build=last_build)
    terminal.print_json(found) if as_json else terminal.print_status(found)


build_commands.add_to(app)
app.add_typer(data_commands.data, name="data")


@app.command()
def doctor(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKLOAD]...", help="Names or files to check; all of deployments/ if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that this machine and its environment can do the work."""
    from flows.doctor import examine

    findings = examine(home(), workloads or ())
    terminal.print_json(findings) if as_json else terminal.print_findings(findings)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(8)


def main() -> None:
    """Run the command line; an error a user can mend is one line and its own exit code."""
    find_user_modules(Path.cwd())
    try:
        code = app(prog_name="slipway", standalone_mode=False)
    except (SlipwayError, OSError, typer.TyperException) as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        if "--json" in sys.argv and refusal.kind:
            terminal.print_json({"error": refusal.kind, "message": refusal.message, "exit_code": refusal.code})
        terminal.print_error(refusal.message) if refusal.kind else sys.stderr.write(f"{refusal.message}\n")
        sys.exit(refusal.code)
    if code == INTERRUPTED:
        ending.end()
    sys.exit(code)
