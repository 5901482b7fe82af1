"""Rehearse: what will ship is opened in a clean process, served and asked, and how that went is evidence."""

from components.builds.part import ServedPart
from components.builds.results import Rehearsed
from components.catalog import Kind
from components.data.results import Prepared
from components.evaluation.evidence import Answers, read_evidence
from components.settings import Home, Settings
from components.store.reference import published
from components.training.results import Shipped
from data_contracts.description.spec import ContractSpec
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
    programs=("deployments.data_plane.__main__", "deployments.data_plane.stage_budget"),
    artifact=_artifact,
)
def rehearse(
    workload: ServedPart,
    shipped: Shipped,
    prepared: Prepared,
    answers: Answers,
    kind: Kind,
    contract: ContractSpec,
    home: Home,
    settings: Settings,
) -> Rehearsed:
    """Put together what will ship, climb the parity ladder with it and measure the stages of a request."""
    from components.builds.rehearsal import rehearse as rehearse_build

    rehearsed = rehearse_build(workload, contract, kind, shipped, prepared, answers, home, settings)
    return published(rehearsed, home.reference("evaluations", rehearsed.digest))
