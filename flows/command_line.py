"""The command ``slipway``. Run ``slipway --help``.

Nothing heavy is imported before a command needs it, and Prefect only after its environment is set.
"""

import errno
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from components import progress
from components.artefacts.errors import GateError, HostError, SlipwayError
from components.imports import without_garbage
from components.settings import Home, Settings
from components.user_modules import find_user_modules
from flows import build_commands, ending, run_output, run_tables, serve_command, serving_output, terminal

if TYPE_CHECKING:
    from flows.temporary_server import TemporaryServer

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


def _home() -> Home:
    return Settings().folder()


def _run_flow(name: str, as_json: bool, **parameters: Any) -> Any:
    """Import ``flows.<name>.<name>`` after Prefect's environment is set, and run it with progress on the terminal."""
    from components.run_ledger import leave_word

    progress.listen(ending.during)
    ending.before_the_end(leave_word)
    with _drawn(as_json):
        progress.report("starting", 0, 0)
        with without_garbage():
            server, flow, late = _imported(name, parameters.get("workload"))
            if server:
                server.wait(meanwhile=late)
        from flows.orchestrator import lost_orchestrator, no_heartbeats
        from flows.prefect_run import told_parameters

        with lost_orchestrator(), told_parameters(), no_heartbeats() if server else nullcontext():
            return flow(**parameters)


def _imported(
    name: str, workload: str | None
) -> tuple["TemporaryServer | None", Callable[..., Any], Iterator[Callable[[], object]]]:
    """Start a server if none is named, and import the flow while it starts; a workload file is checked on the way.

    Returns the server, the flow, and steps that import what the flow will import later.
    """
    from components.declaration.loading import read_workload

    if workload is not None:
        # Before a server is started for it.
        read_workload(workload)
    from flows.orchestrator import configure_orchestrator

    server = configure_orchestrator(_home())
    from flows.late_imports import late_imports
    from flows.opening import checked_workload

    declared = None if workload is None else checked_workload(workload)
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    return server, flow, late_imports(name, declared, _home())


@contextmanager
def _drawn(as_json: bool) -> Iterator[None]:
    """Show progress on stderr for the length of the block, unless a machine is reading."""
    if as_json:
        yield
        return
    with terminal.Progress() as drawn:
        progress.listen(drawn.report)
        yield


