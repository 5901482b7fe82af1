"""Leaks that only a recipe can have."""

from collections.abc import Iterator

from components.data.audit.findings import Finding
from components.data.results import Prepared
from components.declaration.audit import AuditLimits
from components.features.recipe import read_recipe
from components.kinds.tabular.preparation import RECIPE
from data_contracts.description.spec import ContractSpec


def known_only_afterwards(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    """Yield the fields that the recipe uses and that no request can have."""
    allowed = {field.name for field in contract.inputs}
    recipe = read_recipe(prepared.assets[RECIPE].read_bytes())
    used = [name for step in recipe.steps for name in getattr(step, "fields", (step.field,))]
    for name in dict.fromkeys(used):
        if name not in allowed:
            yield Finding(
                kind="known_only_afterwards",
                field=name,
                score=1.0,
                limit=0.0,
                text=f"the recipe uses '{name}', which is not known when a prediction is asked for",
            )
