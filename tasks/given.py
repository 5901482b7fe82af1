"""What a stage is given, as parts of its key: results are data; sections, the contract and the kind are settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import BaseModel

from components.artefacts.storage import digest_json
from components.catalog import Kind, kind_modules
from components.data.preparation import Preparation
from components.declaration.section import Part, Section
from components.declaration.workload import Workload
from components.result import Result
from components.settings import Home, Settings
from data_contracts.description.spec import ContractSpec

# Where a stage runs and what that costs: nothing that comes out may depend on it.
NOT_IN_A_KEY = (Home, Settings)


@dataclass
class Given:
    """The parts of a key that a stage's arguments make; ``modules`` are found by name, not by import."""

    data: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)


def given(inputs: Mapping[str, Any]) -> Given:
    """Return what a stage is given; TypeError for an argument of a type that no key can tell."""
    found = Given()
    for name, value in inputs.items():
        if isinstance(value, NOT_IN_A_KEY):
            continue
        if isinstance(value, Result):
            _add_result(found, name, value)
        elif isinstance(value, Kind):
            found.settings["kind"] = value.name
            found.modules.update(kind_modules(value.name))
        elif isinstance(value, Preparation):
            found.modules.update(value.modules)
        elif isinstance(value, ContractSpec):
            found.settings["contract"] = contract_facts(value)
        elif isinstance(value, (Workload, Part)):
            # Its keys stand where they stand in the workload file.
            found.settings |= value.model_dump(mode="json")
        else:
            found.settings[name] = _plain(name, value)
    return found


def _add_result(found: Given, name: str, result: BaseModel) -> None:
    """Note a result by its digest; one that only holds other results together by each of these."""
    if (digest := getattr(result, "digest", None)) is not None:
        found.data[name] = digest
        return
    inner = {name: getattr(result, name) for name in type(result).model_fields}
    if not any(isinstance(value, Result) for value in inner.values()):
        found.data[name] = digest_json(result.model_dump(mode="json"))
        return
    for name, value in inner.items():
        if isinstance(value, Result):
            _add_result(found, name, value)
        else:
            found.settings[name] = _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(mode="json")
    if isinstance(value, (tuple, list)):
        return [_plain(name, one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(name, one) for key, one in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"argument '{name}' is a {type(value).__name__}: a stage's key cannot say what that is")


def contract_facts(contract: ContractSpec) -> dict[str, Any]:
    """Return a contract as plain values, its fields by name, so that a difference says which field it is in."""
    facts: dict[str, Any] = msgspec.to_builtins(contract)
    return facts | {
        "fields": {field.pop("name"): field for field in facts["fields"]},
        "order": [field.name for field in contract.fields],
    }
