"""A gate is one function and one line: it is judged, told and shown as ours are, and a promotion knows its name."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.artefacts.errors import WorkloadError
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure
from components.gates import registry
from components.gates.judge import judge, promotion_gates
from components.gates.policy import policy, promotion_gate_names
from components.gates.registry import build_gate, promotion_gate
from components.gates.rule import Case, Rule, at_most
from components.reports.dossier import render_dossier
from components.reports.subject import Subject
from components.user_modules import find_modules_beside


@pytest.fixture(autouse=True)
def _only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILD", dict(registry.BUILD))
    monkeypatch.setattr(registry, "PROMOTION", dict(registry.PROMOTION))
    monkeypatch.setattr("components.gates.policy.BUILD", registry.BUILD)
    monkeypatch.setattr("components.gates.policy.PROMOTION", registry.PROMOTION)


def tail(case: Case) -> Rule | None:
    """No single answer is off by more than ten labels' sizes; asked where it was measured."""
    subject, todo = "the largest error of one answer", "look at the rows that are off most"
    means = "Some answers are far off"
    return at_most(
        "worst_error", 10, subject, todo, only_if_measured=True, in_plain_words=lambda why: f"{means}: {why}"
    )


def evidence(*more: Measure) -> Evidence:
    return Evidence(workload="flights", model="mlp", split="test", measures=more)


def test_a_gate_of_one_function_is_judged_told_and_in_the_dossier() -> None:
    build_gate("tail")(tail)
    flights = read_workload("flights")
    assert "tail" not in [rule.gate for rule in policy(flights, evidence())]

    measured = evidence(Measure(name="worst_error", value=25.0, source="test"))
    report = judge(measured, flights)
    (verdict,) = [one for one in report.verdicts if one.gate == "tail"]
    assert verdict.line == (
        "failed tail: The largest error of one answer is 25: at most 10 is asked; would pass with at most 10; look at "
        "the rows that are off most"
    )
    assert report.fails[-1] == "Some answers are far off: The largest error of one answer is 25: at most 10 is asked"
    assert not report.passed

    subject = Subject(flights, contract_of(flights), measured, report, lineage={"code": "abc123"})
    page = render_dossier(subject)
    assert "tail" in page
    assert "look at the rows that are off most" in page


def test_a_gate_of_promotions_can_be_accepted_by_its_name() -> None:
    promotion_gate("tail")(tail)
    assert "tail" in promotion_gate_names()
    found = promotion_gates(read_workload("flights"), evidence(Measure(name="worst_error", value=1.0, source="test")))
    assert [one.state for one in found.verdicts if one.gate == "tail"] == ["passed"]


def test_two_gates_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"there are two gates 'goal': components\.gates\.rules\.quality and "):
        build_gate("goal")(tail)


def test_every_gate_of_ours_stands_in_a_chapter() -> None:
    # One in a module that nobody imports would be asked by nobody.
    from components.gates.policy import CHAPTERS

    modules = {path.stem for path in (Path(registry.__file__).parent / "rules").glob("*.py")} - {"__init__"}
    assert modules == {chapter.__name__.rpartition(".")[2] for chapter in CHAPTERS}


OWN = """
from components.gates.rule import Case, Rule, at_most


def worst_error(case: Case) -> Rule:
    return at_most("worst_error", case.goal.threshold * 10, "the largest error of one answer", "look at these rows")


def goal(case: Case) -> None:
    return None


def broken(case: Case) -> Rule:
    return case.nothing


def odd(case: Case) -> str:
    return "passed"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return flights with gates of the user's own, which lie beside the workload file."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_gates", raising=False)
    (tmp_path / "own_gates.py").write_text(OWN)

    def read(name: str) -> Workload:
        document = read_workload("flights").model_dump(mode="json", exclude_none=True)
        file = tmp_path / "flights_too.yaml"
        file.write_text(yaml.safe_dump(document | {"gates": {"own": [f"own_gates:{name}"]}}))
        find_modules_beside(str(file), file)
        return read_workload(str(file))

    return read


def test_a_gate_beside_the_workload_file_is_judged_as_ours_are(own: Any) -> None:
    measured = evidence(Measure(name="worst_error", value=25.0, source="test"))
    (verdict,) = [one for one in judge(measured, own("worst_error")).verdicts if one.gate == "worst-error"]
    assert verdict.line == (
        "failed worst-error: The largest error of one answer is 25: at most 6 is asked; would pass with at most 6; "
        "look at these rows"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("goal", "'gates.own': own_gates:goal: there is a gate 'goal' already: give it another name"),
        ("missing", "'gates.own': own_gates:missing: module 'own_gates' has no function 'missing'"),
        ("broken", "'gates.own': own_gates:broken failed: AttributeError: 'Case' object has no attribute 'nothing'"),
        ("odd", "'gates.own': own_gates:odd returned 'passed'; a gate returns a Rule, or None"),
    ],
)
def test_a_gate_of_the_users_own_that_is_none_is_told_in_one_line(own: Any, name: str, told: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        judge(evidence(), own(name))
    assert str(refusal.value).startswith(told)
    assert "\n" not in str(refusal.value)
