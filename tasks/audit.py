"""Audit: ways in which the answer could reach the model that will not be there in serving."""

from components.data.audit.findings import Audited
from components.data.audit.leakage import audit_prepared
from components.data.preparation import Preparation
from components.data.results import Prepared
from components.declaration.audit import AuditLimits
from data_contracts.description.spec import ContractSpec
from tasks.pages import text
from tasks.stage import stage


def _artifact(audited: Audited) -> str:
    count = len(audited.findings)
    state = f"✗ {count} {'leak' if count == 1 else 'leaks'} found" if count else "✓ No leak found"
    found = [f"- **{text(finding.kind)}**: {text(finding.text)}" for finding in audited.findings]
    limits = [f"- declared: {text(limit)}" for limit in audited.declared]
    return "\n".join([f"## {state}", "", *found, *limits])


@stage("audit", artifact=_artifact)
def audit(prepared: Prepared, audit: AuditLimits, contract: ContractSpec, preparation: Preparation) -> Audited:
    """Look for leaks between the splits; a finding fails the gate 'leakage'."""
    return audit_prepared(prepared, contract, audit, preparation)
