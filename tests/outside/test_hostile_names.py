"""One workload whose words are in everybody else's alphabet, in a home that is too: built, promoted, served, exported.

Its people have addresses, of which one is looked for in everything that was written and printed.
"""

import csv
import json
import random
import tarfile
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.outside.places import Place

pytestmark = pytest.mark.outside

# Names that Polars, pandas, MLflow, Evidently and Slipway have for things of their own.
NUMBERS = ["count", "len", "index", "target", "weights", "data", "split"]
TEXTS = ["code", "prediction", "literal", "id", "name"]
VALUES = ["[/x]", "[cart]", "a=b|c", ":smile:", "50%", "<b>", "</script>"]
CLASSES = ["<=50K", "C++", "50%"]
CANARY = "kanarienvogel@example.org"

CONTRACT = """
from datetime import datetime
from typing import Literal
from data_contracts.contract import Contract, Expectation, column


class Order(Contract):
    '''One order.'''

    quarantine_tolerance = 0.5
    expectations = (
        Expectation(expectation="ExpectColumnValuesToNotBeNull", arguments={"column": "mail"}),
    )
    at: datetime = column("When", roles=("time",), example="2024-05-05T08:15:00")
    mail: str = column("Whose", roles=("pii",), max_length=80)
"""
WORKLOAD = {
    "goal": {
        "statement": "Tell the [/class] of an order: cross-entropy at most 5, p95 under 900 ms, training under 1 USD, "
        "serving under 1 USD per 1,000.",
        "metric": "cross_entropy",
        "direction": "at_most",
        "threshold": 5,
        "latency_p95_ms": 900,
        "training_usd": 1,
        "serving_usd_per_1000": 1,
    },
    "name": "hostile",
    "kind": "tabular",
    "contract": "data_contracts.hostile:Order",
    "source": {"path": "data.csv"},
    "split": {
        "by": "time",
        "train": {"start": "2024-01-01", "end": "2024-06-30"},
        "validation": {"start": "2024-07-01", "end": "2024-08-15"},
        "test": {"start": "2024-08-16", "end": "2024-10-15"},
        "monitor": {"start": "2024-10-16", "end": "2024-12-31"},
    },
    "features": [
        {"transform": "standardise", "fields": NUMBERS},
        {"transform": "category", "fields": TEXTS},
        {"transform": "frequency", "fields": TEXTS},
    ],
    "model": {"epochs": 1, "batch_size": 256, "hidden": [8]},
    "gates": {
        "beat_baseline_by": -1,
        "baseline_margin": 9,
        "slice_margin": 9,
        "slice_gap": 9,
        "calibration_error": 1,
        "undecided": "pass",
    },
    "serving": {"port": 18081, "variants": {"allow": []}},
}


def row_of(place: int, random: random.Random) -> dict[str, object]:
    first = random.random()
    return {
        "at": (datetime(2024, 1, 1) + timedelta(hours=place * 6)).isoformat(),
        "mail": CANARY if place % 7 == 0 else f"somebody{place}@example.org",
        **{name: round(first if name == "count" else random.random(), 3) for name in NUMBERS},
        **{name: random.choice(VALUES) for name in TEXTS},
        # A row in fifty breaks the contract and goes to quarantine.
        "late": "unheard of" if place % 50 == 0 else CLASSES[min(2, int(first * 2 + random.random()))],
    }


@pytest.fixture
def hostile(place: Place) -> Place:
    place.home = place.folder.parent / "50% of a?b#c [x] ü"
    drawn = random.Random(5)
    rows = [row_of(number, drawn) for number in range(1_460)]
    with (place.folder / "data.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    (place.folder / "data_contracts").mkdir()
    columns = [f'    {name}: float | None = column("A number")' for name in NUMBERS]
    columns += [f'    {name}: str = column("A text", roles=("slice",), max_length=64)' for name in TEXTS]
    label = f'    late: Literal{CLASSES} = column("The class", roles=("label",), available="after")'
    text = CONTRACT + "\n".join([*columns, label, ""])
    (place.folder / "data_contracts" / "hostile.py").write_text(text)
    # JSON is YAML.
    (place.folder / "hostile.yaml").write_text(json.dumps(WORKLOAD))
    return place


def holds(path: Path, text: str) -> bool:
    """Return whether a text stands in a file, also in what is packed in it."""
    if text.encode() in path.read_bytes():
        return True
    if path.suffix == ".parquet":
        return text in str(pq.read_table(path).to_pydict())
    if path.suffix == ".bento":
        with tarfile.open(path) as archive:
            return any(text.encode() in archive.extractfile(one).read() for one in archive if one.isfile())  # type: ignore[union-attr]
    return False


def test_any_name_goes_through_a_whole_run_and_no_address_leaves_the_data(hostile: Place) -> None:
    printed = [hostile.run("slipway", "run", "hostile.yaml", "--verbose", expect=0)]
    printed.append(hostile.run("slipway", "status", "hostile.yaml", expect=0))
    bento = hostile.folder / "out.bento"
    printed.append(hostile.run("slipway", "export", "hostile.yaml", bento, expect=0))
    served = hostile.serve("hostile.yaml")
    golden = json.loads(next(hostile.home.glob("builds/*/golden.json")).read_text())
    for path in ("/v1/predict", "/v1/explain", "/openapi.json", "/docs", "/metrics"):
        asked = urllib.request.Request(f"{served.url}{path}", headers={"Content-Type": "application/json"})
        asked.data = json.dumps(golden["rows"][0]).encode() if path.startswith("/v1/") else None
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert CANARY not in answer.read().decode()
    told = "".join(done.stdout + done.stderr for done in printed)
    assert "Traceback" not in told
    assert "[/class]" in told
    assert "data_contracts.hostile:Order" in next(hostile.home.glob("builds/*/card.md")).read_text()

    # The rows that were read, and the splits of them: the data themselves.
    data = {"snapshots", "prepared"}
    written = [path for path in hostile.home.rglob("*") if path.is_file()]
    kept = [path for path in written if path.relative_to(hostile.home).parts[0] not in data]
    assert any(holds(path, CANARY) for path in written)
    assert [str(path) for path in [*kept, bento, served.log] if holds(path, CANARY)] == []
    assert CANARY not in told
    assert not (hostile.home.parent / "50% of a").exists()
    recall = [path for path in hostile.home.rglob("evidence.json") if "recall_<=50K" in path.read_text()]
    assert recall
