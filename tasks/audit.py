"""Audit: ways in which the answer could reach the model that will not be there in serving."""

from components.data.leakage import Audited, audit_prepared
from components.data.results import Prepared
from components.declaration import Workload, contract_of
from tasks.stage import stage, table


def _artifact(audited: Audited) -> str:
    return table({finding.kind: finding.text for finding in audited.findings} or {"leaks": "none found"})


@stage("audit", settings=["contract"], artifact=_artifact)
def audit(workload: Workload, prepared: Prepared) -> Audited:
    """Look for leaks between the splits; a finding fails the gate 'leakage'."""
    return audit_prepared(prepared, contract_of(workload))
