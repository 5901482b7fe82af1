"""What a person sees of serving: a build checked and profiled, a service that answers, a file that was scored."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from flows.drawing import coloured, make_table, open_console, plain, warn

if TYPE_CHECKING:
    from components.artefacts.build import Build
    from components.builds.live_check import LiveCheck
    from components.builds.parity_ladder import Ladder
    from components.builds.serving_environment import FreshEnvironment
    from components.builds.stage_budget import StageBudget
    from components.declaration.goal import Goal
    from components.service.process import Endpoint

REASONS_SHOWN = 15


def endpoint_lines(build: "Build", url: str, serve: str = "") -> list[str]:
    """Return what tells a person how to ask a service, and with which command to start it if it does not run."""
    row = build.golden().rows[0]
    curl = f"curl -s {url}/v1/predict -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(row))}"
    head = f"serve it: {serve}   then ask:" if serve else f"{url} answers; try:"
    return ["", head, curl]


def print_check(build: "Build", ladder: "Ladder", live: "LiveCheck | None", fresh: "FreshEnvironment | None") -> None:
    """Print what a check of a build found."""
    console = open_console()
    rows = [
        (
            rung.name,
            coloured("passed" if rung.holds else "failed"),
            f"{rung.largest_difference:.1e}",
            f"{rung.tolerance:.0e}",
            ", ".join(f"{count} {which}" for which, count in rung.turned.items()) or f"none of {rung.rows}",
        )
        for rung in ladder.rungs
    ]
    title = f"{build.build_id}: {len(build.manifest.files)} files are what was built and signed"
    columns = ("station", "", "largest difference", "allowed", "decisions turned")
    console.print(make_table(*columns, rows=rows, title=title))
    if ladder.broken:
        console.print(ladder.told())
    if live:
        console.print(
            f"served: {live.rows} held-out rows over HTTP, largest difference {live.max_difference:.1e}, "
            f"p95 {live.latency_p95_ms:.2f} ms, ready in {live.start_seconds:.1f} s"
        )
    if fresh:
        console.print(
            f"fresh environment: {fresh.packages} packages, {fresh.megabytes:.0f} MB, {fresh.rows} golden rows, "
            f"largest difference {fresh.largest_difference:.1e}, {fresh.seconds:.0f} s"
        )


def print_budget(build: "Build", budget: "StageBudget", goal: "Goal", flame: Path | None) -> None:
    """Print where the time of a request goes."""
    console = open_console()
    rows = [
        (stage.name, f"{stage.p50_us:.1f}", f"{stage.p95_us:.1f}", f"{stage.p99_us:.1f}", stage.meaning)
        for stage in budget.stages
    ]
    rows.append(("sum", f"{budget.sum_p50_us:.1f}", f"{budget.sum_p95_us:.1f}", f"{budget.sum_p99_us:.1f}", ""))
    title = f"{build.build_id}: microseconds of one row a request, one request at a time, {budget.requests:,} requests"
    console.print(make_table("stage", "p50", "p95", "p99", "what it is", rows=rows, title=title))
    console.print(
        f"write is what is left of the time that a client saw in {budget.seen_requests:,} other requests; where less "
        "is left at a higher quantile, the lower one stands again"
    )
    limits = (("p95", budget.sum_p95_us, goal.latency_p95_ms), ("p99", budget.sum_p99_us, goal.latency_p99_ms))
    for name, spent_us, declared_ms in limits:
        if declared_ms is not None:
            within = Text("within") if spent_us <= declared_ms * 1000 else coloured("over", "red")
            told = f"{name} of the stages, summed: {spent_us / 1000:.2f} ms, "
            console.print(Text.assemble(told, within, f" the declared {declared_ms:g} ms"))
    if flame:
        console.print(f"flame graph: {flame}", soft_wrap=True)


def print_endpoint(endpoint: "Endpoint", build: "Build", as_json: bool) -> None:
    """Print where a data plane answers, with how many workers, and how to ask it."""
    if as_json:
        sys.stdout.write(json.dumps({"build": build.build_id, **plain(endpoint)}, indent=2) + "\n")
    else:
        lines = endpoint_lines(build, endpoint.url)
        if endpoint.grpc:
            lines.append(f"gRPC: {endpoint.grpc} (inference.GRPCInferenceService)")
        for line in (*lines, f"workers: {endpoint.workers} ({endpoint.because})"):
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_scored(scored: Any) -> None:
    """Print what became of a file, and why rows were refused: a reason a line, the most frequent first."""
    console = open_console()
    refused = f", {scored.refused:,} refused" if scored.refused else ""
    told = f"{scored.rows:,} rows scored by {scored.build_id} into {scored.target}{refused}"
    if names := ", ".join(scored.left_out[:10]):
        names += f" and {len(scored.left_out) - 10} more" if len(scored.left_out) > 10 else ""
        told += f"\nleft out, since the contract does not name them: {names} (a column that names the rows: --key)"
    console.print(told, soft_wrap=True)
    if scored.refused:
        rows = [(reason, f"{count:,}") for reason, count in list(scored.refusals.items())[:REASONS_SHOWN]]
        console.print(make_table("reason", "rows", rows=rows, title="Why rows were refused"))
        if (more := len(scored.refusals) - REASONS_SHOWN) > 0:
            console.print(f"and {more:,} more reasons; each row has its own in the column 'reasons' of {scored.target}")
    if scored.refused > scored.rows / 2:
        warn(
            console, "more than half of the rows were refused: is this a file of the rows that the contract describes?"
        )