@app.command()
def run(workload: Workload, verbose: Verbose = False, as_json: Json = False) -> None:
    """Build, gate, register, promote and monitor: the whole slipway."""

    output = run_tables if verbose else run_output
    try:
        ended = _run_flow("end_to_end", as_json, workload=workload)
    except GateError as refused:
        built = getattr(refused, "outcome", None)
        if built is None or as_json:
            raise
        output.print_run(_home(), built, given=workload, refused=getattr(refused, "record", None))
        raise typer.Exit(GateError.exit_code) from refused
    if as_json:
        sys.stdout.write(ended.summary.read_text())
        return
    output.print_run(_home(), ended.built, ended.promoted, ended.monitored, given=workload)


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
        built = _run_flow("build_model", as_json, workload=workload, data=data_version or "")
    except GateError as refused:
        # The build is there all the same, and shows why.
        built = getattr(refused, "outcome", None)
        if built is None:
            raise
    if as_json:
        terminal.print_json(built)
    else:
        (run_tables if verbose else run_output).print_run(_home(), built, given=workload)
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
        promoted = _run_flow(
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
    from components.promotion.promote import roll_back

    declared = read_workload(workload)
    back = roll_back(declared, _home(), Settings(), reason=reason, dry_run=dry_run)
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

    scored = _run_flow(
        "score_batch",
        as_json,
        workload=workload,
        source=source.resolve(),
        target=target.resolve(),
        key=key,
        with_inputs=with_inputs,
    )
    terminal.print_json(scored) if as_json else serving_output.print_scored(scored)


@app.command()
def monitor(workload: Workload, as_json: Json = False) -> None:
    """Compare later data with what the champion was measured on."""

    monitored = _run_flow("monitor_drift", as_json, workload=workload)
    terminal.print_json(monitored) if as_json else run_tables.print_monitored(monitored)


@app.command()
def estimate(workload: Workload, as_json: Json = False) -> None:
    """Predict time, memory and money of a training from a few dozen of its steps."""

    found = _run_flow("estimate_training", as_json, workload=workload)
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
    read_recorded(find_build(build_id, _home(), public_key_path(Settings().key())))
    found = _run_flow(
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

    planted = _run_flow("selftest_gates", as_json, workload=workload)
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

    found = status_of(workload, _home(), last_build=last_build)
    terminal.print_json(found) if as_json else terminal.print_status(found)


build_commands.add_to(app)

data = typer.Typer(help="List, compare and delete data versions.", no_args_is_help=True)
app.add_typer(data, name="data")


@data.command("list")
def data_list(as_json: Json = False) -> None:
    """List the snapshots, newest first, and the builds made from them."""
    from components.data.versions import list_versions

    versions = list_versions(_home())
    terminal.print_json(versions) if as_json else terminal.print_versions(versions)


@data.command("diff")
def data_diff(
    before: Annotated[str, typer.Argument(help="The first characters of a digest.")],
    after: Annotated[str, typer.Argument(help="The first characters of a later one.")],
    as_json: Json = False,
) -> None:
    """Compare two snapshots: rows, columns, and how far each column has moved."""
    from components.data.versions import diff_versions, find_version

    found = diff_versions(find_version(before, _home()), find_version(after, _home()))
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
        _home(), digests or (), keep_latest=keep_latest, older_than_days=older_than_days, dry_run=not yes
    )
    terminal.print_json(deletion) if as_json else terminal.print_deletion(deletion)


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

    findings = examine(_home(), workloads or ())
    terminal.print_json(findings) if as_json else terminal.print_findings(findings)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(8)


# What a person can do where the machine will not write, or read.
UNFIT = {
    errno.EROFS: "SLIPWAY_HOME and the folder of the target must be writable",
    errno.EACCES: "give this user the right to it, or set SLIPWAY_HOME to a folder of its own",
    errno.EPERM: "give this user the right to it, or set SLIPWAY_HOME to a folder of its own",
    errno.ENOSPC: "make room and run the same command again: what was finished is kept",
    errno.EDQUOT: "make room and run the same command again: what was finished is kept",
    errno.EIO: "the disk does not answer as it should",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def main() -> None:
    """Run the command line; an error a user can mend is one line and its own exit code."""
    find_user_modules(Path.cwd())
    try:
        code = app(prog_name="slipway", standalone_mode=False)
    except SlipwayError as error:
        _end(type(error).__name__, str(error), error.exit_code)
    except OSError as error:
        # Whatever names a file: an argument, an option, a value in a workload file.
        if error.errno in UNFIT:
            _end("HostError", f"{error.filename or 'a file'}: {str(error.strerror).lower()}; {UNFIT[error.errno]}", 8)
        if error.errno != errno.ENAMETOOLONG:
            raise
        _end("HostError", f"a name is too long for a file: {str(error.filename)[:60]}...", HostError.exit_code)
    except typer.TyperException as error:
        message = error.format_message()
        if "\n" in message:
            # Help that nobody asked for.
            sys.stderr.write(f"{message}\n")
            sys.exit(error.exit_code)
        where = getattr(getattr(error, "ctx", None), "command_path", "slipway")
        _end("UsageError", f"{message.rstrip('.')}; see {where} --help", error.exit_code)
    if code == INTERRUPTED:
        ending.end()
    sys.exit(code)


def _end(kind: str, message: str, code: int) -> NoReturn:
    if "--json" in sys.argv:
        terminal.print_json({"error": kind, "message": message, "exit_code": code})
    terminal.print_error(message)
    sys.exit(code)
