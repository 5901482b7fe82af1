"""All that a run did, as tables: every stage, metric, gate and slice; what ``--verbose`` prints (else: run_output.py).

Also what a promotion was judged by, and how later data has moved.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flows.drawing import coloured, make_table, open_console, warn
from flows.run_output import accepting, link, links_of
from flows.serving_output import endpoint_lines

if TYPE_CHECKING:
    from components.artefacts.build import Build
    from components.declaration.workload import Workload
    from components.evaluation.evidence import Measure
    from components.gates.judge import GateReport
    from components.monitoring.monitor import Monitored
    from components.promotion.promote import Promotion
    from components.promotion.record import PromotionRecord
    from components.promotion.rollback import RolledBack
    from components.run_ledger import RunRecord
    from components.settings import Home
    from flows.build_model import BuildOutcome

SLICES_SHOWN = 8


def _interval(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f}  [{low:.4f}, {high:.4f}]"


def print_run(
    home: "Home",
    built: "BuildOutcome",
    promoted: "Promotion | None" = None,
    monitored: "Monitored | None" = None,
    *,
    given: str = "",
    refused: "PromotionRecord | None" = None,
) -> None:
    """Print all that a run did, and where to look next; ``given`` is how the workload was named.

    ``refused`` is what the build was judged by that was not promoted.
    """
    from components.artefacts.build import open_build
    from components.builds.signing import public_key_path
    from components.run_ledger import own_run
    from components.settings import Settings

    console, given = open_console(), shlex.quote(given or built.registered.workload)
    build = open_build(built.registered.build, public_key_path(Settings().key()))
    last = own_run(home, build.manifest.workload)
    console.print()
    for difference in build.environment_differences():
        warn(console, f"{difference}; such a build is not promoted without --accept environment")
    if last:
        console.print(_stages(last))
    console.print(_models(built))
    console.print(_gates(built.gates))
    _print_warnings(console, built.gates)
    if promoted:
        _print_judged(console, promoted.gates, promoted.gains, promoted.evidence)
    if refused:
        _print_judged(console, refused.gates, refused.gains)
    console.print(_outcome(build, built, promoted, monitored))
    if built.gates.passed and not refused:
        serve = f"slipway serve {given}" if promoted else f"slipway promote {given} && slipway serve {given}"
        for line in endpoint_lines(build, f"http://127.0.0.1:{build.serving().port}", serve):
            console.print(line, soft_wrap=True)
    drift = [link("drift", str(window.stored_report)) for window in monitored.drift.windows] if monitored else []
    why = [link("accept", accepting(refused, given))] if refused else []
    why.append(link("why", f"slipway status {given}"))
    for line in ("", *links_of(home, built), *drift, *why):
        console.print(line, soft_wrap=True)


def _stages(run: "RunRecord") -> Table:
    rows = [(stage.stage, coloured(stage.state), f"{stage.seconds:.1f} s") for stage in run.stages]
    return make_table("stage", "state", "time", rows=rows, title=f"{run.workload}: {run.flow}")


def _models(built: "BuildOutcome") -> Table:
    from components.declaration.metrics import known_metrics
    from components.evaluation.evidence import read_evidence

    evidence = read_evidence(built.evaluated.evidence)
    rows = []
    for metric in known_metrics():
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
    return make_table("", built.trained.chosen, baseline, rows=rows, title=title)


def _gates(report: "GateReport", title: str = "Gates") -> Table:
    rows = [
        (
            v.gate,
            coloured(v.state, "yellow" if v.warning else None),
            v.reason + (f" {v.would_pass[:1].upper()}{v.would_pass[1:]}." if v.would_pass else ""),
        )
        for v in report.verdicts
    ]
    return make_table("gate", "state", "reason", rows=rows, title=f"{title}: {report.goal}")


def _print_warnings(console: Console, report: "GateReport") -> None:
    for warning in report.warnings:
        warn(console, warning)


def _outcome(
    build: "Build", built: "BuildOutcome", promoted: "Promotion | None", monitored: "Monitored | None"
) -> Table:
    rows = [("build", build.build_id), ("folder", str(build.path))]
    if built.validated.quarantined:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in built.validated.reasons.items())
        rows.append(("quarantine", f"{built.validated.quarantined:,} rows: {reasons}"))
    if built.prepared.left_out:
        rows.append(("in no split", f"{built.prepared.left_out:,} kept rows lie outside of every period"))
    rows.append(("training", built.spent.text))
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
    return make_table("", "", rows=rows, title="Outcome")


def print_promotion(workload: str, promoted: "Promotion") -> None:
    """Print the verdicts of a promotion."""
    console = open_console()
    _print_judged(console, promoted.gates, promoted.gains, promoted.evidence)
    if promoted.dry_run:
        console.print(f"dry run: {promoted.build_id} could serve {workload}; nothing was changed")
    else:
        console.print(f"{promoted.build_id} serves {workload}, {promoted.instead_of}")


def print_rollback(workload: "Workload", back: "RolledBack", dry_run: bool) -> None:
    """Print who serves again instead of whom, and what another rollback would do."""
    console = open_console()
    if back.undone:
        warn(console, f"this undoes the rollback of {back.undone}, which took {back.champion} out of service")
    told = (
        f"{workload.name}: {back.champion} {'would serve' if dry_run else 'serves'} again, instead of {back.replaced}"
    )
    then = "nothing was changed" if dry_run else f"another 'slipway rollback {workload.given}' returns to that one"
    console.print(f"{told}; {then}", soft_wrap=True)


def print_refusal(record: "PromotionRecord", written: Path, given: str) -> None:
    """Print the verdicts of a promotion that was refused, and which gates a person would have to accept."""
    console = open_console()
    _print_judged(console, record.gates, record.gains, written)
    gates = [verdict.gate for verdict in record.gates.refused if verdict.gate not in record.accepted]
    serves = f"{record.champion} serves on" if record.champion else "nothing serves"
    console.print(coloured(f"{record.build_id} is not promoted: {', '.join(gates)}; {serves}", "bold red"))
    console.print(f"mend the cause, or accept by name: {accepting(record, given)}", soft_wrap=True)


def _print_judged(
    console: Console, gates: "GateReport", gains: Sequence["Measure"], written: Path | None = None
) -> None:
    """Print what the gates said at promotion, and the gain over the champion: the whole, then the worst slices."""
    console.print(_gates(gates, title="Gates at promotion"))
    _print_warnings(console, gates)
    if gains:
        whole, *slices = gains
        slices.sort(key=lambda gain: gain.value)
        rows = [
            (gain.slice or "the whole", f"{gain.n:,}" if gain.n else "", _interval(gain.value, gain.low, gain.high))
            for gain in (whole, *slices[:SLICES_SHOWN])
        ]
        title = f"Gain in {whole.unit} over the champion {whole.detail}, with 95 % intervals"
        console.print(make_table("", "rows", "gain", rows=rows, title=title))
        if len(slices) > SLICES_SHOWN:
            console.print(f"and {len(slices) - SLICES_SHOWN} slices with a larger gain")
    if written:
        console.print(f"judged by  {written}", soft_wrap=True)


def print_monitored(monitored: "Monitored") -> None:
    """Print the drift verdict, every column, and the quality where labels have come in."""
    console = open_console()
    for window in monitored.drift.windows:
        rows = [
            (c.name, c.test, f"{c.p_value:.2g}", c.distance, f"{c.effect:.3f}", "moved" if c.moved else "")
            for c in sorted(window.columns, key=lambda column: -column.effect)
        ]
        title = f"{window.window}: {window.rows:,} rows against {monitored.drift.reference_rows:,}"
        console.print(make_table("column", "test", "p", "distance", "effect", "", rows=rows, title=title))
        console.print(f"{window.stored_report}\n", soft_wrap=True)
    for q in monitored.quality:
        console.print(f"{q.metric} in {q.window}: {_interval(q.value, q.low, q.high)}")
    console.print(f"rule: {monitored.drift.rule}")
    console.print(monitored.drift.verdict)
