"""One stage in a process of its own: ``python one_stage.py NAME < arguments.json > result.json``.

Results, sections, the contract and the kind come as JSON; where they are kept is said by the environment alone.
"""

import importlib
import inspect
import sys
from typing import Any, get_type_hints

import msgspec
from pydantic import TypeAdapter

from components.artefacts.build import Build, open_build
from components.builds.packaging import PackagedBuild
from components.builds.signing import public_key_path
from components.catalog import Kind, find_kind
from components.settings import Home, Settings
from data_contracts.description.spec import ContractSpec


def argument(wanted: Any, given: Any) -> Any:
    """Return an argument of a stage as what it is annotated as."""
    if wanted is Settings:
        return Settings()
    if wanted is Home:
        return Settings().folder()
    if wanted is Kind:
        return find_kind(given)
    if wanted is ContractSpec:
        return msgspec.convert(given, ContractSpec)
    if wanted is Build:
        packaged = PackagedBuild.model_validate_json(msgspec.json.encode(given))
        return open_build(packaged.path, public_key_path(Settings().key()), build_id=packaged.build_id)
    return TypeAdapter(wanted).validate_json(msgspec.json.encode(given))


def main() -> None:
    name = sys.argv[1]
    function = getattr(importlib.import_module(f"tasks.{name}"), name).fn
    hints, given = get_type_hints(function), msgspec.json.decode(sys.stdin.buffer.read())
    known = inspect.signature(function).parameters
    wanted = [key for key in known if key in given or hints[key] in (Home, Settings)]
    result = function(**{key: argument(hints[key], given.get(key)) for key in wanted})
    sys.stdout.buffer.write(TypeAdapter(hints["return"]).dump_json(result))


if __name__ == "__main__":
    main()
