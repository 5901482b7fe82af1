"""The laws that every kind keeps, over the catalog and over the kind that the how-to makes.

A new kind takes part with one file, tests/kinds/<kind>/example.py.
"""

import fnmatch
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

import components.kinds
from components.artefacts.answer_shape import differences
from components.artefacts.build import Golden, open_build
from components.artefacts.errors import WorkloadError
from components.artefacts.inference import InvalidRows, Parts, described, inference_of, kind_folders, read_rows
from components.artefacts.storage import write_json
from components.batch_prediction import RowByRow, predict_file
from components.builds.core import json_rows
from components.builds.serving_sources import copy_sources, source_files
from components.catalog import check_kind, find_kind, known_kinds
from components.declaration.checks import check_against_contract
from components.declaration.loading import parse_workload
from components.declaration.workload import Workload
from components.evaluation.evaluate import evaluate
from components.evaluation.evidence import Evidence, read_evidence
from components.evaluation.hold_out import trainer_answers
from components.evaluation.part import EvaluationPart
from components.gates.judge import judge
from components.gates.part import GatesPart
from components.registry.versions import RunFacts, register_build
from components.reports.dossier import render_dossier
from components.reports.subject import Subject
from components.settings import Home, Settings
from components.training.results import TrainingRecord
from data_contracts.description.spec import FieldSpec
from data_contracts.description.types.registry import TYPES, value_type
from deployments.data_plane.formats.request import InvalidRow, RowDecoder
from tests.components.training.small_training import WORKLOAD
from tests.kinds.laws import Example, sealed

REPOSITORY = Path(__file__).resolve().parent.parent
KINDS = (*known_kinds(), "nearest")
HEAVY = {"torch", "lightning", "prefect", "mlflow", "great_expectations", "evidently", "pandas", "polars", "pydantic"}
SERVED = ("components.artefacts.", "data_contracts.description.", "components.kinds.")
Make = Callable[[str], Example]
SORTS = WORKLOAD["goal"] | {
    "statement": "Tell sorts apart: margin at least 0.6, 50 ms, 0.1 USD a training, 0.01 USD a thousand answers.",
    "metric": "margin",
    "threshold": 0.6,
}

ANSWER = """
import sys
from pathlib import Path
from components.artefacts.build import Golden, open_build
from components.artefacts.inference import inference_of, read_rows
import msgspec

build = open_build(Path(sys.argv[1]))
rows = msgspec.json.decode(Path(sys.argv[2]).read_bytes())
predictor = inference_of(build.manifest.kind).open(build.parts(), build.contract())
answers = predictor.predict(predictor.tensors(read_rows(rows, build.contract())))
print(msgspec.json.encode([answers.tolist(), sorted(set(sys.argv[3].split(",")) & set(sys.modules))]).decode())
"""


