"""Monitor: drift of inputs and scores, and quality where labels have come in."""

from components.artefacts.build import Build
from components.data.results import Prepared
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.monitoring.live import monitor_log
from components.monitoring.monitor import Monitored, monitor_build
from components.settings import Home
from tasks.pages import table, text
from tasks.stage import stage


def _artifact(monitored: Monitored) -> str:
    quality = {f"{q.metric} in {q.window}": f"{q.value:.4f} [{q.low:.4f}, {q.high:.4f}]" for q in monitored.quality}
    pages = {f"report of {one.window}": one.stored_report for one in monitored.drift.windows}
    return f"## {text(monitored.drift.verdict)}\n\n" + table({**quality, "rule": monitored.drift.rule, **pages})


@stage("monitor", cached=False, artifact=_artifact, lines=lambda monitored: [monitored.drift.verdict])
def monitor(workload: Workload, build: Build, prepared: Prepared, home: Home) -> Monitored:
    """Compare what came after the hold-out with the build's reference."""
    return monitor_build(workload, contract_of(workload), build, prepared, home)


@stage("monitor", cached=False, artifact=_artifact, lines=lambda monitored: [monitored.drift.verdict])
def monitor_answered(workload: Workload, build: Build, home: Home) -> Monitored:
    """Compare what the build was asked, by its prediction log, with its reference."""
    return monitor_log(workload, contract_of(workload), build, home)
