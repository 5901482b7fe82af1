"""What a stage is given is its key: an edit runs the stages that read what was edited, and no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.builds.part import ServedPart
from components.builds.results import Measured
from components.catalog import find_kind
from components.compression.part import CompressionPart
from components.declaration.loading import contract_of, parse_workload
from components.declaration.section import Part
from components.declaration.workload import Workload
from components.evaluation.part import EvaluationPart
from components.gates.part import GatesPart
from components.imported_code import files_beside
from components.provenance import ROOT
from components.stage_keys import StageKey, differences
from components.training.part import TrainingPart
from tasks.audit import audit
from tasks.compress import compress
from tasks.evaluate import evaluate
from tasks.expect import expect
from tasks.gate import gate
from tasks.given import given
from tasks.package import package
from tasks.prepare import prepare
from tasks.rehearse import rehearse
from tasks.stage import StageCache
from tasks.train import train
from tasks.validate import validate
from tests.tasks.staging import Staged

Keys = dict[str, StageKey]


def keys(staged: Staged, workload: Workload, **measured: object) -> Keys:
    """Return the key of every stage for a workload, with the results of the stages before it as they are."""
    made, kind, contract = staged.inputs.model_copy(update=measured), find_kind("tabular"), contract_of(workload)
    judged = Measured(**{name: getattr(made, name) for name in Measured.model_fields})
    shipped = made.compressed.shipped
    asked: dict[Any, dict[str, Any]] = {
        validate: {"snapshot": made.snapshot},
        expect: {"validated": made.validated},
        prepare: {"validated": made.validated, "split": workload.split, "features": workload.features},
        audit: {"prepared": made.prepared, "audit": workload.audit},
        train: {"workload": TrainingPart.of(workload), "prepared": made.prepared, "kind": kind},
        compress: {"workload": CompressionPart.of(workload), "trained": made.trained, "kind": kind},
        evaluate: {"workload": EvaluationPart.of(workload), "trained": made.trained, "shipped": shipped, "kind": kind},
        rehearse: {"workload": ServedPart.of(workload), "answers": made.evaluated.answers, "kind": kind},
        gate: {"workload": GatesPart.of(workload), "measured": judged, "kind": kind},
        package: {"workload": workload, "inputs": made, "kind": kind},
    }
    found = {}
    for stage, arguments in asked.items():
        assert isinstance(stage.cache_policy, StageCache)
        shared = {"contract": contract, "home": staged.home, "settings": staged.settings}
        key = stage.cache_policy.key_of(arguments | shared)
        assert key is not None
        found[stage.name] = key
    return found


@pytest.fixture(scope="module")
def before(staged: Staged) -> Keys:
    return keys(staged, staged.workload)


def edited(document: dict[str, Any], *place: str, value: object) -> Workload:
    if len(place) == 1:
        return parse_workload({**document, place[0]: value}, where="sample.yaml")
    section = {**document.get(place[0], {}), place[1]: value}
    return parse_workload({**document, place[0]: section}, where="sample.yaml")


JUDGED = ["gate", "package"]
TESTS = [{"name": "the airport alone", "set": {"origin": "JFK"}, "expect": "same", "tolerance": 0.5}]


@pytest.mark.parametrize(
    ("place", "value", "stages"),
    [
        (("gates", "slice_margin"), 0.03, JUDGED),
        (("gates", "calibration_error"), 0.06, JUDGED),
        (("gates", "floors"), [{"metric": "brier", "at_most": 0.3}], JUDGED),
        (("gates", "undecided"), "pass", JUDGED),
        (("goal", "unit"), "row", ["train", "compress", "evaluate", *JUDGED]),
        # What must be measured, so that it can be judged, and no more than that.
        (
            ("gates", "behaviour"),
            TESTS,
            ["evaluate", *JUDGED],
        ),
        (("gates", "parity"), 1e-4, ["rehearse", *JUDGED]),
        (("serving", "decision_threshold"), 0.4, ["compress", "evaluate", "rehearse", "package"]),
        (("monitoring", "effect"), 0.2, ["package"]),
        (("serving", "port"), 9000, ["rehearse", "package"]),
        (("audit", "duplicates"), 0.5, ["audit", "package"]),
        (("model", "epochs"), 2, ["train", "compress", *JUDGED]),
    ],
)
def test_an_edit_runs_the_stages_that_read_it(
    staged: Staged, document: dict[str, Any], before: Keys, place: tuple[str, ...], value: object, stages: list[str]
) -> None:
    after = keys(staged, edited(document, *place, value=value))
    assert [name for name in before if after[name].digest != before[name].digest] == stages
    told = differences(before[stages[0]], after[stages[0]])
    # As it stands in the workload file.
    assert any(line.startswith(f"settings: {'.'.join(place)}") for line in told), told


def test_a_price_is_judged_anew_and_trains_nothing(staged: Staged, before: Keys) -> None:
    after = keys(staged, staged.workload, usd_per_hour=3.0)
    assert [name for name in before if after[name].digest != before[name].digest] == JUDGED
    assert differences(before["gate"], after["gate"]) == ["settings: usd_per_hour 0.085 → 3.0"]


def test_templates_belong_to_the_stage_that_writes_the_report_and_prices_of_cards_to_none(before: Keys) -> None:
    templates = {f"components/reports/{name}.html.jinja" for name in ("dossier", "shipped")}
    assert templates <= before["package"].code.keys()
    for name, key in before.items():
        assert (templates & key.code.keys()) == (templates if name == "package" else set()), name
        assert not any(file.startswith("components/training/costs/prices") for file in key.code)
    costs = ROOT / "components" / "training" / "costs"
    assert [path.name for path in files_beside(costs / "prices.py")] == ["prices.yaml"]


def test_who_writes_a_gate_changes_no_stage_before_it(before: Keys) -> None:
    reading = [name for name, key in before.items() if any(file.startswith("components/gates/") for file in key.code)]
    assert reading == JUDGED


def test_what_a_key_cannot_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="argument 'rows' is a PosixPath"):
        given({"rows": tmp_path})


def test_a_part_holds_what_its_workload_holds_and_no_more(staged: Staged) -> None:
    part = TrainingPart.of(staged.workload)
    whole = staged.workload.model_dump(mode="json")
    assert part.model_dump(mode="json") == {
        "kind": whole["kind"],
        "goal": {key: whole["goal"][key] for key in ("metric", "unit", "training_usd")},
        "model": whole["model"],
        "seed": whole["seed"],
    }
    made: Callable[[Any], Part] = TrainingPart.of
    assert made(CompressionPart.of(staged.workload)) == part
