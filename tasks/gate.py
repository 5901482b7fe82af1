"""Gate: whether the evidence is good enough, judged by what the workload file declares."""

from datetime import UTC, date, datetime

from components.builds.evidence import build_evidence
from components.builds.results import Rehearsed
from components.compression.results import Compressed
from components.data.audit.findings import Audited
from components.data.results import Prepared
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated, Measure
from components.evaluation.hold_out import leakage_measure
from components.gates.judge import Context, GateReport, judge
from components.training.results import Trained
from tasks.pages import verdicts
from tasks.stage import stage


def _today(workload: Workload) -> str:
    # Data grow older while nothing else changes: where their age is judged, a verdict is good for a day.
    return datetime.now(UTC).date().isoformat() if workload.gates.data_age_days else "any day"


def _lines(report: GateReport) -> list[str]:
    return [verdict.line for verdict in report.verdicts]


@stage("gate", settings=["goal", "gates", "name"], fingerprint=_today, artifact=verdicts, lines=_lines)
def gate(
    workload: Workload,
    trained: Trained,
    compressed: Compressed,
    evaluated: Evaluated,
    rehearsed: Rehearsed,
    audited: Audited,
    prepared: Prepared,
) -> GateReport:
    """Judge the evidence; a refusal is a result, not an error: the build is kept to be looked at."""
    measures = (leakage_measure(audited.findings, audited.declared), *_age(prepared))
    evidence = build_evidence(trained, compressed, evaluated, rehearsed)
    return judge(evidence, workload, Context(measures=measures))


def _age(prepared: Prepared) -> tuple[Measure, ...]:
    newest = prepared.splits["train"].end
    if newest is None:
        return ()
    days = (datetime.now(UTC).date() - date.fromisoformat(newest[:10])).days
    return (Measure(name="data_age_days", value=days, source="split report", unit="days"),)
