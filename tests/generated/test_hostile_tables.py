"""Tables of hostile names, classes and cells on the whole way of their data, up to every page that tells of them.

Between the contracts and rows that are only read (``test_hostile_words``) and the few whole builds
(``test_hostile_builds``): a small training, then what is said of it in each alphabet. A table follows from its seed.
"""

import contextlib
import importlib
import io
import random
import re
import sys
import warnings
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.validation import _validate_batch_log_data
from prometheus_client.parser import text_string_to_metric_families

from components.artefacts.errors import SlipwayError
from components.catalog import find_kind
from components.data.audit.leakage import audit
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.results import Expected
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import contract_of, parse_workload
from components.evaluation.evaluate import evaluate
from components.evaluation.evidence import Evidence, read_evidence
from components.gates.judge import Context, judge
from components.progress import report
from components.registry.names import safe_name
from components.registry.run import flattened
from components.reports.dossier import render_dossier
from components.reports.model_card import write_card
from components.reports.subject import Subject
from components.settings import Home, Settings
from deployments.data_plane.telemetry.exposition import render
from deployments.data_plane.telemetry.metrics import Metrics
from flows.drawing import open_console
from flows.run_tables import _gates
from tasks.pages import table as page_of
from tests.generated.hostile import NAMES, TEXTS
from tests.generated.test_hostile_builds import TAKEN
from tests.generated.test_hostile_words import one_line

pytestmark = pytest.mark.slow

# Two and a half seconds each.
SEEDS = range(70)
ROWS = 120
KINDS = ["str", "int", "float", "bool", "datetime", "date"]
ANNOTATIONS = {"datetime": "datetime.datetime", "date": "datetime.date"}
LARGE = [1e30, -3e38, 5e-324, -0.0, float("nan"), float("inf")]
HUGE = [1e308, -1e308, 3.5e38]
HEAD = (
    "import datetime\nfrom typing import Literal\nfrom pydantic import create_model\n"
    "from data_contracts.contract import Contract, column\n"
    "class Base(Contract):\n    '''A row.'''\n    quarantine_tolerance = 0.9\n"
)
TRANSFORMS = {"str": "category", "datetime": "time_of_day", "date": "season"}
GOALS = {
    "bool": {"metric": "auc", "direction": "at_least", "threshold": 0.5},
    "str": {"metric": "accuracy", "direction": "at_least", "threshold": 0.01},
    "float": {"metric": "mae", "direction": "at_most", "threshold": 100},
}


