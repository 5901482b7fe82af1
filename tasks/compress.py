"""Compress: smaller graphs of the chosen model, measured; the fastest within the declared loss ships."""

from components import progress
from components.artefacts.storage import digest_json
from components.catalog import Kind, kind_modules
from components.compression.part import CompressionPart
from components.compression.results import Compressed
from components.data.results import Prepared
from components.settings import Home, Settings
from components.stage_keys import code_part
from components.store.reference import Reference, made_in
from components.training.part import TrainingPart
from components.training.results import Trained
from data_contracts.description.spec import ContractSpec
from tasks.pages import table
from tasks.stage import stage


def _artifact(compressed: Compressed) -> str:
    compression = compressed.compression
    speeds = {one.name: f"{one.speed.row_us:.0f} us a row" for one in compression.variants if one.speed}
    verdicts = {one.name: f"{speeds.get(one.name, one.note)}: {one.verdict}" for one in compression.variants}
    return table({"ships": compression.chosen, "why": compression.reason, **verdicts})


def variants_of(workload: CompressionPart, trained: Trained, home: Home) -> Reference:
    """Return where a training's variants lie: a killed one finds its own student's checkpoint, and no other's."""
    document = TrainingPart.of(workload).model_dump(mode="json")
    code = code_part((*kind_modules(workload.kind), "components.compression.choice"))
    return home.reference("training", f"variants-{digest_json([trained.digest, document, code])[:24]}")


@stage("compress", artifact=_artifact)
def compress(
    workload: CompressionPart,
    trained: Trained,
    prepared: Prepared,
    kind: Kind,
    contract: ContractSpec,
    home: Home,
    settings: Settings,
) -> Compressed:
    """Make and measure the variants, and say which graph ships."""
    from components.compression.choice import compress as compress_model

    return made_in(
        variants_of(workload, trained, home),
        lambda folder: compress_model(trained, prepared, workload, contract, kind, folder, settings, progress.report),
    )
