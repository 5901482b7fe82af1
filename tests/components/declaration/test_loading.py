"""The workload file: what it refuses, and how it says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.artefacts.errors import WorkloadError
from components.declaration.loading import contract_of, find_workload, parse_workload, read_workload

AFTERWARDS = ["dep_delay", "dep_time", "arr_time", "air_time", "late"]


def changed(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a copy with one key set; ``place`` is dotted."""
    *outer, last = place.split(".")
    copy = {**document}
    inner = copy
    for key in outer:
        inner[key] = {**inner[key]}
        inner = inner[key]
    inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("goal.treshold", 0.7, ["unknown key 'goal.treshold'", "threshold"]),
        ("colour", "red", ["unknown key 'colour'", "contract"]),
        ("goal.metric", "Goodness!", ["goal.metric", "Goodness!"]),
        ("goal.threshold", 0.7, ["goal", "does not mention threshold (0.7)"]),
        ("serving.port", 99_999, ["serving.port", "65535", "99999"]),
        ("split.test", {"start": "2013-08-01", "end": "2013-10-31"}, ["split", "test starts on 2013-08-01", "leaks"]),
        ("contract", "no colon", ["contract", "no colon"]),
        ("seed", "many", ["seed", "many"]),
    ],
)
def test_a_bad_key_or_value_is_named_in_one_line(
    document: dict[str, Any], place: str, value: Any, told: list[str]
) -> None:
    with pytest.raises(WorkloadError) as refusal:
        parse_workload(changed(document, place, value), where="sample.yaml")
    message = str(refusal.value)
    assert message.startswith("sample.yaml: ")
    assert "\n" not in message
    for part in told:
        assert part in message


def test_an_unknown_workload_is_answered_with_the_known_ones() -> None:
    with pytest.raises(WorkloadError, match=r"unknown workload 'trains'; known: .*flights"):
        find_workload("trains")


def test_a_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(WorkloadError, match=r"nowhere/w\.yaml does not exist"):
        find_workload("nowhere/w.yaml")


@pytest.mark.parametrize("text", ["a: [", "- just\n- a list\n", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(WorkloadError, match=r"^w\.yaml(:| holds) ") as refusal:
        read_workload(str(path))
    assert "\n" not in str(refusal.value)


def test_the_shipped_workloads_are_sound() -> None:
    flights = read_workload("flights")
    assert contract_of(flights).label.name == "late"
    assert flights.goal.threshold == 0.60


def test_a_request_must_have_room_for_the_largest_row_that_the_contract_allows() -> None:
    digits = read_workload("digits")
    for most, fits in ((133_336, True), (133_335, False)):
        serving = digits.serving.model_copy(update={"max_body_bytes": most})
        workload = digits.model_copy(update={"serving": serving})
        if fits:
            assert contract_of(workload).inputs[0].max_bytes == 100_000
            continue
        with pytest.raises(WorkloadError, match=r"'serving.max_body_bytes': a row .* 133,336 bytes in picture"):
            contract_of(workload)


def test_a_contract_that_cannot_be_imported_is_named(document: dict[str, Any]) -> None:
    workload = parse_workload({**document, "contract": "data_contracts.nowhere:Row"}, where="sample.yaml")
    with pytest.raises(WorkloadError, match=r"data_contracts\.nowhere:Row cannot be imported"):
        contract_of(workload)


def test_every_fault_of_a_file_is_told_to_a_bound(document: dict[str, Any]) -> None:
    goal = {key: value for key, value in document["goal"].items() if key not in ("training_usd", "latency_p95_ms")}
    with pytest.raises(WorkloadError, match="3 faults") as refusal:
        parse_workload({**document, "goal": goal, "seeds": 1}, where="sample.yaml")
    told = str(refusal.value)
    assert told.startswith("sample.yaml: 3 faults: unknown key 'seeds' (allowed here: goal, name, ")
    assert "; 'goal.latency_p95_ms' is missing; 'goal.training_usd' is missing" in told
    with pytest.raises(WorkloadError, match=r"15 faults: .*; and 5 more$"):
        parse_workload({**document, **{f"key{number}": 1 for number in range(15)}}, where="sample.yaml")


def test_a_contract_that_is_nowhere_is_told_with_the_places_where_it_was_looked_for(
    write_workload: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_workload({"contract": "no_such_contract:Row"})
    with pytest.raises(WorkloadError) as refusal:
        contract_of(read_workload(str(path)))
    assert f"looked for in {Path.cwd()}, beside the workload file ({tmp_path})" in str(refusal.value)


def test_a_file_of_the_name_that_is_unknown_is_offered(
    write_workload: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_workload(name="parcels.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkloadError, match=r"unknown workload 'parcels'.* there is a parcels\.yaml here"):
        read_workload("parcels")


def test_a_suggested_command_names_a_workload_as_it_was_given(
    write_workload: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_workload(name="my parcels.yaml")
    assert read_workload(str(path)).given == f"'{tmp_path}/my parcels.yaml'"
    assert read_workload("flights").given == "flights"


def test_the_contract_itself_marks_what_is_known_only_afterwards() -> None:
    contract = contract_of(read_workload("flights"))
    assert {field.name for field in contract.inputs}.isdisjoint(AFTERWARDS)


def test_limits_of_the_audit_are_declared_in_the_file_and_have_bounds() -> None:
    document = read_workload("flights").model_dump(mode="json")
    workload = parse_workload(document | {"audit": {"near_duplicates": 0.2}}, where="here.yaml")
    assert workload.audit.near_duplicates == 0.2
    assert workload.audit.feature_auc == 0.95
    with pytest.raises(WorkloadError, match=r"unknown key 'audit.near_duplicate' \(allowed here: duplicates, "):
        parse_workload(document | {"audit": {"near_duplicate": 0.2}}, where="here.yaml")
    with pytest.raises(WorkloadError, match=r"'audit.order_auc': .* \(got 0.2\)"):
        parse_workload(document | {"audit": {"order_auc": 0.2}}, where="here.yaml")


BROKEN = {
    "syntax": ("x = 1\ndef f(:\n", r"SyntaxError: invalid syntax \(.*syntax\.py, line 2\)"),
    "lacking": ("\nimport no_such_module\n", r"No module named 'no_such_module' \(.*lacking\.py, line 2\)"),
    "raising": ("import json\n\njson.loads('{')\n", r"JSONDecodeError: .* \(.*raising\.py, line 3\)"),
    "leaving": ("raise SystemExit(3)\n", r"SystemExit: 3 \(.*leaving\.py, line 1\)"),
    "unfit": (
        "from data_contracts.contract import *\n\nclass Row(Contract):\n    n: int = column('n', ge='x')\n",
        r"""SchemaError: .*Field "n".*'ge'.* \(.*unfit\.py, line 3\)""",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_contract_whose_module_fails_is_told_in_one_line_with_file_and_line(
    name: str, document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, told = BROKEN[name]
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    workload = parse_workload({**document, "contract": f"{name}:Row"}, where="sample.yaml")
    with pytest.raises(WorkloadError, match=f"^'contract': {name}:Row cannot be imported: .*{told}") as refusal:
        contract_of(workload)
    assert "\n" not in str(refusal.value)


def test_a_schedule_is_refused_with_where_schedules_are(document: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match=r"no section 'schedule' any more: .*prefect\.yaml") as refusal:
        parse_workload(document | {"schedule": {"build": "0 4 * * 1"}}, "test.yaml")
    assert "\n" not in str(refusal.value)
