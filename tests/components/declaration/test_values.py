# ruff: noqa: E501
"""What a workload file says about fields and their values is held against the contract when the file is read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.artefacts.errors import WorkloadError
from components.declaration.loading import contract_of, parse_workload, read_workload


@pytest.fixture
def read(tmp_path: Path, document: dict[str, Any]) -> Any:
    """Read the sample workload with a section in other words: ``read("gates: {parity: yes}")``."""

    def changed(section: str) -> Any:
        key = section.partition(":")[0]
        rest = {name: value for name, value in document.items() if name != key}
        path = tmp_path / "sample.yaml"
        path.write_text(yaml.safe_dump(rest, sort_keys=False) + section + "\n")
        workload = read_workload(str(path))
        return workload, contract_of(workload)

    return changed


def behaviour(**test: str) -> str:
    inner = ", ".join(f"{key}: {value}" for key, value in {"name": "a test", "expect": "same", **test}.items())
    return f"gates: {{behaviour: [{{{inner}}}]}}"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            behaviour(set="{carrier: NO}"),
            r"'gates.behaviour.0.set.carrier' \(line [0-9]+\): NO is a truth value in YAML, and 'carrier' is text: write it in quotes",
        ),
        (behaviour(set="{carrier: 22}"), r"22 is a number in YAML, and 'carrier' is text"),
        (
            behaviour(where="{carrier: 2024-01-01}", set="{plane_age: 3}"),
            r"behaviour.0.where.carrier' .*2024-01-01 is a date in YAML",
        ),
        (behaviour(set="{carrier: NULL}"), r"NULL is YAML's word for nothing, and 'carrier' is text"),
        (behaviour(set="{plane_seats: 2.7}"), r"2.7 is no value of 'plane_seats': Expected int.*got float"),
        (behaviour(set="{plane_seats: many}"), r"'many' is no value of 'plane_seats': Expected int.*got str"),
        (behaviour(set="{plane_seats: yes}"), r"True is no value of 'plane_seats'"),
        (behaviour(set="{plane_seats: -3}"), r"-3 is no value of 'plane_seats': Expected int >= 1"),
        (behaviour(set="{plane_seats: 99999999999999999999}"), r"is no value of 'plane_seats'"),
        (behaviour(set="{temperature: .inf}"), r"inf is no value of 'temperature'"),
        (behaviour(set="{temperature: .nan}"), r"nan is no value of 'temperature'"),
        (behaviour(set="{origin: LHR}"), r"'LHR' is no value of 'origin': Invalid enum value.*allowed: EWR, JFK, LGA"),
        (behaviour(set="{destination: Oslo}"), r"'Oslo' is no value of 'destination'"),
        (behaviour(set="{scheduled_departure: 2013-10-05}"), r"2013-10-05 is no value of 'scheduled_departure'"),
        (behaviour(add="{plane_seats: 0.5}"), r"'plane_seats' is whole, and 0.5 is not"),
        (behaviour(add="{carrier: 1}"), r"a number is added, and 'carrier' is a string: use set"),
        (
            behaviour(add="{plane_seats: yes}"),
            r"line [0-9]+: 'gates.behaviour.0.add.plane_seats': .*valid number \(got True\)",
        ),
        (behaviour(set="{plane_seats: 3}", of="late"), r"'late' is no class of 'late'; it is a boolean and has none"),
        (behaviour(expect="at_least", limit="50"), r"a probability is from 0 to 1, not 50"),
        (
            "gates: {floors: [{metric: recall, of: yes, at_least: 60}]}",
            r"'gates.floors.0.at_least' .*recall lies between 0 and 1",
        ),
        ("gates: {floors: [{metric: log_loss, at_least: 0.4}]}", r"log_loss is better the smaller it is: say at_most"),
        (
            "gates: {floors: [{metric: recall, of: late, at_least: 0.1}]}",
            r"'late' is no class of 'late'; classes: no, yes",
        ),
        (
            "gates: {undecided: no}",
            r"line [0-9]+: 'gates.undecided': no is a truth value in YAML, and this is text: write it in quotes",
        ),
        ("gates: {sensitive: [NO]}", r"line [0-9]+: 'gates.sensitive.0': NO is a truth value in YAML"),
        ("gates: {parity: true}", r"'gates.parity': .*valid number \(got True\)"),
        ("gates: {parity: '1e-5'}", r"'gates.parity': .*valid number \(got '1e-5'\)"),
        ("seed: yes", r"'seed': .*valid integer \(got True\)"),
        ("seed: 2013.5", r"'seed': .*valid integer \(got 2013.5\)"),
        ("name: on", r"line [0-9]+: 'name': on is a truth value in YAML"),
        ("source: {path: rows.csv, null_values: [NA, no]}", r"'source.null_values.1': no is a truth value in YAML"),
        ("source: {path: 2024-01-01}", r"'source.path': 2024-01-01 is a date in YAML, and this is text"),
        ("serving: {port: 8080.0}", r"'serving.port': .*valid integer"),
        ("serving: {log_predictions: yes}", r"'serving.log_predictions': .*valid number"),
        ("split: {by: group}", r"'split.by' \(line [0-9]+\): a split by group needs a field with the role 'group'"),
        ("split: {by: stratified, fields: [colour]}", r"'split.fields.0' .*'colour' is not a field of Flight"),
        ("split: {by: stratified, fields: [no]}", r"'split.fields.0': no is a truth value in YAML"),
        (
            "split: {by: time, train: {start: '2024-06-31', end: 2024-07-01}}",
            r"'split.train': start: there is no day 2024-06-31",
        ),
    ],
)
def test_a_declared_value_that_cannot_be_is_refused_in_one_line(read: Any, section: str, told: str) -> None:
    with pytest.raises(WorkloadError, match=told) as refused:
        read(section)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "section",
    [
        behaviour(set="{carrier: 'NO', plane_seats: 3, temperature: 3, plane_age: null}"),
        behaviour(set="{scheduled_departure: 2013-10-05T08:15:00}", where="{origin: JFK}"),
        behaviour(add="{plane_seats: 2.0, temperature: 1e-3}"),
        "gates: {floors: [{metric: recall, of: yes, at_least: 0.1}, {metric: recall, of: 'no', at_least: 0.1}]}",
        "split: {by: stratified, fields: [origin]}",
        "gates: {calibration_error: 1, parity: 1e-5}",
    ],
)
def test_what_a_field_can_hold_may_be_declared(read: Any, section: str) -> None:
    workload, _ = read(section)
    again = parse_workload(workload.model_dump(mode="json"), where="again")
    assert contract_of(again)
    assert again.model_dump(mode="json") == workload.model_dump(mode="json")
