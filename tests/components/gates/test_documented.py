"""docs/gates.md says what the code does: its example is read by the parser, its table has every gate and default."""

import re

import pytest
import yaml

from components.declaration.gates import Gates
from components.declaration.loading import parse_workload, read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure
from components.faults.selftest import FAULTS
from components.gates.policy import policy, promotion_policy
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "gates.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def flights() -> Workload:
    return read_workload("flights")


def test_the_example_is_read(flights: Workload) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    document = flights.model_dump(mode="json", exclude_none=True) | yaml.safe_load(example)
    gates = parse_workload(document, where="docs/gates.md").gates
    assert [floor.measure for floor in gates.floors] == ["pr_auc", "recall_yes"]
    assert [test.expect for test in gates.behaviour] == ["higher", "same", "at_least"]


def test_every_gate_is_in_the_table(flights: Workload) -> None:
    goal = flights.goal.model_copy(update={"latency_p99_ms": 100.0})
    asked_for = flights.gates.model_copy(update={"data_age_days": 1.0, "converged": "required"})
    aged = flights.model_copy(update={"gates": asked_for, "goal": goal})
    names = {
        "gain_over_champion",
        "leakage_findings",
        "behaviour_failures",
        "fairness_gap",
        "data_age_days",
        "model_mb",
        "gain_over_uncompressed",
        "answer_change",
        "broken_rungs",
        "stage_budget_p95_ms",
        "stage_budget_p99_ms",
    }
    measures = [Measure(name=name, value=0, source="test") for name in names]
    rivals = ("base_rate", "baseline", "champion")
    measures += [Measure(name=f"gain_over_{rival}", value=0, slice="a=b", source="test") for rival in rivals]
    evidence = Evidence(workload="w", model="m", split="test", measures=tuple(measures))
    asked = {rule.gate for rule in (*policy(aged, evidence), *promotion_policy(aged, evidence))}
    assert len(asked) == 26
    assert {gate for gate in asked if gate not in PAGE} == set()


def test_defaults_are_those_of_the_code() -> None:
    said = dict(re.findall(r"`([a-z_]+)` \(([\d.e-]+)\)", PAGE))
    assert {"baseline_margin", "parity", "slice_gap", "model_mb"} <= set(said)
    for key, value in said.items():
        assert Gates.model_fields[key].default == float(value), key


def test_the_number_of_faults_is_right() -> None:
    assert f"plants {len(FAULTS)} faults" in PAGE
