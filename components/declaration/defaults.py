"""What a workload file leaves out, as its contract suggests it: a goal, a split, a name.

A file may hold a contract and a source and nothing else. What is filled in is as good as written: it is checked, told
in messages, and kept in the build.
"""

from collections.abc import Mapping
from typing import Any

from components.artefacts.errors import WorkloadError
from components.declaration.metrics import find_metric, known_metrics, title_of
from components.declaration.targets import Target, target_of
from data_contracts.description.spec import ContractSpec

METRIC: dict[Target, str] = {"binary": "auc", "multiclass": "accuracy", "regression": "r2"}
# What the same answer for all has: the least that can be asked. An error has no such figure.
LEAST: dict[str, float] = {"auc": 0.5, "pr_auc": 0.0, "accuracy": 0.0, "macro_f1": 0.0, "r2": 0.0}
BUDGETS = {"latency_p95_ms": 100, "training_usd": 1, "serving_usd_per_1000": 0.1}
KIND = "tabular"


def is_complete(document: Mapping[str, Any]) -> bool:
    """Tell whether a file says all that the contract would be asked for."""
    goal = document.get("goal")
    needed = {"statement", "metric", "direction", "threshold", *BUDGETS}
    return "split" in document and "kind" in document and isinstance(goal, dict) and needed <= goal.keys()


def filled(document: Mapping[str, Any], contract: ContractSpec, name: str) -> dict[str, Any]:
    """Return a file's values and those that it leaves out; WorkloadError for one that only a person can say."""
    goal = document.get("goal", {})
    return {
        "name": name,
        "kind": KIND,
        **document,
        "goal": _goal(goal, contract) if isinstance(goal, dict) else goal,
        "split": document["split"] if "split" in document else _split(contract),
    }


def _goal(said: Mapping[str, Any], contract: ContractSpec) -> dict[str, Any]:
    goal: dict[str, Any] = {"metric": METRIC[target_of(contract)], **BUDGETS, **said}
    metric = goal["metric"]
    known = find_metric(metric) if isinstance(metric, str) else None
    if isinstance(metric, str) and known is None:
        raise WorkloadError(f"'goal.metric': there is no metric '{metric[:80]}'; known: {', '.join(known_metrics())}")
    if known is None:
        # What a name must be is told where the section is checked.
        return goal
    goal.setdefault("direction", "at_least" if known.higher_is_better else "at_most")
    if "threshold" not in goal:
        if metric not in LEAST:
            raise WorkloadError(
                f"'goal.threshold' is missing: what {title_of(metric)} of '{contract.label.name}' is good enough?"
            )
        goal["threshold"] = LEAST[metric]
    goal.setdefault("statement", _statement(goal, contract))
    return goal


def _statement(goal: Mapping[str, Any], contract: ContractSpec) -> str:
    limit = str(goal["direction"]).replace("_", " ")
    figures = [f"{title_of(goal['metric'])} {limit} {goal['threshold']}", f"p95 under {goal['latency_p95_ms']} ms"]
    if goal.get("latency_p99_ms") is not None:
        figures.append(f"p99 under {goal['latency_p99_ms']} ms")
    figures += [f"training under {goal['training_usd']} USD", f"serving under {goal['serving_usd_per_1000']} USD"]
    return f"Tell {contract.label.name} of a {contract.name}: {', '.join(figures)} per 1,000 answers."


def _split(contract: ContractSpec) -> dict[str, Any]:
    if times := contract.with_role("time"):
        raise WorkloadError(
            f"'split' is missing, and '{times[0].name}' is the time of a row: say the days of each split, for instance "
            "split: {by: time, train: {start: 2024-01-01, end: 2024-08-31}, validation: {start: 2024-09-01, end: "
            "2024-09-30}, test: {start: 2024-10-01, end: 2024-10-31}}"
        )
    if contract.with_role("group"):
        return {"by": "group"}
    return {"by": "random" if target_of(contract) == "regression" else "stratified"}
