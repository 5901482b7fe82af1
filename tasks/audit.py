"""Audit: ways in which the answer could reach the model that will not be there in serving."""

from components.data.audit.findings import Audited
from components.data.audit.leakage import audit_prepared
from components.data.results import Prepared
from components.declaration import Workload, contract_of
from tasks.stage import stage, table


def _artifact(audited: Audited) -> str:
    found: dict[str, object] = {
        f"{finding.kind} {number}": finding.text for number, finding in enumerate(audited.findings, start=1)
    }
    declared = {"limits": "; ".join(audited.declared)} if audited.declared else {}
    return table((found or {"leaks": "none found"}) | declared)


@stage("audit", settings=["contract", "audit"], artifact=_artifact)
def audit(workload: Workload, prepared: Prepared) -> Audited:
    """Look for leaks between the splits; a finding fails the gate 'leakage'."""
    return audit_prepared(prepared, contract_of(workload), workload.audit)
