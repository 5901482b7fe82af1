"""Rehearse: what will ship is opened in a clean process, served and asked, and how that went is evidence."""

from components.artefacts.storage import digest_json
from components.builds.results import Rehearsed
from components.compression.results import Compressed
from components.data.results import Prepared
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.evaluation.evidence import Evaluated, read_evidence
from components.settings import Home, Settings
from tasks.pages import table
from tasks.stage import stage


def _artifact(rehearsed: Rehearsed) -> str:
    tables = read_evidence(rehearsed.evidence).tables
    rungs: dict[str, object] = {
        rung["name"]: f"largest difference {rung['largest_difference']:.1e}" for rung in tables["ladder"]
    }
    stages = tables.get("stages", {"stages": []})["stages"]
    return table(rungs | {f"stage {one['name']}": f"{one['p50_us']:.0f} us" for one in stages})


@stage(
    "rehearse",
    settings=["kind", "serving", "gates.parity", "gates.costs", "seed", "contract", "name"],
    programs=("deployments.data_plane.__main__", "deployments.data_plane.stage_budget"),
    artifact=_artifact,
)
def rehearse(
    workload: Workload,
    compressed: Compressed,
    prepared: Prepared,
    evaluated: Evaluated,
    home: Home,
    settings: Settings,
) -> Rehearsed:
    """Put together what will ship, climb the parity ladder with it and measure the stages of a request."""
    from components.builds.rehearsal import rehearse as rehearse_build

    folder = home.room("evaluations", f"{workload.name}-{digest_json([compressed.digest, evaluated.digest])[:12]}")
    shipped, contract = compressed.shipped, contract_of(workload)
    return rehearse_build(workload, contract, shipped, prepared, evaluated, folder, home, settings)