@pytest.fixture(scope="module", autouse=True)
def folder_of_the_howto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the kind of the how-to where a user has it: in a folder ``kinds`` where imports look."""
    folder = tmp_path_factory.mktemp("user")
    page = (REPOSITORY / "docs" / "howto" / "new_kind.md").read_text()
    for name, body in re.findall(r"^```python title=\"(kinds/[^\"]+)\"\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body)
    before = list(components.kinds.__path__)
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))
    components.kinds.__path__[:] = before
    for name in [name for name in sys.modules if name.startswith("components.kinds.nearest")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made: dict[str, Example] = {}

    def make_once(kind: str) -> Example:
        if kind not in made:
            module = importlib.import_module(f"tests.kinds.{kind}.example")
            made[kind] = module.make_example(tmp_path_factory.mktemp(kind))
        return made[kind]

    return make_once


def parts_of(example: Example) -> Parts:
    return example.trained.best.parts


def rows_of(example: Example, count: int = 20) -> list[dict[str, object]]:
    """Return rows of the hold-out as a client sends them."""
    return json_rows(pl.read_parquet(example.prepared.splits["test"].path).head(count), example.contract)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_folder_with_files_of_fixed_names(kind: str) -> None:
    folder, found = kind_folders()[kind], find_kind(kind)
    assert (folder / "inference.py").is_file()
    assert (folder / "workload.py").is_file()
    assert (found.name, folder.name) == (kind, kind)
    assert found.targets
    assert set(found.takes) <= TYPES.keys()
    assert (REPOSITORY / "tests" / "kinds" / kind / "example.py").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_answers_with_imports_nothing_but_what_is_packed(kind: str) -> None:
    for name, file in source_files(kind).items():
        if name.startswith(f"components/kinds/{kind}/"):
            ours = re.findall(
                r"^\s*from ((?:components|data_contracts|tasks|flows|deployments)[\w.]*)", file.read_text(), re.M
            )
            assert [one for one in ours if not f"{one}.".startswith(SERVED)] == [], name
            assert not [one for one in ours if one.startswith("components.kinds.") and f".{kind}" not in one], name


@pytest.mark.parametrize("kind", KINDS)
def test_the_trainer_answers_what_the_graph_answers(kind: str, make: Make) -> None:
    example = make(kind)
    split = example.prepared.splits["test"]
    for candidate in example.trained.candidates:
        given = find_kind(kind).predict_file(candidate.parts, example.contract, split.path)
        own = trainer_answers(candidate, "test", split.rows)
        assert differences(given, own.reshape(len(own), -1)).max() < 1e-4, candidate.name


@pytest.mark.parametrize("kind", KINDS)
def test_many_rows_are_answered_as_each_is_alone(kind: str, make: Make) -> None:
    example = make(kind)
    path, predictor = example.prepared.splits["test"].path, inference_of(kind).open(parts_of(example), example.contract)
    many = find_kind(kind).predict_file(parts_of(example), example.contract, path)
    service = predict_file(RowByRow(predictor, example.contract), example.contract, path)
    np.testing.assert_allclose(many, service, atol=1e-5)
    alone = [predictor.predict(predictor.tensors([row])) for row in read_rows(rows_of(example, 3), example.contract)]
    np.testing.assert_allclose(np.concatenate(alone), many[:3], atol=1e-5)
    assert len(find_kind(kind).batches(parts_of(example), example.contract).predict(empty(example))) == 0


def empty(example: Example) -> object:
    from components.data.record_batches import record_batch

    frame = pl.read_parquet(example.prepared.splits["test"].path).head(0)
    return record_batch(frame.select([field.name for field in example.contract.inputs]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_of_every_type_becomes_an_answer(kind: str, make: Make) -> None:
    example, inference = make(kind), inference_of(kind)
    decoder, predictor = RowDecoder(example.contract, 100), inference.open(parts_of(example), example.contract)
    expected = predictor.predict(predictor.tensors(read_rows(rows_of(example), example.contract)))
    asked = decoder.decode(msgspec.json.encode(rows_of(example)))
    answers = predictor.predict(predictor.tensors(asked))
    np.testing.assert_array_equal(answers, expected)
    named = example.shape.named(example.shape.rounded(answers))
    assert all(len(values) == len(asked) for values in named.values())
    for claimed in inference.media_types:
        bodies = {name: body for name, body in example.bodies.items() if fnmatch.fnmatch(name, claimed)}
        assert bodies, f"the example of {kind} has no body of {claimed}"
        for name, body in bodies.items():
            rows = decoder.check(inference.read_body(body, name, example.contract))
            assert np.isfinite(predictor.predict(predictor.tensors(rows))).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_cannot_be_read_are_told_and_the_others_are_as_they_are_alone(kind: str, make: Make) -> None:
    example = make(kind)
    predictor = inference_of(kind).open(parts_of(example), example.contract)
    rows, places = read_rows(rows_of(example, 5), example.contract), (1, 3)
    large = [place for place, field in enumerate(example.contract.inputs) if field.dtype == "bytes"]
    if not large:
        pytest.skip(f"{kind} looks into no value")
    asked = [
        tuple(b"nothing" if at in large and number in places else value for at, value in enumerate(row))
        for number, row in enumerate(rows)
    ]
    with pytest.raises(InvalidRows) as refused:
        predictor.tensors(asked)
    assert tuple(one.row for one in refused.value.unread) == places
    alone = predictor.tensors([row for number, row in enumerate(rows) if number not in places])
    assert alone.keys() == refused.value.others.keys()
    for name, values in alone.items():
        np.testing.assert_array_equal(values, refused.value.others[name])


@pytest.mark.parametrize("kind", KINDS)
def test_of_large_values_a_kind_says_little_and_the_same_whoever_asks(kind: str, make: Make) -> None:
    """A column is numbers, texts or vectors, one a row, small, and does not depend on the rows beside it."""
    example, inference = make(kind), inference_of(kind)
    rows = pl.read_parquet(example.prepared.splits["test"].path).head(20)
    for field in example.contract.inputs:
        if not value_type(field.dtype).is_large:
            continue
        values = [*rows[field.name].to_list(), None]
        made, again = described(inference, field, values), described(inference, field, values)
        alone = [described(inference, field, [value]) for value in values]
        assert described(inference, field, []).keys() == made.keys()
        for name, column in made.items():
            assert len(column) == len(values), name
            if column.ndim == 2:
                assert (column.dtype, 2 <= column.shape[1] <= 64) == (np.float32, True), name
            else:
                assert column.dtype in (np.float64, object), name
                assert all(column.dtype != object or value is None or isinstance(value, str) for value in column), name
                assert max(len(str(value)) for value in column) < 100, name
            np.testing.assert_array_equal(column, again[name])
            np.testing.assert_array_equal(column, np.concatenate([one[name] for one in alone]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_nobody_knows_is_refused_by_name(kind: str, make: Make) -> None:
    example = make(kind)
    with pytest.raises(InvalidRow) as refused:
        RowDecoder(example.contract, 100).check([rows_of(example)[0] | {"nobody": 1}])
    assert refused.value.field == "nobody"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_a_kind_does_not_take_is_refused_in_one_line(kind: str, make: Make) -> None:
    example, found = make(kind), find_kind(kind)
    other = next((name for name in sorted(TYPES) if name not in found.takes), None)
    if other is None:
        pytest.skip(f"{kind} takes every type")
    contract = msgspec.structs.replace(
        example.contract, fields=(*example.contract.fields, FieldSpec(name="odd", dtype=other, description="Odd"))
    )
    workload = parse_workload({**WORKLOAD, "kind": kind}, "odd.yaml")
    with pytest.raises(WorkloadError, match=rf"'kind': {kind} takes fields of the types .*'odd'.* is of type {other}"):
        check_kind(workload, contract)


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_opens_with_its_named_graphs_and_answers_from_its_packed_sources_alone(
    kind: str, make: Make, tmp_path: Path
) -> None:
    example, code, asked = make(kind), tmp_path / "code", tmp_path / "rows.json"
    build = open_build(sealed(example, kind, tmp_path / "build"))
    parts = parts_of(example)
    assert (build.parts().graphs.keys(), build.parts().assets.keys()) == (parts.graphs.keys(), parts.assets.keys())
    copy_sources(code, kind)
    asked.write_bytes(msgspec.json.encode(rows_of(example)))
    command = [sys.executable, "-P", "-c", ANSWER, str(build.path), str(asked), ",".join(HEAVY)]
    environment = os.environ | {"PYTHONPATH": str(code)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    answers, heavy = msgspec.json.decode(done.stdout)
    predictor = inference_of(kind).open(parts, example.contract)
    np.testing.assert_array_equal(
        np.array(answers, dtype=np.float32),
        predictor.predict(predictor.tensors(read_rows(rows_of(example), example.contract))),
    )
    assert heavy == []


def test_candidates_of_any_names_are_compared_judged_shown_and_registered(make: Make, home: Home) -> None:
    """Nothing outside a kind's folder knows what its candidates are called: this one has three of its own."""
    example, names = make("nearest"), ["means", "medians", "scaled"]
    trained, room = example.trained, home.room("work")
    assert [one.name for one in trained.candidates] == names
    assert trained.comparison is not None
    workload = parse_workload({**WORKLOAD, "kind": "nearest", "goal": SORTS, "features": []}, "iris.yaml")
    evidence = evaluated(example, workload, room)
    rivals = {one.name: one.detail for one in evidence.measures if one.name.startswith("gain_over_") and not one.slice}
    assert set(rivals) == {"gain_over_base_rate", "gain_over_baseline", "gain_over_other"}
    assert {rivals["gain_over_other"], trained.chosen} <= set(names)
    report = judge(evidence, GatesPart.of(workload))
    assert {"goal", "baseline"} <= {verdict.gate for verdict in report.verdicts}
    page = render_dossier(Subject(workload, example.contract, evidence, report, trained=trained))
    assert re.findall(r'<td class="name">(means|medians|scaled)</td><td>(\w+)</td>', page) == [
        ("means", "baseline"),
        ("medians", "challenger"),
        ("scaled", "challenger"),
    ]
    registered = registered_run(example, room, home)
    assert {one.data.tags["candidate"]: one.data.tags["chosen"] for one in registered} == {
        name: str(name == trained.chosen).lower() for name in names
    }


