"""summary.json: what a whole run did, for machines and for the next person who asks."""

from pathlib import Path
from typing import Any

import msgspec

from components.artefacts.build import open_build
from components.artefacts.storage import write_json
from components.builds.signing import public_key_path
from components.evaluation.evidence import parse_evidence
from components.monitoring.monitor import Monitored
from components.promotion.promote import Promotion
from components.run_ledger import Ledger
from components.settings import Home, Settings
from flows.build_model import BuildOutcome


def write_summary(
    home: Home,
    ledger: Ledger,
    built: BuildOutcome,
    promoted: Promotion | None = None,
    monitored: Monitored | None = None,
) -> Path:
    """Write the summary of a run and return its path; parts that were not reached are null.

    ``summary.json`` in the home is that of the latest run, whatever its workload; each has one of its own as well.
    """
    build = open_build(built.registered.build, public_key_path(Settings().key()))
    evidence = parse_evidence(build.read("evidence.json"), where=str(build.path))
    summary: dict[str, Any] = {
        "run_id": ledger.record.run_id,
        "workload": ledger.record.workload,
        "goal": built.gates.goal,
        "build_id": built.registered.build_id,
        "build": str(built.registered.build),
        "stages": [
            {"stage": stage.stage, "state": stage.state, "seconds": round(stage.seconds, 3)}
            for stage in ledger.record.stages
        ],
        "metrics": [measure.model_dump(mode="json") for measure in evidence.measures],
        "chosen": built.trained.chosen,
        "candidates": [
            candidate.model_dump(mode="json", include={"name", "score", "seconds", "digest"})
            for candidate in built.trained.candidates
        ],
        "training": built.trained.model_dump(mode="json", include={"estimate", "stopped", "epochs"})
        | built.spent.model_dump(mode="json"),
        "comparison": built.trained.comparison.model_dump(mode="json") if built.trained.comparison else None,
        "gates": built.gates.model_dump(mode="json"),
        "digests": {
            "validated": built.validated.digest,
            "prepared": built.prepared.digest,
            "trained": built.trained.digest,
            "compressed": built.compressed.digest,
            "evaluated": built.evaluated.digest,
            "rehearsed": built.rehearsed.digest,
        },
        "data": {
            "rows": built.validated.rows,
            "quarantined": built.validated.quarantined,
            "reasons": built.validated.reasons,
            "left_out": built.prepared.left_out,
        },
        "environment_differences": build.environment_differences(),
        "registry": built.registered.model_dump(mode="json", include={"version", "run_id", "tracking_uri"}),
        "promotion": promoted.model_dump(mode="json") if promoted else None,
        "monitoring": monitored.model_dump(mode="json") if monitored else None,
    }
    document = msgspec.to_builtins(summary)
    write_json(home.root / "summary.json", document)
    return write_json(home.room("reports", ledger.record.workload, f"{ledger.record.run_id}.json"), document)
