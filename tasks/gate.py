"""Gate: whether the evidence is good enough, judged by what the workload file declares."""

from components.declaration import Workload
from components.evidence import Evaluated, read_evidence
from components.gates import GateReport, judge
from tasks.stage import stage


def _artifact(report: GateReport) -> str:
    lines = [f"| {v.gate} | {v.state} | {v.reason} | {v.would_pass} |" for v in report.verdicts]
    head = ["| gate | state | reason | what would pass |", "| --- | --- | --- | --- |"]
    return "\n".join([f"> {report.goal}", "", *head, *lines])


@stage("gate", settings=["goal", "gates", "name"], artifact=_artifact)
def gate(workload: Workload, evaluated: Evaluated) -> GateReport:
    """Judge the evidence; a refusal is a result, not an error: the build is kept to be looked at."""
    return judge(read_evidence(evaluated.evidence), workload)