def test_a_goal_and_a_floor_may_ask_for_a_metric_of_the_kinds_own(make: Make, home: Home) -> None:
    example, floor = make("nearest"), {"metric": "margin", "at_least": 0.999}
    document = {**WORKLOAD, "kind": "nearest", "features": [], "split": {"by": "random"}}
    asked = parse_workload({**document, "goal": SORTS}, "iris.yaml")
    accurate = SORTS | {"metric": "accuracy"}
    floored = parse_workload({**document, "goal": accurate, "gates": {"floors": [floor]}}, "iris.yaml")
    for workload in (asked, floored):
        check_against_contract(workload, example.contract)
    evidence = evaluated(example, asked, home.room("goal"))
    whole, gain = evidence.find("margin"), evidence.find("gain_over_baseline")
    assert whole is not None
    assert gain is not None
    assert whole.low is not None
    assert -1 < whole.low < whole.value < whole.high < 1  # type: ignore[operator]
    assert gain.unit == "margin"
    goal = next(one for one in judge(evidence, GatesPart.of(asked)).verdicts if one.gate == "goal")
    assert (goal.state, goal.reason[:20]) == ("passed", "The mean margin is 0")
    below = judge(evaluated(example, floored, home.room("floor")), GatesPart.of(floored))
    assert {one.gate: one.state for one in below.verdicts}["floor-margin"] == "failed"
    with pytest.raises(WorkloadError, match=r"'goal.metric': margin cannot judge 'sort'.*: macro_f1, accuracy"):
        check_against_contract(asked.model_copy(update={"kind": "tabular"}), example.contract)
    wrong = parse_workload({**document, "goal": SORTS | {"direction": "at_most"}}, "iris.yaml")
    with pytest.raises(WorkloadError, match="margin is better the larger it is: say at_least"):
        check_against_contract(wrong, example.contract)


