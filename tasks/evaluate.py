"""Evaluate: the packaged graph on the hold-out, with intervals, against the other candidate."""

from components.catalog import Kind
from components.data.results import Prepared
from components.evaluation.evidence import Evaluated
from components.evaluation.part import EvaluationPart
from components.settings import Home
from components.store.reference import published
from components.training.results import Shipped, Trained
from data_contracts.description.spec import ContractSpec
from tasks.pages import table
from tasks.stage import stage


def _artifact(evaluated: Evaluated) -> str:
    interval = f"{evaluated.value:.4f} [{evaluated.low:.4f}, {evaluated.high:.4f}]"
    return table({f"{evaluated.metric} on the hold-out": interval, "evidence": evaluated.stored_evidence})


@stage("evaluate", artifact=_artifact)
def evaluate(
    workload: EvaluationPart,
    trained: Trained,
    shipped: Shipped,
    prepared: Prepared,
    kind: Kind,
    contract: ContractSpec,
    home: Home,
) -> Evaluated:
    """Measure what ships on rows that no fitting has seen."""
    from components.evaluation.evaluate import evaluate as evaluate_model

    evaluated = evaluate_model(
        trained,
        shipped,
        prepared,
        workload,
        contract,
        kind.predict_file,
        home.room("evaluations"),
        ledger=home.store,
        further=kind.further,
    )
    return published(evaluated, home.reference("evaluations", evaluated.digest))
