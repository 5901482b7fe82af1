"""What a workload file says, held against the contract that it names: one key of one section at a time."""

from collections.abc import Callable
from typing import Any

from components.artefacts.errors import WorkloadError
from components.declaration.metrics import CLASS_METRICS, metrics_for
from components.declaration.split import GroupSplit, StratifiedSplit, TimeSplit
from components.declaration.targets import classes_of, target_of
from components.declaration.values import check_declared_values
from components.declaration.workload import Workload
from data_contracts.description.spec import ContractSpec, Role


def check_against_contract(workload: Workload, contract: ContractSpec) -> None:
    """Raise WorkloadError for a key of any section that does not fit the contract."""
    target, metric = target_of(contract), workload.goal.metric
    if metric not in (metrics := metrics_for(target, workload.kind)):
        raise WorkloadError(
            f"'goal.metric': {metric} cannot judge '{contract.label.name}', a {contract.label.dtype}; "
            f"for {target} answers: {', '.join(metrics)}"
        )
    _check_unit(workload, contract)
    _check_costs(workload, contract)
    _check_floors(workload, contract)
    known = {field.name for field in contract.inputs}
    for key, fields in workload.gates.fields().items():
        for field in fields:
            if field not in known:
                raise WorkloadError(
                    f"'gates.{key}': '{field}' is not an input of {contract.name}; inputs: {sorted(known)}"
                )
    check_declared_values(workload, contract)
    _check_body(workload, contract)
    _check_split(workload, contract)


def _check_unit(workload: Workload, contract: ContractSpec) -> None:
    role: Role | None = {"day": "time", "group": "group"}.get(workload.goal.unit or "")  # type: ignore[assignment]
    if role and not contract.with_role(role):
        raise WorkloadError(
            f"'goal.unit': {workload.goal.unit} needs a field with role '{role}', and {contract.name} has none; "
            "give one that role, or say unit: row"
        )


def _check_costs(workload: Workload, contract: ContractSpec) -> None:
    costs, label = workload.gates.costs, contract.label
    if costs is None:
        return
    allowed = [str(one) for one in label.allowed]
    if unknown := [name for name in costs.classes if name not in allowed]:
        told = f"the classes are {', '.join(allowed)}" if allowed else f"it is a {label.dtype} and has no classes"
        raise WorkloadError(f"'gates.costs.classes': {', '.join(unknown)} is no class of '{label.name}'; {told}")
    binary = target_of(contract) == "binary"
    if costs.classes and binary:
        raise WorkloadError(
            f"'gates.costs.classes': '{label.name}' has two values, of which {classes_of(contract)[1]} counts as yes: "
            "give false_alarm and miss instead"
        )
    if not costs.classes and not binary:
        raise WorkloadError(
            f"'gates.costs': false_alarm and miss are about yes or no, and '{label.name}' is a {label.dtype}; "
            + ("give classes: what it costs to miss each" if allowed else "leave the costs out")
        )


def _check_floors(workload: Workload, contract: ContractSpec) -> None:
    target, classes, label = target_of(contract), classes_of(contract), contract.label
    for place, floor in enumerate(workload.gates.floors):
        key = f"'gates.floors.{place}'"
        allowed = (*metrics_for(target, workload.kind), *(CLASS_METRICS if classes else ()))
        if floor.metric not in allowed:
            raise WorkloadError(
                f"{key}: {floor.metric} cannot judge '{label.name}', a {label.dtype}; "
                f"for {target} answers: {', '.join(allowed)}"
            )
        if floor.of is not None and floor.of not in classes:
            raise WorkloadError(f"{key}: '{floor.of}' is no class of '{label.name}'; classes: {', '.join(classes)}")
        if floor.metric == workload.goal.metric:
            raise WorkloadError(f"{key}: {floor.metric} is the goal's metric: its limit is goal.threshold")


def _check_body(workload: Workload, contract: ContractSpec) -> None:
    """Refuse a limit of a request's body that a single row, which the contract allows, would break: bytes in base64."""
    sizes = {field.name: 4 * -(-field.max_bytes // 3) for field in contract.inputs if field.max_bytes}
    most = workload.serving.max_body_bytes
    if sum(sizes.values()) > most:
        raise WorkloadError(
            f"'serving.max_body_bytes': a row of {contract.name} may have {sum(sizes.values()):,} bytes in "
            f"{', '.join(sizes)}, as base64, and a request at most {most:,}: allow more there, or less with max_bytes "
            "in the contract"
        )


def _check_split(workload: Workload, contract: ContractSpec) -> None:
    split = workload.split
    needed: dict[Callable[..., Any], Any] = {TimeSplit: "time", GroupSplit: "group"}
    role = needed.get(type(split))
    if role and not contract.with_role(role):
        raise WorkloadError(
            f"{workload.told_place('split', 'by')}: a split by {role} needs a field with the role '{role}', and "
            f"{contract.name} has none: give one that role in the contract, or divide the rows in another way"
        )
    if isinstance(split, StratifiedSplit):
        known = [field.name for field in contract.fields]
        for number, name in enumerate(split.fields):
            if name not in known:
                raise WorkloadError(
                    f"{workload.told_place('split', 'fields', number)}: '{name}' is not a field of {contract.name}; "
                    f"fields: {', '.join(known)}"
                )
