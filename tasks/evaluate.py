"""Evaluate: the packaged graph on the hold-out, with intervals, against the other candidate."""

from components.artefacts.storage import digest_json
from components.catalog import find_kind
from components.compression.results import Compressed
from components.data.results import Prepared
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated
from components.settings import Home
from components.training.results import Trained
from tasks.pages import table
from tasks.stage import stage


def _artifact(evaluated: Evaluated) -> str:
    interval = f"{evaluated.value:.4f} [{evaluated.low:.4f}, {evaluated.high:.4f}]"
    return table({f"{evaluated.metric} on the hold-out": interval, "evidence": evaluated.evidence})


@stage(
    "evaluate",
    # Behavioural tests, costs and sensitive fields stand in the gates, the decision threshold in serving.
    settings=[
        "goal",
        "seed",
        "contract",
        "kind",
        "features",
        "gates.behaviour",
        "gates.costs",
        "gates.sensitive",
        "serving.decision_threshold",
    ],
    artifact=_artifact,
)
def evaluate(workload: Workload, trained: Trained, compressed: Compressed, prepared: Prepared, home: Home) -> Evaluated:
    """Measure what ships on rows that no fitting has seen."""
    from components.evaluation.evaluate import evaluate as evaluate_model

    folder = home.room("evaluations", f"{workload.name}-{digest_json([compressed.digest, prepared.digest])[:12]}")
    kind = find_kind(workload.kind)
    ledger = home.room("evaluations", "hold_outs")
    return evaluate_model(
        trained, compressed.shipped, prepared, workload, contract_of(workload), kind.predict_file, folder, ledger=ledger
    )
