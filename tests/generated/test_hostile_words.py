"""Generated workload files, contracts and rows: a finished run or one clear line, never a traceback.

The draws follow from the tests alone (``derandomize``), so that a failure comes again everywhere; each that was found
stands as an example of its own.
"""

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.artefacts.errors import SlipwayError
from components.catalog import check_kind, find_kind, kind_options
from components.data.preparation import prepare
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.features.recipe import check_step
from components.settings import Home
from data_contracts.description.spec import ContractSpec
from tests.generated.hostile import SCALARS, Raw, Table, as_yaml, changed, contracts, leaves, names, texts

pytestmark = pytest.mark.slow

MODULE = "hostile_orders"
GOAL = {
    "statement": "AUC at least 0.5, p95 under 500 ms, training under 1 USD, serving under 1 USD per 1,000.",
    "metric": "auc",
    "direction": "at_least",
    "threshold": 0.5,
    "latency_p95_ms": 500,
    "training_usd": 1,
    "serving_usd_per_1000": 1,
}
PLAIN = """
from datetime import date, datetime
from typing import Literal
from data_contracts.contract import Contract, column

class Order(Contract):
    '''An order.'''
    at: datetime = column("When", roles=("time",))
    day: date | None = column("Day")
    amount: float | None = column("Price", ge=0)
    pieces: int | None = column("Pieces", ge=0, le=1000)
    city: str = column("Where to", roles=("slice", "group"), max_length=64)
    kind: Literal["a", "b", "NO"] = column("Kind")
    flag: bool | None = column("Gift")
    returned: bool = column("Was sent back", roles=("label",), available="after")
"""
WHOLE: dict[str, Any] = {
    "goal": GOAL,
    "name": "orders",
    "kind": "tabular",
    "contract": f"{MODULE}:Order",
    "source": {"path": "data.csv", "separator": ",", "null_values": ["", "NA"], "format": "csv"},
    "split": {
        "by": "time",
        "train": {"start": "2024-01-01", "end": "2024-06-30"},
        "validation": {"start": "2024-07-01", "end": "2024-08-15"},
        "test": {"start": "2024-08-16", "end": "2024-10-15"},
        "gap_days": 0,
    },
    "audit": {"duplicates": 0.1},
    "features": [
        {"transform": "category", "fields": ["city", "kind"], "min_count": 2},
        {"transform": "standardise", "fields": ["amount", "pieces", "flag"]},
        {"transform": "clip", "fields": ["amount"], "low": 0, "high": 5},
    ],
    "model": {
        "epochs": 2,
        "hidden": [16],
        "baseline": {"max_depth": 3},
        "search": {"trials": 2, "ranges": {"dropout": {"low": 0.1, "high": 0.2}}},
    },
    "gates": {
        "undecided": "pass",
        "sensitive": ["city"],
        "costs": {"false_alarm": 1, "miss": 2},
        "floors": [{"metric": "recall", "of": "yes", "at_least": 0.1}],
        "behaviour": [
            {
                "name": "asked",
                "where": {"city": "Oslo"},
                "set": {"kind": "a", "at": "2024-01-01T00:00:00"},
                "add": {"pieces": 1},
                "expect": "same",
            }
        ],
    },
    "serving": {"port": 18080, "variants": {"allow": ["fp16"]}},
    "monitoring": {"window": "week"},
    "seed": 3,
}
GENERATED = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that contracts are imported from."""
    made = tmp_path_factory.mktemp("hostile")
    sys.path.insert(0, str(made))
    (made / f"{MODULE}.py").write_text(PLAIN)
    yield made
    sys.path.remove(str(made))
    sys.modules.pop(MODULE, None)


def checked(text: str, folder: Path) -> tuple[Workload, ContractSpec]:
    """Read a workload file and check all of it that is checked before anything runs."""
    path = folder / "orders.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    workload = read_workload(str(path))
    kind_options(workload)
    with warnings.catch_warnings():
        # As for a user: pydantic warns of names that hide its own methods.
        warnings.simplefilter("ignore")
        contract = contract_of(workload)
    check_kind(workload, contract)
    for step in workload.features:
        check_step(step, contract)
    return workload, contract


def one_line(error: SlipwayError) -> None:
    """Fail unless an error is one line that a terminal can show."""
    text = str(error)
    assert text.strip()
    assert len(text.splitlines()) == 1, text
    assert len(text) < 3_000, text
    assert "Traceback" not in text


@st.composite
def files(draw: st.DrawFn) -> str:
    """A sound workload file with a few places changed: another word, a key more, one less, one twice, a cut."""
    document: Any = WHOLE
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(leaves(document)))
        found = document
        for key in place:
            found = found[key]
        words = st.sampled_from(SCALARS).map(Raw) | texts | st.just({}) | st.just([]) | st.integers() | st.floats()
        if isinstance(found, dict) and draw(st.booleans()):
            key = draw(st.sampled_from(["NO", "1", "count", "<<", "x y", "[a]", "''"]).map(Raw) | names)
            new: Any = {**found, key: draw(words)}
        elif isinstance(found, dict) and found and draw(st.booleans()):
            kept = dict(found)
            kept.pop(draw(st.sampled_from(list(found))))
            new = kept
        else:
            new = draw(words)
        if isinstance(found, (dict, list)) and not isinstance(new, dict) and len(place) < 2 and draw(st.booleans()):
            continue
        document = changed(document, place, new)
    text = (
        as_yaml(document)
        if not isinstance(document, dict)
        else "\n".join(f"{k}: {as_yaml(v)}" for k, v in document.items())
    )
    if draw(st.integers(0, 9)) == 0:
        text += "\n" + draw(st.sampled_from(text.splitlines() or [""]))
    if draw(st.integers(0, 19)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


@settings(GENERATED, max_examples=1_200)
@given(text=files())
def test_any_workload_file_is_taken_or_refused_in_one_line(text: str, folder: Path) -> None:
    sys.modules.pop(MODULE, None)
    (folder / f"{MODULE}.py").write_text(PLAIN)
    importlib.invalidate_caches()
    try:
        workload, _ = checked(text, folder)
    except SlipwayError as error:
        one_line(error)
    else:
        assert workload.model_dump_json()


def declared(table: Table, **changes: Any) -> str:
    """Return a workload file for a contract: every field a feature, in the transform that takes its type."""
    by_type: dict[str, list[str]] = {}
    for name, kind in table.fields.items():
        by_type.setdefault(kind, []).append(name)
    transforms = {"str": "category", "int": "standardise", "float": "standardise", "bool": "standardise"}
    steps = [
        {"transform": transforms.get(kind, "time_of_day" if kind == "datetime" else "season"), "fields": fields}
        for kind, fields in by_type.items()
    ]
    metric = {"metric": "auc"} | changes.pop("goal", {})
    whole = {
        "goal": {**GOAL, **metric},
        "name": "orders",
        "kind": "tabular",
        "contract": f"{MODULE}:Order",
        "source": {"path": "data.csv"},
        "split": {"by": "random", "train": 0.5, "validation": 0.25, "test": 0.25, "min_class_rows": 1},
        "features": steps,
    }
    return "\n".join(f"{key}: {as_yaml(value)}" for key, value in (whole | changes).items())


def goal_of(module: str, label: str) -> dict[str, Any]:
    """Return a goal that the label of a generated contract can be judged by."""
    kind = module.partition(f"{label!r}: (")[2] or module
    line = next(line for line in module.splitlines() if line.strip().startswith(f"{label!r}: ("))
    del kind
    if "(bool" in line:
        return {"metric": "auc"}
    if "Literal" in line:
        return {"metric": "accuracy"}
    return {"metric": "mae", "direction": "at_most"}


def at_home(table: Table, folder: Path) -> None:
    sys.modules.pop(MODULE, None)
    (folder / f"{MODULE}.py").write_text(table.module)
    # Modules of one second and one size would be taken from their compiled form.
    for compiled in folder.glob("__pycache__/*"):
        compiled.unlink()
    importlib.invalidate_caches()


@settings(GENERATED, max_examples=500)
@given(table=contracts())
def test_any_contract_is_taken_or_refused_in_one_line(table: Table, folder: Path) -> None:
    at_home(table, folder)
    try:
        checked(declared(table, goal=goal_of(table.module, table.label)), folder)
    except SlipwayError as error:
        one_line(error)


@settings(GENERATED, max_examples=300)
@given(table=contracts(rows=24), ending=st.sampled_from(["csv", "parquet", "jsonl", "arrow"]), seed=st.integers(0, 9))
def test_any_rows_are_prepared_or_refused_in_one_line(
    table: Table, ending: str, seed: int, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at_home(table, folder)
    place = tmp_path_factory.mktemp("rows")
    file = place / f"data.{ending}"
    write(table, file)
    split = {"by": "random", "train": 0.4, "validation": 0.3, "test": 0.3, "min_class_rows": 1, "seed": seed}
    try:
        text = declared(table, goal=goal_of(table.module, table.label), source={"path": str(file)}, split=split)
        workload, contract = checked(text, folder)
        home = Home(place / "home")
        snapshot = take_snapshot(workload.source, contract, home)
        assert snapshot.rows == len(table.rows)
        validated = validate_snapshot(snapshot, contract, home, where=workload.name)
        assert validated.rows + validated.quarantined == len(table.rows)
        prepare(validated, workload.split, workload.features, contract, home, find_kind("tabular").preparation)
    except SlipwayError as error:
        one_line(error)


def write(table: Table, file: Path) -> None:
    """Write rows as a file of the ending's format, times as text in text formats."""
    frame = pl.DataFrame({name: [row[name] for row in table.rows] for name in table.rows[0]}, strict=False)
    if file.suffix == ".csv":
        frame.write_csv(file)
    elif file.suffix == ".jsonl":
        # Polars writes what JSON cannot hold as null.
        frame.with_columns(pl.selectors.temporal().cast(pl.String)).write_ndjson(file)
    else:
        (frame.write_parquet if file.suffix == ".parquet" else frame.write_ipc)(file)
