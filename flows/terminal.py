"""What a person sees: progress while it runs, tables at the end, one line for an error.

Imported by every command, so nothing heavy is imported here at run time.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import rich.progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.drawing import coloured as _state
from flows.drawing import make_table as _table
from flows.drawing import open_console as _console
from flows.drawing import plain
from flows.serving_output import endpoint_lines

if TYPE_CHECKING:
    from components.builds.build import Build
    from components.data.versions import DataVersion, Deletion, VersionDiff
    from components.delivery.monitoring import Monitored
    from components.delivery.promotion import Promotion
    from components.faults.selftest import Planted
    from components.judgement.gates import GateReport
    from components.reproduction.comparison import Reproduction
    from components.run_ledger import RunRecord
    from components.settings import Home
    from components.training.costs.estimate import Estimate
    from flows.build_model import BuildOutcome
    from flows.doctor import Finding
    from flows.status import Status


SLICES_SHOWN = 8


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
                self._drawn.console.print(f"· {what}")
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


def _interval(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f}  [{low:.4f}, {high:.4f}]"


def print_run(
    home: "Home",
    built: "BuildOutcome",
    promoted: "Promotion | None" = None,
    monitored: "Monitored | None" = None,
) -> None:
    """Print what a run did and where to look next."""
    from components.builds.build import open_build
    from components.builds.signing import public_key_path
    from components.run_ledger import own_run
    from components.settings import Settings

    console = _console()
    build = open_build(built.registered.build, public_key_path(Settings().key()))
    last = own_run(home, build.manifest.workload)
    console.print()
    for difference in build.environment_differences():
        _warn(console, f"{difference}; such a build is not promoted without --accept environment")
    if last:
        console.print(_stages(last))
    console.print(_models(built))
    console.print(_gates(built.gates))
    _print_warnings(console, built.gates)
    if promoted:
        _print_judged(console, promoted)
    console.print(_outcome(build, built, promoted, monitored))
    for line in endpoint_lines(build, f"http://127.0.0.1:{build.serving().port}", running=False):
        console.print(line, soft_wrap=True)
    for line in _where_next(home, built, monitored):
        console.print(line, soft_wrap=True)


def _stages(run: "RunRecord") -> Table:
    rows = [(stage.stage, _state(stage.state), f"{stage.seconds:.1f} s") for stage in run.stages]
    return _table("stage", "state", "time", rows=rows, title=f"{run.workload}: {run.flow}")


def _models(built: "BuildOutcome") -> Table:
    from components.judgement.evidence import read_evidence
    from components.judgement.targets import METRICS

    evidence = read_evidence(built.evaluated.evidence)
    rows = []
    for metric in (name for names in METRICS.values() for name in names):
        found = (evidence.find(metric), evidence.find(f"baseline_{metric}"))
        if any(found):
            rows.append((metric, *(_interval(m.value, m.low, m.high) if m else "" for m in found)))
    gains = {"gain_over_base_rate": "base rate", "gain_over_baseline": "baseline", "gain_over_other": "other one"}
    for name, rival in gains.items():
        gain = evidence.find(name)
        if gain:
            rows.append((f"{gain.unit} gained over the {rival}", _interval(gain.value, gain.low, gain.high), ""))
    title = f"Model {built.trained.chosen} on the hold-out, with 95 % intervals"
    against = evidence.find("gain_over_baseline")
    baseline = f"baseline: {against.detail}" if against and against.detail else "baseline"
    return _table("", built.trained.chosen, baseline, rows=rows, title=title)


def _gates(report: "GateReport", title: str = "Gates") -> Table:
    rows = [
        (
            v.gate,
            _state(v.state, "yellow" if v.warning else None),
            v.reason + (f" {v.would_pass[:1].upper()}{v.would_pass[1:]}." if v.would_pass else ""),
        )
        for v in report.verdicts
    ]
    return _table("gate", "state", "reason", rows=rows, title=f"{title}: {report.goal}")


def _print_warnings(console: Console, report: "GateReport") -> None:
    for warning in report.warnings:
        _warn(console, warning)


def _warn(console: Console, warning: str) -> None:
    console.print(Text.assemble(_state("warning"), f": {warning}"), soft_wrap=True)


def _outcome(
    build: "Build", built: "BuildOutcome", promoted: "Promotion | None", monitored: "Monitored | None"
) -> Table:
    rows = [("build", build.build_id), ("folder", str(build.path))]
    if built.validated.quarantined:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in built.validated.reasons.items())
        rows.append(("quarantine", f"{built.validated.quarantined:,} rows: {reasons}"))
    if built.prepared.left_out:
        rows.append(("in no split", f"{built.prepared.left_out:,} kept rows lie outside of every period"))
    rows.append(("training", built.trained.taken))
    if built.trained.estimate:
        rows.append(("", built.trained.estimate.text))
    if promoted:
        live = promoted.live
        rows.append(
            (
                "live check",
                f"{live.rows} rows over HTTP, largest difference {live.max_difference:.1e}, "
                f"p95 {live.latency_p95_ms:.1f} ms, ready in {live.start_seconds:.1f} s",
            )
        )
        rows.append(("champion", f"{promoted.build_id}, {promoted.instead_of}"))
    if monitored:
        rows.append(("drift", monitored.drift.verdict))
        rows += [
            (f"{q.metric} in {q.window}", f"{_interval(q.value, q.low, q.high)}  on {q.rows:,} rows")
            for q in monitored.quality
        ]
    return _table("", "", rows=rows, title="Outcome")


def _where_next(home: "Home", built: "BuildOutcome", monitored: "Monitored | None") -> list[str]:
    lines = [
        "",
        f"dossier    {built.registered.build / 'dossier.html'}",
        f"MLflow     mlflow ui --backend-store-uri {shlex.quote(built.registered.tracking_uri)}",
        f"Bento      BENTOML_HOME={shlex.quote(str(home.room('bentoml')))} bentoml serve {built.packaged.bento}",
    ]
    if built.expected.docs:
        lines.append(f"data docs  {built.expected.docs / 'index.html'}")
    if built.validated.quarantine:
        lines.append(f"quarantine {built.validated.quarantine}")
    if monitored:
        lines += [f"drift      {window.report}" for window in monitored.drift.windows]
    return [*lines, f"why        slipway status {built.registered.workload}"]


def print_promotion(workload: str, promoted: "Promotion") -> None:
    """Print the verdicts of a promotion."""
    console = _console()
    _print_judged(console, promoted)
    if promoted.dry_run:
        console.print(f"dry run: {promoted.build_id} could serve {workload}; nothing was changed")
    else:
        console.print(f"{promoted.build_id} serves {workload}, {promoted.instead_of}")


def _print_judged(console: Console, promoted: "Promotion") -> None:
    """Print what the gates said at promotion, and the gain over the champion: the whole, then the worst slices."""
    console.print(_gates(promoted.gates, title="Gates at promotion"))
    _print_warnings(console, promoted.gates)
    if promoted.gains:
        whole, *slices = promoted.gains
        slices.sort(key=lambda gain: gain.value)
        rows = [
            (gain.slice or "the whole", f"{gain.n:,}" if gain.n else "", _interval(gain.value, gain.low, gain.high))
            for gain in (whole, *slices[:SLICES_SHOWN])
        ]
        title = f"Gain in {whole.unit} over the champion {whole.detail}, with 95 % intervals"
        console.print(_table("", "rows", "gain", rows=rows, title=title))
        if len(slices) > SLICES_SHOWN:
            console.print(f"and {len(slices) - SLICES_SHOWN} slices with a larger gain")
    console.print(f"judged by  {promoted.evidence}", soft_wrap=True)


def print_monitored(monitored: "Monitored") -> None:
    """Print the drift verdict, every column, and the quality where labels have come in."""
    console = _console()
    for window in monitored.drift.windows:
        rows = [
            (c.name, c.test, f"{c.p_value:.2g}", c.distance, f"{c.effect:.3f}", "moved" if c.moved else "")
            for c in sorted(window.columns, key=lambda column: -column.effect)
        ]
        title = f"{window.window}: {window.rows:,} rows against {monitored.drift.reference_rows:,}"
        console.print(_table("column", "test", "p", "distance", "effect", "", rows=rows, title=title))
        console.print(f"{window.report}\n", soft_wrap=True)
    for q in monitored.quality:
        console.print(f"{q.metric} in {q.window}: {_interval(q.value, q.low, q.high)}")
    console.print(f"rule: {monitored.drift.rule}")
    console.print(monitored.drift.verdict)


def print_status(status: "Status") -> None:
    """Print the last run and who serves."""
    console = _console()
    rows = [(s.stage, _state(s.state), f"{s.seconds:.1f} s", s.why) for s in status.stages]
    took = "" if status.state == "running" else f" in {status.seconds:.0f} s"
    title = f"{status.workload}: {status.flow} {status.state} on {status.started}{took}"
    console.print(_table("stage", "state", "time", "why", rows=rows, title=title))
    for stage in status.stages:
        if stage.note:
            console.print(f"{stage.stage}: {stage.note}", soft_wrap=True)
    if status.error:
        console.print(f"it ended with: {status.error}", soft_wrap=True)
    for line in status.others:
        console.print(f"also running: {line}", soft_wrap=True)
    console.print(f"champion: {status.champion or 'none'}   before it: {status.previous or 'none'}")
    for line in status.history[-5:]:
        console.print(f"  {line}")


def print_estimate(estimate: "Estimate") -> None:
    """Print what a training is expected to take."""
    console = _console()
    for warning in estimate.warnings:
        _warn(console, warning)
    rows = []
    for part in estimate.parts:
        most, least = part.taking(part.most), part.taking(part.least)
        units = f"{part.least} to {part.most} {part.unit}s" if part.least < part.most else f"{part.most} {part.unit}s"
        span = f"{least.wall:.1f} to {most.wall:.1f} s" if part.least < part.most else f"{most.wall:.1f} s"
        rows.append((part.name, units if part.unit else "", span, f"{most.cpu:.1f} s"))
    console.print(
        _table("part", "of", "on the clock", "processor time at most", rows=rows, title="Training on this machine")
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
        _table(
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
    console = _console()
    rows = [
        (
            one.name,
            *(f"{value:.6f}" if value is not None else "-" for value in (one.recorded, one.now)),
            "same bytes" if getattr(one, "same_model", False) else _state("passed" if one.equal else "failed"),
        )
        for one in (*found.candidates, *found.metrics)
    ]
    console.print(_table("", "recorded", "now", "", rows=rows, title=f"{found.build_id}, made again"))
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
    console.print(Text.assemble(_state(verdict, colour), f": {told}; took {found.seconds:.0f} s"))


def print_planted(planted: "Sequence[Planted]") -> None:
    """Print what became of each planted fault."""
    rows = [
        (p.fault, p.stage, p.gate, _state("caught", "green") if p.caught else _state("MISSED", "red"), p.said[:90])
        for p in planted
    ]
    console = _console()
    console.print(_table("fault", "stage", "gate", "", "what it said", rows=rows, title="Planted faults"))
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
    _console().print(_table(*columns, rows=rows, title="Data versions") if rows else "no data versions yet")


def print_version_diff(diff: "VersionDiff") -> None:
    """Print what is different in a later snapshot."""
    rows = [(shift.field, f"{shift.distance:.4f}") for shift in diff.shifts]
    console = _console()
    console.print(f"rows {diff.rows_before:,} -> {diff.rows_after:,}: {diff.added:,} added, {diff.removed:,} removed")
    for name, columns in (("added", diff.columns_added), ("removed", diff.columns_removed)):
        if columns:
            console.print(f"columns {name}: {', '.join(columns)}")
    for name, change in diff.columns_retyped.items():
        console.print(f"column {name}: {change}")
    console.print(_table("column", "moved (0 alike, 1 apart)", rows=rows, title="Columns"))


def print_deletion(deletion: "Deletion") -> None:
    """Print what was deleted, or would be."""
    console = _console()
    verb = "would delete" if deletion.dry_run else "deleted"
    for version in deletion.deleted:
        console.print(f"{verb} {version.digest[:12]}  {version.rows:,} rows  {version.source}")
    for version in deletion.kept_for_builds:
        console.print(f"kept {version.digest[:12]}: {', '.join(version.used_by)} was made from it")
    hint = "; --yes does it" if deletion.dry_run and deletion.deleted else ""
    console.print(f"{len(deletion.deleted)} data versions, {_bytes(deletion.freed)}{hint}")


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def print_findings(findings: Sequence["Finding"]) -> None:
    """Print what the doctor found."""
    rows = [(finding.check, _state(finding.state), finding.found) for finding in findings]
    _console().print(_table("check", "state", "found", rows=rows, title="This machine"))
