"""The workload file: one YAML that says what a model is for, typed down to the last key.

Gates read the goal exactly as it stands here and quote it; an unknown key or a bad value is refused with its place.
Each section has a module of its own in this room, named as its key: the rooms that read a section import that module.
"""

import shlex
from typing import Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from components.declaration.audit import AuditLimits
from components.declaration.features import FeatureStep
from components.declaration.gates import Gates
from components.declaration.goal import Goal
from components.declaration.monitoring import Monitoring
from components.declaration.section import Name, Reference, Section
from components.declaration.serving import Serving
from components.declaration.source import Source
from components.declaration.split import SplitRule
from components.declaration.yaml_document import Written


class Workload(Section):
    """A whole workload file."""

    goal: Goal
    name: Name = Field(description="What its builds, its service and its registered model are called.")
    kind: Name = Field(
        "tabular", description="What family of models learns it: the name of a folder under components/kinds."
    )
    contract: Reference = Field(description="What a row must be: module:class of a contract.")
    source: Source
    split: SplitRule
    audit: AuditLimits = AuditLimits()
    features: tuple[FeatureStep, ...] = Field(
        (), description="Of kinds that learn from fields one by one; by the type of each field if not said, or auto."
    )
    model: dict[str, Any] = Field(default_factory=dict, description="Options of the kind.")
    gates: Gates = Gates()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    seed: int = Field(2013, ge=0, lt=2**32, description="Of everything that is drawn at random.")
    _written: dict[tuple[str | int, ...], Written] = PrivateAttr(default_factory=dict)
    _given: str = PrivateAttr("")

    @field_validator("features", mode="before")
    @classmethod
    def _by_type(cls, features: object) -> object:
        return () if features == "auto" else features

    @model_validator(mode="before")
    @classmethod
    def _has_no_schedule(cls, document: Any) -> Any:
        # There was such a section, and nothing read it.
        if isinstance(document, dict) and "schedule" in document:
            raise ValueError(
                "there is no section 'schedule' any more: schedules are those of Prefect's deployments (prefect.yaml, "
                "or `prefect deployment schedule create`); take the section out"
            )
        return document

    @property
    def given(self) -> str:
        """How a command that is suggested names it: as it was given, for a file elsewhere is unknown by its name."""
        return shlex.quote(self._given or self.name)

    def told_place(self, *place: str | int) -> str:
        """Return a place of the file for a message, with its line if the workload was read from a file."""
        found = self._written.get(place)
        return f"'{'.'.join(map(str, place))}'" + (f" (line {found.line})" if found else "")

    def told_words(self, *place: str | int) -> str | None:
        """Return the words that stand at a place of the file, None in quotes or if it was not read from a file."""
        found = self._written.get(place)
        return found.text if found and found.text and not found.quoted else None
