"""Prepare: split, fit the recipe on the training split, write the features."""

from components.catalog import find_kind
from components.data.preparation import prepare as prepare_rows
from components.data.results import Prepared, Validated
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.settings import Home
from tasks.pages import table
from tasks.stage import stage


def _artifact(prepared: Prepared) -> str:
    rows = {f"{split.name} rows": split.rows for split in prepared.splits.values()}
    moved = {f"{shift.field} in {shift.split}, distance from training": shift.distance for shift in prepared.shifts[:8]}
    return table({**rows, "kept rows in no split": prepared.left_out, **moved, **prepared.assets})


@stage("prepare", settings=["split", "features", "contract", "seed"], artifact=_artifact)
def prepare(workload: Workload, validated: Validated, home: Home) -> Prepared:
    """Make the splits and their features."""
    return prepare_rows(validated, workload, contract_of(workload), home, find_kind(workload.kind).preparation)