class Drawn:
    """A contract's module, its fields by type, and a file of rows whose label can be learnt, somewhat."""

    def __init__(self, seed: int) -> None:
        self.draws = draws = random.Random(seed)
        self.label_kind = ("bool", "str", "float")[seed % 3]
        # One table in twelve may have names that are refused, and then no training.
        free = seed % 12 == 5
        usable = [name for name in NAMES if free or (name.isidentifier() and name not in TAKEN)]
        *names, self.label = draws.sample(usable, draws.randint(3, 8))
        self.kinds = {name: draws.choice(KINDS) for name in names} | {names[0]: "float", names[1]: "str"}
        self.words = {name: draws.sample(TEXTS, draws.randint(1, 6)) for name in names}
        self.classes = draws.sample([text for text in TEXTS if text], 3)
        # A column may be of one value, or of none.
        self.dull = {name: draws.choice([None, "same", "empty"]) for name in names if draws.random() < 0.15}
        # What is pii is no feature.
        self.pii = {name: ("pii",) for name in names[2:] if draws.random() < 0.1}
        self.frame = pl.DataFrame([self._row(number) for number in range(ROWS)], infer_schema_length=None)

    def _row(self, number: int) -> dict[str, Any]:
        draws = self.draws
        score = draws.gauss(0, 1)
        row: dict[str, Any] = {}
        for place, (name, kind) in enumerate(self.kinds.items()):
            dull = self.dull.get(name)
            if (dull == "empty" or draws.random() < 0.03) and place:
                row[name] = None
            elif dull == "same":
                row[name] = self._cell(name, kind, 0, 0.0)
            else:
                row[name] = self._cell(name, kind, number, score if not place else draws.gauss(0, 1))
        noisy = score + draws.gauss(0, 0.7)
        often = min(2, int(abs(noisy))) if number % 2 else number // 2 % 3
        told = {"bool": noisy > 0, "float": noisy, "str": self.classes[often]}
        row[self.label] = told[self.label_kind]
        return row

    def _cell(self, name: str, kind: str, number: int, score: float) -> Any:
        draws = self.draws
        odd = draws.random() < 0.02
        match kind:
            case "str":
                return draws.choice(TEXTS) if odd else draws.choice(self.words[name])
            case "int":
                return draws.choice([2**63 - 1, -(2**63), 2**53 + 1]) if odd else number % 7
            case "float":
                return draws.choice(HUGE if draws.random() < 0.1 else LARGE) if odd else score
            case "bool":
                return score > 0.2
            case "datetime":
                return (
                    draws.choice([datetime.min, datetime.max])
                    if odd
                    else datetime(2024, 1, 1) + timedelta(hours=7 * number)
                )
            case _:
                return draws.choice([date.min, date.max]) if odd else date(2024, 1, 1) + timedelta(days=number)

    def module(self) -> str:
        draws = self.draws
        lines = []
        for name, kind in self.kinds.items():
            roles = draws.choice(
                [(), (), (), ("slice",), ("slice",), ("group",), ("identifier",), self.pii.get(name, ())]
            )
            annotation = ANNOTATIONS.get(kind, kind)
            lines.append(f"    {name!r}: ({annotation} | None, column({draws.choice(TEXTS)!r}, roles={roles!r})),")
        answer = f"Literal[{', '.join(map(repr, self.classes))}]" if self.label_kind == "str" else self.label_kind
        lines.append(f"    {self.label!r}: ({answer}, column('label', roles=('label',), available='after')),")
        return HEAD + "Order = create_model('Order', __base__=Base, **{\n" + "\n".join(lines) + "\n})\n"

    def workload(self, module: str, file: Path) -> dict[str, Any]:
        by_kind: dict[str, list[str]] = {}
        for name, kind in self.kinds.items():
            if name in self.pii:
                continue
            by_kind.setdefault(TRANSFORMS.get(kind, "standardise"), []).append(name)
        goal, names = GOALS[self.label_kind], list(self.kinds)
        return {
            "goal": {
                **goal,
                "statement": f"{self.draws.choice(TEXTS)} at {goal['threshold']}, p95 under 500 ms, 1 USD.",
                "latency_p95_ms": 500,
                "training_usd": 1,
                "serving_usd_per_1000": 1,
            },
            "name": "orders",
            "kind": "tabular",
            "contract": f"{module}:Order",
            "source": {"path": str(file)},
            "split": {"by": "random", "train": 0.5, "validation": 0.25, "test": 0.25, "min_class_rows": 1},
            "features": [{"transform": one, "fields": fields} for one, fields in by_kind.items()],
            "model": {"epochs": 1, "hidden": [4], "baseline": {"n_estimators": 3, "max_depth": 2}},
            "gates": {"undecided": "pass", "baseline_margin": 1, "sensitive": [names[1]], "calibration_error": 1},
            "serving": {"variants": {"allow": []}},
        }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_is_told_of_everywhere_or_refused_in_one_line(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, module = Drawn(seed), f"hostile_table_{seed}"
    (tmp_path / f"{module}.py").write_text(drawn.module())
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    file = tmp_path / "data.parquet"
    drawn.frame.write_parquet(file)
    try:
        with warnings.catch_warnings():
            # As for a user: pydantic warns of names that hide its own methods, NumPy of what overflows.
            warnings.simplefilter("ignore")
            subject, card = _worked(drawn.workload(module, file), Home(tmp_path / "home"))
    except SlipwayError as error:
        one_line(error)
        return
    finally:
        sys.modules.pop(module, None)
    _check_pages(subject, card)
    _check_names(subject.evidence, drawn)
    _check_counts(drawn.classes)


def _worked(document: dict[str, Any], home: Home) -> tuple[Subject, str]:
    """Go the whole way of the data, by plain functions."""
    workload = parse_workload(yaml.safe_load(yaml.safe_dump(document)), where="orders.yaml")
    contract, kind, settings = contract_of(workload), find_kind(workload.kind), Settings()
    snapshot = take_snapshot(workload.source, contract, home)
    validated = validate_snapshot(snapshot, contract, home, where=workload.name)
    prepared = prepare(validated, workload.split, workload.features, contract, home, find_kind("tabular").preparation)
    audit(prepared, contract, workload.audit)
    trained = kind.train(prepared, workload, contract, home.room("training", "orders"), settings, report)
    folder = home.room("evaluations", "orders")
    evaluated = evaluate(
        trained,
        trained.as_trained,
        prepared,
        workload,
        contract,
        kind.predict_file,
        folder,
        ledger=home.store,
    )
    evidence = read_evidence(evaluated.evidence)
    verdicts = judge(evidence, workload, Context(measures=()))
    subject = Subject(workload, contract, evidence, verdicts, validated, Expected(), prepared, trained)
    return subject, write_card(subject)


class _Balanced(HTMLParser):
    """Sees which elements a page has: a word of a user's makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)


def _check_pages(subject: Subject, card: str) -> None:
    page = _Balanced()
    page.feed(render_dossier(subject))
    assert "x" not in page.names
    assert "<script>" not in card
    # Each line of a table is one line, with as many cells as its head.
    assert not re.search(r"^\|[^\n]*[^|\n]$", card, re.MULTILINE), card
    shown = page_of({measure.name: measure.value for measure in subject.evidence.measures})
    assert len(shown.splitlines()) == 2 + len({measure.name for measure in subject.evidence.measures})
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        open_console().print(_gates(subject.report))
    assert printed.getvalue()


def _check_names(evidence: Evidence, drawn: Drawn) -> None:
    names = [*drawn.kinds, *drawn.classes, *(measure.name for measure in evidence.measures)]
    names += [measure.slice for measure in evidence.measures if measure.slice]
    flat = flattened({name: {other: 1} for name, other in zip(names, names[::-1], strict=True)})
    params = [Param(safe_name(name), value) for name, value in flat.items()]
    metrics = [Metric(safe_name(name), 1.0, 0, 0) for name in names]
    _validate_batch_log_data(
        metrics[:1_000], params[:100], [RunTag(safe_name(name), name[:8_000]) for name in names[:100]]
    )
    assert len({one.key for one in params}) == len(params)


def _check_counts(classes: list[str]) -> None:
    metrics = Metrics()
    metrics.decisions.update(dict.fromkeys(classes, 2))
    labels = {"workload": "orders", "build": "orders-1"}
    told = render(metrics, labels, 0.1, ("probability", "What was answered.")).decode()
    found = {
        sample.labels["kind"]: sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == "slipway_decisions_total"
    }
    assert found == dict.fromkeys(classes, 2.0)
