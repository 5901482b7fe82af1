"""The ``features`` section of a workload file: which transform is applied to which fields."""

from typing import Any

from pydantic import ConfigDict, Field

from components.declaration.section import Section
from data_contracts.description.spec import ContractSpec, DType


class FeatureStep(Section):
    """One transform over some fields, with the transform's own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    transform: str
    fields: tuple[str, ...] = Field(min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def automatic_features(contract: ContractSpec) -> tuple[FeatureStep, ...]:
    """Return steps that suit the type of each input, alike ones together; none for a field that may not be a feature.

    The contract alone decides, so that the same file gives the same features.
    """
    fields = [field for field in contract.inputs if not {"pii", "identifier", "group"} & set(field.roles)]
    steps = []
    for transform, dtypes, options in _BY_TYPE:
        names = tuple(field.name for field in fields if field.dtype in dtypes)
        if names:
            steps.append(FeatureStep.model_validate({"transform": transform, "fields": names, **options}))
    return tuple(steps)


_BY_TYPE: tuple[tuple[str, tuple[DType, ...], dict[str, Any]], ...] = (
    # Rare values and those that were never seen are one bucket.
    ("category", ("string",), {"min_count": 5}),
    ("frequency", ("string",), {}),
    ("standardise", ("number", "integer", "boolean"), {}),
    ("season", ("datetime", "date"), {}),
    ("weekday", ("datetime", "date"), {}),
    ("time_of_day", ("datetime",), {}),
)
