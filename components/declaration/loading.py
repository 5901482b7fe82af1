"""Workload files found by name or path, read, and held against the contract that they name."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.artefacts.errors import WorkloadError
from components.declaration.checks import check_against_contract
from components.declaration.defaults import filled, is_complete
from components.declaration.validation_errors import describe_validation_error
from components.declaration.workload import Workload
from components.declaration.yaml_document import Written, YamlFault, read_yaml
from components.user_code import told
from components.user_modules import find_modules_beside
from data_contracts.contract import Contract
from data_contracts.description.spec import ContractSpec

# What pydantic says of a field that is called like its type, as `date: date`, and what to do.
_CLASH = "clashing with a type annotation"
_ADVICE = '; give the attribute another name and the column its own: day: date = column("...", source_name="date")'


def known_workloads() -> dict[str, Path]:
    """Return the workload files by name: those beside the working directory win over the installed ones."""
    spec = importlib.util.find_spec("deployments")
    installed = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    found: dict[str, Path] = {}
    for folder in [*installed, Path("deployments")]:
        found.update({path.stem: path.resolve() for path in sorted(folder.glob("*.yaml"))})
    return found


def find_workload(name_or_path: str) -> Path:
    """Return the file of a workload given by name or path; WorkloadError says what is known."""
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            raise WorkloadError(f"workload file {path} does not exist{where}")
        return path.resolve()
    known = known_workloads()
    if name_or_path not in known:
        raise WorkloadError(
            f"unknown workload '{name_or_path[:80]}'; known: {', '.join(known) or 'none'}. {_instead(name_or_path)}"
        )
    return known[name_or_path]


def _instead(name: str) -> str:
    """Say what to give instead of a name that is unknown: the file of that name, if it lies in the current folder."""
    for file in (Path(f"{name}{ending}") for ending in (".yaml", ".yml")):
        if file.is_file():
            return f"A workload file is given by its path: there is a {file} here"
    return "Give one of these, or the path of a workload file ending in .yaml"


def read_workload(name_or_path: str) -> Workload:
    """Read and check a workload file; WorkloadError names the file, the key and what is allowed."""
    path = find_workload(name_or_path)
    try:
        document = read_yaml(path.read_bytes())
    except YamlFault as error:
        raise WorkloadError(f"{path.name}: {error}") from error
    if not isinstance(document.values, dict):
        raise WorkloadError(f"{path.name} holds no mapping of keys; see deployments/flights.yaml for a whole one")
    find_modules_beside(name_or_path, path)
    values = document.values
    if "contract" in values and not is_complete(values):
        try:
            values = filled(values, compiled_contract(str(values["contract"]), name_or_path), path.stem)
        except WorkloadError as error:
            raise WorkloadError(f"{path.name}: {error}") from error
    workload = parse_workload(values, where=path.name, written=document.written)
    workload._given = name_or_path
    return workload


def parse_workload(
    document: dict[str, Any], where: str, written: Mapping[tuple[str | int, ...], Written] | None = None
) -> Workload:
    """Check a workload given as plain data; ``where`` names it in messages, ``written`` says how it stands there."""
    try:
        workload = Workload.model_validate(document)
    except ValidationError as error:
        told = describe_validation_error(error, Workload, written)
        raise WorkloadError(f"{where}: {told}") from error
    workload._written.update(written or {})
    return workload


def contract_of(workload: Workload) -> ContractSpec:
    """Return the compiled contract of a workload; WorkloadError if its class cannot be found or compiled."""
    contract = compiled_contract(workload.contract, workload._given)
    check_against_contract(workload, contract)
    return contract


def compiled_contract(reference: str, given: str = "") -> ContractSpec:
    """Return a contract given as module:class, compiled; WorkloadError if it cannot be found or compiled.

    ``given`` is how the workload was named that names it.
    """
    module, _, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        # The module is the user's own and may raise anything.
        absent = isinstance(error, ModuleNotFoundError) and _is_or_holds(error.name, module)
        hint = _looked_for(given) if absent else _ADVICE if _CLASH in str(error) else ""
        raise WorkloadError(f"'contract': {reference} cannot be imported: {told(error)}{hint}") from error
    if not (isinstance(found, type) and issubclass(found, Contract)):
        raise WorkloadError(f"'contract': {reference} is not a subclass of data_contracts.contract.Contract")
    try:
        return found.spec()
    except TypeError as error:
        raise WorkloadError(f"'contract': {reference}: {error}") from error


def _looked_for(given: str) -> str:
    by_path = given.endswith((".yaml", ".yml"))
    beside = f", beside the workload file ({Path(given).resolve().parent})" if by_path else ""
    return f"; looked for in {Path.cwd()}{beside}"


def _is_or_holds(name: str | None, module: str) -> bool:
    return f"{module}.".startswith(f"{name}.")
