"""Train: the baseline and the Lightning model on the same split; the better one is chosen."""

from components import progress
from components.catalog import find_kind, kind_module
from components.data.results import Prepared
from components.declaration import Workload, contract_of
from components.settings import Home, Settings
from components.stage_keys import code_part
from components.storage import digest_json
from components.training.results import Trained
from tasks.stage import stage, table


def _artifact(trained: Trained) -> str:
    scores = {f"{candidate.name} on validation": f"{candidate.score:.4f}" for candidate in trained.candidates}
    return table({"chosen": trained.chosen, **scores, "hardware": trained.hardware.reason, "stopped": trained.stopped})


@stage("train", settings=["kind", "model", "goal", "seed", "features", "contract"], artifact=_artifact)
def train(workload: Workload, prepared: Prepared, home: Home, settings: Settings) -> Trained:
    """Train every candidate of the workload's kind."""
    # Named after what goes in, so that a killed training finds its checkpoints again, and only its own.
    document = workload.model_dump(mode="json", include={"kind", "model", "goal", "seed"})
    key = digest_json([prepared.digest, document, code_part((kind_module(workload.kind),))])
    folder = home.room("training", f"{workload.name}-{key[:12]}")
    contract = contract_of(workload)
    return find_kind(workload.kind).train(prepared, workload, contract, folder, settings, progress.report)
