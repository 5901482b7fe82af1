"""Commands about a finished build: check it, see where its time goes, carry it away as one file and take one in."""

from pathlib import Path
from typing import Annotated

import typer

from components.settings import Settings
from flows import serving_output, terminal

Target = Annotated[
    str,
    typer.Argument(metavar="BUILD", help="Build id, its first characters, its folder, or a workload (its champion)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of the command line."""
    app.command("check")(check)
    app.command("profile")(profile)
    app.command("export")(export)
    app.command("import")(take_in)


def check(
    target: Target,
    fresh_environment: Annotated[
        bool, typer.Option("--fresh-environment", help="Also serve it from a new environment made from its own list.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a build: digests, signature, parity ladder up to the live answers; exit code 7 if a rung is broken."""
    from components.builds.serving_environment import check_fresh_environment
    from components.promotion.inspection import build_of, inspect

    settings = Settings()
    build = build_of(target, settings.folder(), settings)
    ladder, live = inspect(build, settings)
    fresh = check_fresh_environment(build) if fresh_environment and not ladder.broken else None
    if as_json:
        terminal.print_json({"build": build.build_id, "ladder": ladder, "live": live, "fresh_environment": fresh})
    else:
        serving_output.print_check(build, ladder, live, fresh)
    if ladder.broken:
        raise typer.Exit(7)


def profile(
    target: Target,
    requests: Annotated[int, typer.Option(min=100, max=1_000_000, help="Requests to measure.")] = 2_000,
    flame: Annotated[
        Path | None, typer.Option(help="Also write a flame graph (SVG) of the service under load.")
    ] = None,
    seconds: Annotated[int, typer.Option(min=1, max=600, help="How long the flame graph records.")] = 5,
    as_json: Json = False,
) -> None:
    """Show where the time of a request goes, stage by stage, and its sum against the declared p95 and p99."""
    from components.builds.kept_builds import workload_document
    from components.declaration.goal import Goal
    from components.promotion.inspection import build_of
    from components.promotion.inspection import profile as measure
    from components.service.flame import record_flame

    settings = Settings()
    build = build_of(target, settings.folder(), settings)
    budget = measure(build, settings, requests)
    drawn = record_flame(build, flame.resolve(), seconds) if flame else None
    # The goal alone: other sections of a build made before may have had other keys.
    declared = Goal.model_validate(workload_document(build)["goal"])
    if as_json:
        limits = {"declared_p95_ms": declared.latency_p95_ms, "declared_p99_ms": declared.latency_p99_ms}
        terminal.print_json({"build": build.build_id, **limits, "stages": budget, "flame": drawn})
    else:
        serving_output.print_budget(build, budget, declared, drawn)


def export(
    target: Target,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, ending in .bento.")],
    as_json: Json = False,
) -> None:
    """Write a build, packed as a Bento, to one file."""
    from components.promotion.inspection import build_of
    from components.registry.archive import export_build

    settings = Settings()
    build = build_of(target, settings.folder(), settings)
    written = export_build(build, settings.folder(), file.resolve())
    if as_json:
        terminal.print_json({"build": build.build_id, "file": written, "bytes": written.stat().st_size})
    else:
        typer.echo(f"{build.build_id} is in {written} ({written.stat().st_size / 1e6:.1f} MB)")


def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that 'slipway export' wrote.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Key of whoever must have signed it; this installation's if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a build out of a file, check digests and signature, and register it as challenger if its gates passed."""
    from components.builds.signing import public_key_path
    from components.registry.archive import import_build

    settings = Settings()
    key = (public_key or public_key_path(settings.key())).resolve()
    registered = import_build(file, settings.folder(), settings, key)
    if as_json:
        terminal.print_json(registered)
    else:
        state = "challenger" if registered.gates_passed else "registered; its gates did not pass"
        typer.echo(f"{registered.build_id} is whole, signed with {key} and {state}: {registered.build}")
