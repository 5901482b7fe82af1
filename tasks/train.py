"""Train: every candidate of the kind on the same split; the first stays unless a later one is better."""

from pathlib import Path

from components import progress
from components.artefacts.storage import digest_json
from components.catalog import Kind, kind_modules, kind_options
from components.data.results import Prepared
from components.settings import Home, Settings
from components.stage_keys import code_part
from components.store.reference import Reference, handed_on, made_in
from components.training.costs.accounting import accounted
from components.training.part import TrainingPart
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec
from tasks.pages import table
from tasks.stage import stage

# Of a kind whose options do not say it.
MINUTES = 5.0


def _artifact(trained: Trained) -> str:
    scores = {f"{candidate.name} on validation": f"{candidate.score:.4f}" for candidate in trained.candidates}
    return table(
        {
            "chosen": trained.chosen,
            **scores,
            "hardware": trained.hardware.reason,
            "ended": trained.ended,
            "took": trained.account,
        }
    )


def _note(trained: Trained) -> str:
    return trained.account


def training_of(workload: TrainingPart, prepared: Prepared, home: Home) -> Reference:
    """Return where a training lies, named after what goes in: a killed one finds its own checkpoints again."""
    code = code_part(kind_modules(workload.kind))
    key = digest_json([prepared.digest, workload.model_dump(mode="json"), code])
    return home.reference("training", key[:24])


@stage("train", artifact=_artifact, note=_note)
def train(
    workload: TrainingPart, prepared: Prepared, kind: Kind, contract: ContractSpec, home: Home, settings: Settings
) -> Trained:
    """Train every candidate of the workload's kind."""
    entry = training_of(workload, prepared, home)
    report = handed_on(entry, progress.report, interval(workload))

    def make(folder: Path) -> Trained:
        if any(folder.rglob("hardware*.json")):
            from components.training.hardware import forget_other_hardware

            forget_other_hardware(folder)
        return accounted(
            lambda: kind.train(prepared, workload, contract, folder, settings, report), folder, settings.watts
        )

    return made_in(entry, make)


def interval(workload: TrainingPart) -> float:
    """Return after how many seconds of training, at the end of an epoch, other machines are given its checkpoints."""
    return 60 * float(getattr(kind_options(workload), "checkpoint_minutes", MINUTES))
