"""What a workload file says about fields and their values, held against the contract when the file is read.

A value is decoded as the contract decodes a request: what no request may hold, no test may ask about.
"""

from typing import Any

from components.artefacts.errors import WorkloadError
from components.declaration.behaviour import BehaviourTest
from components.declaration.metrics import find_metric
from components.declaration.targets import classes_of, target_of
from components.declaration.workload import Workload
from components.declaration.yaml_document import told_kind
from data_contracts.description.field_types import decode_value
from data_contracts.description.spec import ContractSpec, FieldSpec


def check_declared_values(workload: Workload, contract: ContractSpec) -> None:
    """Raise WorkloadError for a value that its field cannot have, and for a limit that no metric can reach or miss."""
    for number, test in enumerate(workload.gates.behaviour):
        _check_test(workload, ("gates", "behaviour", number), test, contract)
    _check_limit(workload, ("goal", "threshold"), workload.goal.metric, workload.goal.direction)
    for number, floor in enumerate(workload.gates.floors):
        direction = "at_least" if floor.at_least is not None else "at_most"
        _check_limit(workload, ("gates", "floors", number, direction), floor.metric, direction)


def _check_test(workload: Workload, place: tuple[str | int, ...], test: BehaviourTest, contract: ContractSpec) -> None:
    fields = {field.name: field for field in contract.inputs}
    for key in ("where", "set"):
        for name, value in getattr(test, key).items():
            _check_value(workload, (*place, key, name), fields[name], value)
    for name, number in test.add.items():
        field = fields[name]
        if field.dtype not in ("integer", "number"):
            raise WorkloadError(
                f"{workload.told_place(*place, 'add', name)}: a number is added, and '{name}' is a {field.dtype}: "
                "use set"
            )
        if field.dtype == "integer" and (number != int(number) or abs(number) >= 2**53):
            raise WorkloadError(
                f"{workload.told_place(*place, 'add', name)}: '{name}' is whole, and {number} is not (below 2^53): "
                "its sum would be cut"
            )
    # The probability of yes or no is of one class alone.
    classes = classes_of(contract) if target_of(contract) == "multiclass" else ()
    if test.of is not None and test.of not in classes:
        known = f"its classes are {', '.join(classes)}" if classes else f"it is a {contract.label.dtype} and has none"
        raise WorkloadError(
            f"{workload.told_place(*place, 'of')}: '{test.of}' is no class of '{contract.label.name}'; {known}"
        )
    if classes and test.of is None and test.expect != "same":
        raise WorkloadError(
            f"{workload.told_place(*place)}: '{test.name}' does not say which class it is about: 'of' is one of "
            f"{', '.join(classes)}"
        )
    if test.limit is not None and target_of(contract) != "regression" and not 0 <= test.limit <= 1:
        raise WorkloadError(f"{workload.told_place(*place, 'limit')}: a probability is from 0 to 1, not {test.limit:g}")


def _check_value(workload: Workload, place: tuple[str | int, ...], field: FieldSpec, value: object) -> None:
    try:
        decode_value(field, value)
    except ValueError as error:
        words, kind = workload.told_words(*place), told_kind(value)
        where = workload.told_place(*place)
        if kind and field.dtype == "string" and not all(isinstance(one, int) for one in field.allowed or ("",)):
            raise WorkloadError(
                f"{where}: {words or _words(value)} is {kind}, and '{field.name}' is text: write it in quotes"
            ) from error
        raise WorkloadError(f"{where}: {_words(value)} is no value of '{field.name}': {error}") from error


def _words(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_limit(workload: Workload, place: tuple[str | int, ...], metric: str, direction: str) -> None:
    """Raise WorkloadError for a limit outside of what the metric can be, or on the side that is no better."""
    limit, known = workload_value(workload, place), find_metric(metric)
    assert known is not None, "held against the contract before"
    low, high = known.ends
    if not low <= limit <= high:
        raise WorkloadError(
            f"{workload.told_place(*place)}: {metric} lies between {low:g} and {high:g}: {limit:g} is reached by every "
            "model, or by none"
        )
    if known.higher_is_better != (direction == "at_least"):
        better = "at_least" if direction == "at_most" else "at_most"
        larger = "larger" if better == "at_least" else "smaller"
        raise WorkloadError(f"{workload.told_place(*place)}: {metric} is better the {larger} it is: say {better}")


def workload_value(workload: Workload, place: tuple[str | int, ...]) -> Any:
    """Return what stands at a place of a workload."""
    found: Any = workload
    for part in place:
        found = found[part] if isinstance(part, int) else getattr(found, part)
    return found
