"""The ``features`` section of a workload file: which transform is applied to which fields."""

from typing import Any

from pydantic import ConfigDict, Field

from components.declaration.section import Section


class FeatureStep(Section):
    """One transform over some fields, with the transform's own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    transform: str
    fields: tuple[str, ...] = Field(min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
