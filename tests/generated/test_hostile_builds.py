# ruff: noqa: E501
"""Whole builds of tables with hostile names and values: trained, judged, packaged, registered and printed."""

import importlib
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from components.run_ledger import recorded_run
from components.settings import Home
from flows.build_model import BuildOutcome
from flows.run_tables import print_run
from tests.generated.hostile import NAMES, TEXTS
from tests.tasks.staging import Staged, stage_all

pytestmark = pytest.mark.slow

# Names that stand beside a row's own columns, or that pydantic does not take for fields.
TAKEN = {
    "position", "reasons", "label", "request_id", "row", "answered_at", "build", "values", "codes", "probability", "value",
    "quantile_1", "model_config", "model_fields", "__class__", "__dict__", "__init__", "_private", "spec", "expectations",
    "quarantine_tolerance", "schema", "json", "copy", "dict",
}  # fmt: skip
ROWS = 400
SEEDS = range(8)


def table(seed: int, label: str) -> tuple[str, dict[str, str], pl.DataFrame]:
    """Return the text of a contract's module, its fields by type and rows whose label can be learnt."""
    draws = random.Random(seed)
    usable = [name for name in NAMES if name not in TAKEN and name.isidentifier()]
    names = draws.sample(usable, 7)
    kinds = dict(zip(names, ["str", "str", "int", "float", "bool", "datetime", "date"], strict=True))
    words = {name: draws.sample([text for text in TEXTS if len(text) < 100], 6) for name in names[:2]}
    classes = draws.sample([text for text in TEXTS if 0 < len(text) < 60 and text.strip()], 3)
    target = draws.choice([name for name in usable if name not in names])
    rows: list[dict[str, Any]] = []
    for number in range(ROWS):
        score = draws.gauss(0, 1)
        rows.append(
            {
                names[0]: draws.choice(words[names[0]]),
                names[1]: words[names[1]][int(score > 0) + 2 * draws.randrange(3)],
                names[2]: None if number % 11 == 5 else draws.randrange(-3, 9),
                names[3]: score,
                names[4]: score > 0.3,
                names[5]: datetime(2024, 1, 1) + timedelta(hours=13 * number),
                names[6]: (datetime(2024, 1, 1) + timedelta(days=number)).date(),
                target: {"bool": score + draws.gauss(0, 1) > 0, "float": score + draws.gauss(0, 1)}.get(
                    label, classes[min(2, int(abs(score + draws.gauss(0, 0.5))))]
                ),
            }
        )
    annotations = {"datetime": "datetime.datetime", "date": "datetime.date"}
    roles = {names[0]: ("slice",), names[1]: ("slice",), names[2]: ("identifier",), names[5]: ("time",)}
    lines = [
        f"    {name!r}: ({annotations.get(kind, kind)} | None, column({draws.choice(TEXTS)!r}, roles={roles.get(name, ())!r})),"
        for name, kind in kinds.items()
    ]
    answer = f"Literal[{', '.join(map(repr, classes))}]" if label == "str" else label
    lines.append(f"    {target!r}: ({answer}, column({draws.choice(TEXTS)!r}, roles=('label',), available='after')),")
    module = (
        "import datetime\nfrom typing import Literal\nfrom pydantic import create_model\n"
        "from data_contracts.contract import Contract, column\n"
        "Order = create_model('Order', __base__=Contract, **{\n" + "\n".join(lines) + "\n})\n"
    )
    return module, kinds, pl.DataFrame(rows)


def workload(module: str, kinds: dict[str, str], file: Path, label: str) -> dict[str, Any]:
    names = list(kinds)
    goals = {
        "bool": {"metric": "auc", "direction": "at_least", "threshold": 0.5},
        "str": {"metric": "accuracy", "direction": "at_least", "threshold": 0.01},
        "float": {"metric": "mae", "direction": "at_most", "threshold": 100},
    }
    goal = goals[label]
    return {
        "goal": {
            **goal,
            "statement": f"It is at least or at most {goal['threshold']}, p95 under 500 ms, training under 1 USD, serving under 1 USD.",
            "latency_p95_ms": 500,
            "training_usd": 1,
            "serving_usd_per_1000": 1,
        },
        "name": "orders",
        "kind": "tabular",
        "contract": f"{module}:Order",
        "source": {"path": str(file)},
        "split": {"by": "random", "train": 0.6, "validation": 0.2, "test": 0.2, "min_class_rows": 1},
        "features": [
            {"transform": "category", "fields": names[:2]},
            {"transform": "standardise", "fields": names[2:5]},
            {"transform": "time_of_day", "fields": [names[5]]},
            {"transform": "season", "fields": [names[6]]},
        ],
        "model": {"epochs": 1, "hidden": [8], "baseline": {"n_estimators": 5}},
        "gates": {"undecided": "pass", "baseline_margin": 1, "sensitive": [names[0]], "calibration_error": 1},
        "serving": {"variants": {"allow": []}},
    }


def built(seed: int, label: str, folder: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Staged:
    text, kinds, rows = table(seed, label)
    module = f"hostile_build_{seed}"
    (folder / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    file = folder / "data.parquet"
    rows.write_parquet(file)
    document = workload(module, kinds, file, label)
    try:
        with recorded_run(home, "orders", "build-model"):
            return stage_all(yaml.safe_load(yaml.safe_dump(document)), home)
    finally:
        sys.modules.pop(module, None)


def outcome_of(staged: Staged) -> BuildOutcome:
    """Return what the flow hands to whoever prints it."""
    return BuildOutcome(**dict(staged.inputs), packaged=staged.packaged, registered=staged.registered)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_of_hostile_words_is_built(
    seed: int, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    label = ("bool", "str", "float")[seed % 3]
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    staged = built(seed, label, tmp_path, home, monkeypatch)
    assert staged.registered.build_id
    outcome = outcome_of(staged)
    print_run(home, outcome)
    printed = " ".join(capsys.readouterr().out.split())
    assert staged.registered.build_id in printed
