"""Gate: whether the evidence is good enough, judged by what the workload file declares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from components.builds.evidence import build_evidence, data_measures
from components.builds.results import Measured
from components.catalog import Kind
from components.gates.judge import Context, GateReport, judge
from components.gates.own import own_modules
from components.gates.part import GatesPart
from components.imported_code import code_of
from tasks.pages import verdicts
from tasks.stage import stage


def _outside(given: Mapping[str, Any]) -> dict[str, str]:
    gates = given["workload"].gates
    own = code_of(own_modules(gates.own)).digests()
    # Data grow older while nothing else changes: where their age is judged, a verdict is good for a day.
    day = {"day on which the age of the data is judged": datetime.now(UTC).date().isoformat()}
    return {f"{name}, code of a gate": digest for name, digest in own.items()} | (day if gates.data_age_days else {})


def _lines(report: GateReport) -> list[str]:
    return [verdict.line for verdict in report.verdicts]


@stage("gate", outside=_outside, artifact=verdicts, lines=_lines)
def gate(workload: GatesPart, measured: Measured, kind: Kind) -> GateReport:
    """Judge the evidence; a refusal is a result, not an error: the build is kept to be looked at."""
    options = tuple(kind.options.model_fields)
    measures = data_measures(measured, datetime.now(UTC).date())
    context = Context(measures=measures, options=options, improve=kind.improve)
    return judge(build_evidence(measured), workload, context)
