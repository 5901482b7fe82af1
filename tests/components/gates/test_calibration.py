"""A remedy is not what was done already, and says what the report knows."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from components.declaration.gates import Floor
from components.declaration.loading import read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence
from components.gates.rule import Case
from components.gates.rules.calibration import calibration_remedy
from components.gates.rules.quality import floors
from components.kinds.image.options import ImageOptions
from components.kinds.tabular.options import TabularOptions


def means(validation: float, test: float, of: str = "yes", rows: int = 1_000) -> dict[str, Any]:
    return {
        name: {"of": of, "mean": mean, "deviation": 0.5, "rows": rows}
        for name, mean in (("validation", validation), ("test", test))
    }


def case(tables: dict[str, Any], options: Collection[str], unit: str = "", metric: str = "auc", **model: Any) -> Case:
    flights = read_workload("flights")
    goal = flights.goal.model_copy(update={"metric": metric})
    workload: Workload = flights.model_copy(update={"goal": goal, "model": model})
    evidence = Evidence(
        workload="flights", model="m", split="test", measures=(), unit=unit, tables={"label_means": tables}
    )
    return Case.of(workload, evidence, options=options)


def remedy(tables: dict[str, Any], unit: str = "", metric: str = "auc", **model: str) -> str:
    return calibration_remedy(case(tables, TabularOptions.model_fields, unit, metric, **model))


@pytest.mark.parametrize("method", ["auto", "platt", "temperature", "isotonic"])
def test_calibrating_on_validation_is_no_advice_where_it_was_done(method: str) -> None:
    said = remedy(means(0.3, 0.3), calibration=method)
    assert said.startswith("the answers are calibrated on the validation split already")
    assert ("isotonic, which bends" in said) == (method != "isotonic")


def test_where_it_was_not_done_it_is_the_advice() -> None:
    assert remedy(means(0.3, 0.3), calibration="none").startswith("set model.calibration: auto")
    assert remedy({}, metric="mae").startswith("set model.calibration: shift")


def test_labels_that_differ_between_validation_and_test_are_named() -> None:
    said = remedy(means(0.447, 0.278))
    assert said.startswith("44.7% of the validation rows are yes, and 27.8% of the test rows: what was fitted")
    numbers = remedy(means(80.0, 70.0, of="number"), unit="hours", metric="mae", calibration="shift")
    assert numbers.startswith("the mean label is 80 hours in validation, and 70 hours in test")
    # Of 100 rows such a difference is chance.
    assert "already" in remedy(means(0.35, 0.278, rows=100))


@pytest.mark.parametrize("metric", ["auc", "accuracy", "mae"])
def test_no_remedy_names_an_option_that_the_kind_does_not_have(metric: str) -> None:
    pictures = case({}, ImageOptions.model_fields, metric=metric)
    assert "bring more validation rows" in calibration_remedy(pictures)
    assert "model." not in calibration_remedy(pictures)


def test_only_a_kind_that_weighs_classes_is_told_to() -> None:
    def told(options: Collection[str]) -> str:
        given = case({}, options)
        floor = Floor(metric="recall", of="yes", at_least=0.5)
        gates = given.gates.model_copy(update={"floors": (floor,)})
        (rule,) = floors(replace(given, gates=gates))
        return rule.todo

    assert "weigh it more (model.class_weight), or bring more rows of it" in told(TabularOptions.model_fields)
    assert told(ImageOptions.model_fields).endswith("(gates.costs), or bring more rows of it")
