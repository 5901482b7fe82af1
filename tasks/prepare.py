"""Prepare: split, fit the recipe on the training split, write the features."""

from components.data.preparation import Preparation
from components.data.preparation import prepare as prepare_rows
from components.data.results import Prepared, Validated
from components.declaration.features import FeatureStep
from components.declaration.split import SplitRule
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from tasks.pages import table
from tasks.stage import stage


def _artifact(prepared: Prepared) -> str:
    rows = {f"{split.name} rows": split.rows for split in prepared.splits.values()}
    moved = {f"{shift.field} in {shift.split}, distance from training": shift.distance for shift in prepared.shifts[:8]}
    return table({**rows, "kept rows in no split": prepared.left_out, **moved, **prepared.stored_assets})


@stage("prepare", artifact=_artifact)
def prepare(
    validated: Validated,
    split: SplitRule,
    features: tuple[FeatureStep, ...],
    contract: ContractSpec,
    preparation: Preparation,
    home: Home,
) -> Prepared:
    """Make the splits and their features."""
    return prepare_rows(validated, split, features, contract, home, preparation)
