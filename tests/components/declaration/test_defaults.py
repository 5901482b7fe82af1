"""A workload file may be short: what it leaves out follows from the contract, and is as good as written."""

import os
from pathlib import Path

import pytest

from components.artefacts.errors import WorkloadError
from components.catalog import check_kind, with_features
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload

CONTRACT = """
import datetime
from data_contracts.contract import Contract, column


class {name}(Contract):
    size: float = column("Size", source_name="size (cm)")
    kind: str = column("Kind")
    day: datetime.date = column("Day")
    who: str | None = column("Who", roles=({role!r},))
    answer: {label} = column("Answer", roles=("label",), available="after")
"""


def written(
    folder: Path, text: str, *, label: str = "bool", role: str = "slice", module: str = "short_rows"
) -> Workload:
    """Write a contract and a workload file into two folders, and read the file from elsewhere."""
    (folder / "data_contracts").mkdir(exist_ok=True)
    (folder / "deployments").mkdir(exist_ok=True)
    (folder / "data_contracts" / f"{module}.py").write_text(CONTRACT.format(name="Short", label=label, role=role))
    file = folder / "deployments" / "short.yaml"
    file.write_text(f"contract: data_contracts.{module}:Short\nsource: {{path: rows.csv}}\n{text}")
    return read_workload(str(file))


@pytest.mark.parametrize(
    ("label", "metric", "threshold", "by"),
    [
        ("bool", "auc", 0.5, "stratified"),
        ('__import__("typing").Literal["a", "b"]', "auc", 0.5, "stratified"),
        ('__import__("typing").Literal["a", "b", "c"]', "accuracy", 0.0, "stratified"),
        ("int", "r2", 0.0, "random"),
    ],
)
def test_a_contract_and_a_source_are_a_whole_file(
    label: str, metric: str, threshold: float, by: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    workload = written(tmp_path, "", label=label, module=f"short_{abs(hash(request.node.name))}")
    contract = contract_of(workload)
    workload = with_features(workload, contract)
    check_kind(workload, contract)
    assert (workload.name, workload.kind, workload.split.by) == ("short", "tabular", by)
    assert (workload.goal.metric, workload.goal.threshold) == (metric, threshold)
    assert "Tell answer of a Short" in workload.goal.statement
    steps = {step.transform: step.fields for step in workload.features}
    assert steps["standardise"] == ("size (cm)",)
    assert steps["category"] == ("kind", "who")
    assert steps["weekday"] == ("day",)


def test_what_is_written_stays_and_the_rest_follows(tmp_path: Path) -> None:
    text = "goal: {metric: log_loss, threshold: 0.4, latency_p99_ms: 80}\nsplit: {by: random}\nfeatures: auto\n"
    goal = written(tmp_path, text, module="short_written").goal
    assert (goal.metric, goal.direction, goal.threshold, goal.latency_p95_ms) == ("log_loss", "at_most", 0.4, 100)
    assert "log-loss at most 0.4, p95 under 100 ms, p99 under 80 ms" in goal.statement


@pytest.mark.parametrize(
    ("text", "role", "told"),
    [
        (
            "goal: {metric: log_loss}\n",
            "slice",
            "'goal.threshold' is missing: what log-loss of 'answer' is good enough",
        ),
        ("goal: {metrik: auc}\n", "slice", "unknown key 'goal.metrik'"),
        ("goal: high\n", "slice", "'goal'"),
    ],
)
def test_what_only_a_person_can_say_is_asked_for(text: str, role: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=told):
        written(tmp_path, text, role=role, module="short_asked")


def test_people_and_groups_are_no_features_of_themselves(tmp_path: Path) -> None:
    workload = written(tmp_path, "", role="group", module="short_groups")
    assert workload.split.by == "group"
    features = with_features(workload, contract_of(workload)).features
    assert all("who" not in step.fields for step in features)


def test_a_field_that_is_called_like_its_type_is_told_what_to_write(tmp_path: Path) -> None:
    module = tmp_path / "data_contracts" / "short_clash.py"
    module.parent.mkdir()
    module.write_text(
        "from datetime import date\nfrom data_contracts.contract import Contract, column\n\n"
        "class Short(Contract):\n    date: date = column('Day')\n"
    )
    file = tmp_path / "deployments" / "short.yaml"
    file.parent.mkdir()
    file.write_text("contract: data_contracts.short_clash:Short\nsource: {path: rows.csv}\n")
    with pytest.raises(WorkloadError, match=r'day: date = column\("\.\.\.", source_name="date"\)'):
        read_workload(os.path.relpath(file))
