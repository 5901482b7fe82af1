"""The image kind: a linear probe and a convolutional network side by side, pictures in, probabilities out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.artefacts.errors import WorkloadError
from components.artefacts.inference import Parts
from components.catalog import Kind, Progress
from components.data.audit.findings import Finding
from components.data.preparation import Preparation
from components.data.results import Prepared
from components.declaration.audit import AuditLimits
from components.declaration.features import FeatureStep
from components.declaration.section import Section
from components.imports import without_garbage
from components.kinds.image.options import ImageOptions
from components.settings import Settings
from components.training.part import TrainingPart
from components.training.processor_threads import let_waiting_threads_sleep
from components.training.results import Trained
from data_contracts.description.media import images
from data_contracts.description.spec import ContractSpec

if TYPE_CHECKING:
    from components.evaluation.further import Further
    from components.evaluation.hold_out import HoldOut


def train(
    prepared: Prepared,
    workload: TrainingPart,
    contract: ContractSpec,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train every candidate, and choose by the goal's metric on the validation split."""
    let_waiting_threads_sleep()
    # Reading a workload file must not cost the seconds that importing torch and lightning takes.
    with without_garbage():
        from components.kinds.image.candidates import train_all

    return train_all(prepared, workload, contract, folder, settings, progress)


def check(options: Section, features: Sequence[FeatureStep], contract: ContractSpec) -> None:
    """Raise WorkloadError unless a request holds one picture and nothing else."""
    taken = contract.inputs
    if len(taken) != 1 or not str(taken[0].media_type).startswith("image/") or taken[0].nullable:
        named = ", ".join(f"{field.name} ({field.dtype})" for field in taken) or "none"
        raise WorkloadError(
            "'kind': image takes one field, bytes with media_type='image/...' that may not be missing; "
            f'{contract.name} has {named}: for what is only known of the training data write available="after"'
        )
    if str(taken[0].media_type) not in ("image/*", *images.FORMATS):
        raise WorkloadError(
            f"'kind': image reads {', '.join(images.FORMATS)}; '{taken[0].name}' of {contract.name} is "
            f"{taken[0].media_type}: name one of them, or image/* for any"
        )
    if "pii" in taken[0].roles:
        raise WorkloadError(
            f"'kind': image learns from pictures as they are, and '{taken[0].name}' of {contract.name} is pii: of that "
            "only hashes are kept. Take the role away, and keep who may read the store and the builds in bounds"
        )
    if isinstance(options, ImageOptions) and options.search is not None:
        raise WorkloadError("'model.search': image trains with the options that are declared: leave the section out")


def leaks(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterable[Finding]:
    """Return pictures of a later split that an earlier one has nearly the same."""
    from components.kinds.image.near_duplicates import repeated_pictures

    return repeated_pictures(prepared, contract, limits)


def further(hold_out: "HoldOut", parts: Parts, contract: ContractSpec) -> "Further":
    """Return the worst mistakes, as pictures for the dossier."""
    from components.kinds.image.mistakes import shown_mistakes

    return shown_mistakes(parts, contract)


KIND = Kind(
    name="image",
    options=ImageOptions,
    takes=("bytes",),
    targets=("binary", "multiclass"),
    train=train,
    check=check,
    preparation=Preparation(leaks=leaks, modules=("components.kinds.image.near_duplicates",)),
    further=further,
    improve=("make the network wider or deeper (model.width, model.stages) or the pictures larger (model.size)",),
    training_modules=("torch", "torch._dynamo", "components.kinds.image.candidates"),
)
