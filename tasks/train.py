"""Train: the baseline and the Lightning model on the same split; the better one is chosen."""

from pathlib import Path

from components import progress
from components.artefacts.storage import digest_json
from components.catalog import find_kind, kind_module
from components.data.results import Prepared
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.settings import Home, Settings
from components.stage_keys import code_part
from components.store.reference import Reference, made_in
from components.training.costs.accounting import accounted
from components.training.costs.estimate import FILE as ESTIMATE
from components.training.costs.estimate import Estimate, check_estimate
from components.training.results import Trained
from tasks.pages import table
from tasks.stage import stage


def _artifact(trained: Trained) -> str:
    scores = {f"{candidate.name} on validation": f"{candidate.score:.4f}" for candidate in trained.candidates}
    return table(
        {
            "chosen": trained.chosen,
            **scores,
            "hardware": trained.hardware.reason,
            "stopped": trained.stopped,
            "took": trained.account,
        }
    )


def _note(trained: Trained) -> str:
    return trained.account


def training_of(workload: Workload, prepared: Prepared, home: Home) -> Reference:
    """Return where a training lies, named after what goes in: a killed one finds its own checkpoints again."""
    document = workload.model_dump(mode="json", include={"kind", "model", "goal", "seed"})
    key = digest_json([prepared.digest, document, code_part((kind_module(workload.kind),))])
    return home.reference("training", f"{workload.name}-{key[:12]}")


@stage("train", settings=["kind", "model", "goal", "seed", "features", "contract"], artifact=_artifact, note=_note)
def train(workload: Workload, prepared: Prepared, home: Home, settings: Settings) -> Trained:
    """Train every candidate of the workload's kind."""
    kind, contract = find_kind(workload.kind), contract_of(workload)

    def made(folder: Path) -> Trained:
        estimate = folder / ESTIMATE
        trained = accounted(
            lambda: kind.train(prepared, workload, contract, folder, settings, progress.report),
            settings.watts,
            begins_here=not any(path != estimate for path in folder.glob("*")),
        )
        if estimate.is_file():
            check = check_estimate(Estimate.model_validate_json(estimate.read_bytes()), trained)
            trained = trained.model_copy(update={"estimate": check})
        return trained

    return made_in(training_of(workload, prepared, home), made)
