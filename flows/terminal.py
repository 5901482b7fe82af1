"""What a person sees: progress while it runs, tables at the end, one line for an error; of a run see run_output.py.

Imported by every command, so nothing heavy is imported here at run time.
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import rich.progress
from rich.console import Console
from rich.text import Text

from flows.drawing import coloured, make_table, open_console, plain, warn

if TYPE_CHECKING:
    from components.data.versions import DataVersion, Deletion, VersionDiff
    from components.faults.selftest import Planted
    from components.reproduction.comparison import Reproduction
    from components.training.costs.estimate import Estimate
    from flows.doctor import Finding
    from flows.status import Status


class Progress:
    """Shows on stderr which stage is at work and how far it is; a plain line a stage where there is no terminal."""

    def __init__(self) -> None:
        self._bars: dict[str, rich.progress.TaskID] = {}
        self._drawn = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=30),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._drawn.console.is_terminal:
            self._drawn.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn.console.is_terminal:
            self._drawn.stop()

    def report(self, what: str, done: int, total: int) -> None:
        """Take one report of progress; see components.progress."""
        if not self._drawn.console.is_terminal:
            if what not in self._bars:
                self._bars[what] = rich.progress.TaskID(0)
                # Not through the console: in a notebook that makes a display of its own of each line.
                sys.stderr.write(f"· {what}\n")
                sys.stderr.flush()
            return
        if what not in self._bars:
            for earlier in self._bars.values():
                self._drawn.update(earlier, visible=False)
            self._bars[what] = self._drawn.add_task(what, total=total or None)
        self._drawn.update(self._bars[what], completed=done, total=total or None)


def print_error(message: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"slipway: {message}\n")


def print_json(value: Any) -> None:
    """Print one JSON document to stdout; models and structs in it, and in what it holds, are dumped."""
    sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")


def print_status(status: "Status") -> None:
    """Print the last run and who serves."""
    console = open_console()
    rows = [(s.stage, coloured(s.state), f"{s.seconds:.1f} s", s.why) for s in status.stages]
    took = "" if status.state == "running" else f" in {status.seconds:.0f} s"
    title = f"{status.workload}: {status.flow} {status.state} on {status.started}{took}"
    console.print(make_table("stage", "state", "time", "why", rows=rows, title=title))
    for stage in status.stages:
        if stage.note:
            console.print(f"{stage.stage}: {stage.note}", soft_wrap=True)
    if status.error and not any(status.error in stage.why for stage in status.stages):
        console.print(f"it ended with: {status.error}", soft_wrap=False)
    if status.last_build:
        console.print(f"the last build: {status.last_build}", soft_wrap=True)
    for line in status.others:
        console.print(f"also running: {line}", soft_wrap=True)
    console.print(f"champion: {status.champion or 'none'}   before it: {status.previous or 'none'}")
    for line in status.history[-5:]:
        console.print(f"  {line}")


def print_estimate(estimate: "Estimate") -> None:
    """Print what a training is expected to take."""
    console = open_console()
    for warning in estimate.warnings:
        warn(console, warning)
    rows = []
    for part in estimate.parts:
        most, least = part.taking(part.most), part.taking(part.least)
        units = f"{part.least} to {part.most} {part.unit}s" if part.least < part.most else f"{part.most} {part.unit}s"
        span = f"{least.wall:.1f} to {most.wall:.1f} s" if part.least < part.most else f"{most.wall:.1f} s"
        rows.append((part.name, units if part.unit else "", span, f"{most.cpu:.1f} s"))
    console.print(
        make_table("part", "of", "on the clock", "processor time at most", rows=rows, title="Training on this machine")
    )
    console.print(
        f"in all {estimate.least_seconds:.0f} to {estimate.seconds:.0f} s at the load of now "
        f"({estimate.cpu_seconds:.0f} s of processor time at most), at most {estimate.usd:.4f} USD, "
        f"{estimate.memory_mb:,.0f} MB"
    )
    cards = [
        (
            card.name,
            f"{card.steps_seconds:.0f} s",
            f"{card.seconds:.0f} s",
            f"{card.usd:.4f} USD",
            f"{card.memory_mb:,.0f} MB" + ("" if card.fits else ", too much"),
        )
        for card in estimate.cards
    ]
    console.print(
        make_table(
            "card",
            "steps",
            "in all",
            "price",
            "its memory",
            rows=cards,
            title=f"On a card (steps and memory reckoned, the rest measured here; prices of {estimate.prices_as_of})",
        )
    )


def print_reproduction(found: "Reproduction") -> None:
    """Print what was compared and what came of it, the verdict last."""
    console = open_console()
    rows = [
        (
            one.name,
            *(f"{value:.6f}" if value is not None else "-" for value in (one.recorded, one.now)),
            "same bytes" if getattr(one, "same_model", False) else coloured("passed" if one.equal else "failed"),
        )
        for one in (*found.candidates, *found.metrics)
    ]
    console.print(make_table("", "recorded", "now", "", rows=rows, title=f"{found.build_id}, made again"))
    files = [name for name, same in found.files.items() if same]
    console.print(f"code  {found.code}\ndata  {found.data[:12]}")
    console.print(f"same bytes: {', '.join(files) or 'no file'}")
    for title, lines in (("environment", found.environment), ("differs", found.differences), ("cause", found.causes)):
        for line in lines:
            console.print(f"{title}: {line}", soft_wrap=True)
    if found.kept:
        console.print(f"kept  {found.kept}", soft_wrap=True)
    colour, told = {
        "identical": ("green", "every model and every file that follows from code and data, byte by byte"),
        "equal": ("green", f"not every byte, but every metric within {found.tolerance:.2%}"),
        "different": ("red", f"not what was recorded (metrics may differ by {found.tolerance:.2%})"),
    }[found.verdict]
    verdict = found.verdict.upper() if colour == "red" else found.verdict
    console.print(Text.assemble(coloured(verdict, colour), f": {told}; took {found.seconds:.0f} s"))


def print_planted(planted: "Sequence[Planted]") -> None:
    """Print what became of each planted fault."""
    rows = [
        (p.fault, p.stage, p.gate, coloured("caught", "green") if p.caught else coloured("MISSED", "red"), p.said[:90])
        for p in planted
    ]
    console = open_console()
    console.print(make_table("fault", "stage", "gate", "", "what it said", rows=rows, title="Planted faults"))
    caught = sum(p.caught for p in planted)
    console.print(f"{caught} of {len(planted)} faults caught")


def print_versions(versions: "Sequence[DataVersion]") -> None:
    """Print the snapshots of a home."""
    rows = [
        (
            version.digest[:12],
            f"{version.rows:,}",
            f"{len(version.columns)}",
            _bytes(version.size),
            f"{version.taken:%Y-%m-%d %H:%M}",
            version.source,
            ", ".join(version.used_by) or "-",
        )
        for version in versions
    ]
    columns = ("digest", "rows", "columns", "size", "taken", "source", "builds")
    open_console().print(make_table(*columns, rows=rows, title="Data versions") if rows else "no data versions yet")


def print_version_diff(diff: "VersionDiff") -> None:
    """Print what is different in a later snapshot."""
    rows = [(shift.field, f"{shift.distance:.4f}") for shift in diff.shifts]
    console = open_console()
    console.print(f"rows {diff.rows_before:,} -> {diff.rows_after:,}: {diff.added:,} added, {diff.removed:,} removed")
    for name, columns in (("added", diff.columns_added), ("removed", diff.columns_removed)):
        if columns:
            console.print(f"columns {name}: {', '.join(columns)}")
    for name, change in diff.columns_retyped.items():
        console.print(f"column {name}: {change}")
    console.print(make_table("column", "moved (0 alike, 1 apart)", rows=rows, title="Columns"))


def print_deletion(deletion: "Deletion") -> None:
    """Print what was deleted, or would be."""
    console = open_console()
    verb = "would delete" if deletion.dry_run else "deleted"
    for version in deletion.deleted:
        console.print(f"{verb} {version.digest[:12]}  {version.rows:,} rows  {version.source}")
    for version in deletion.kept_for_builds:
        console.print(f"kept {version.digest[:12]}: {version.kept_for}")
    hint = "; --yes does it" if deletion.dry_run and deletion.deleted else ""
    console.print(f"{len(deletion.deleted)} data versions, {_bytes(deletion.freed)}{hint}")


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def print_findings(findings: Sequence["Finding"]) -> None:
    """Print what the doctor found."""
    rows = [(finding.check, coloured(finding.state), finding.found) for finding in findings]
    open_console().print(make_table("check", "state", "found", rows=rows, title="This machine"))