def evaluated(example: Example, workload: Workload, room: Path) -> Evidence:
    kind, trained = find_kind(workload.kind), example.trained
    part = EvaluationPart.of(workload)
    found = evaluate(
        trained, trained.as_trained, example.prepared, part, example.contract, kind.predict_file, room / "evaluated"
    )
    return read_evidence(found.evidence)


def registered_run(example: Example, room: Path, home: Home) -> list[Any]:
    """Register a build of the example and return the runs of its candidates."""
    from mlflow import MlflowClient

    folder, trained = room / "build", example.trained
    folder.mkdir(parents=True)
    (folder / "card.md").write_text("# iris")
    record = TrainingRecord.model_validate(trained.model_dump())
    made = {
        "data": {"snapshot": "iris", "splits": {}},
        "code": {"commit": None},
        "training": record.model_dump(mode="json"),
    }
    write_json(folder / "provenance.json", made)
    asked = json_rows(pl.read_parquet(example.prepared.splits["test"].path).head(3), example.contract)
    said = trainer_answers(trained.best, "test", example.prepared.splits["test"].rows)[:3].tolist()
    write_json(folder / "golden.json", Golden(rows=asked, columns=example.shape.columns, answers=said, tolerance=1e-5))
    facts = RunFacts(gates_passed=True, metrics={}, parameters={}, metric="accuracy", tags={"goal": "tell sorts"})
    registered = register_build(open_build(sealed(example, "nearest", folder)), facts, home, Settings())
    client = MlflowClient(registered.tracking_uri)
    experiment = client.get_run(registered.run_id).info.experiment_id
    return list(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{registered.run_id}'"))
