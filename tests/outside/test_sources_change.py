"""A source that is a function: other rows, and another module that it imports, are seen by the next build."""

import json
import random
import shutil

import pytest

from tests.outside.conftest import CASES
from tests.outside.places import Place

pytestmark = pytest.mark.outside


def build(place: Place) -> tuple[dict[str, str], float]:
    """Build, and return the state of each stage and the model's AUC on the hold-out."""
    place.run("slipway", "build", "stale.yaml", expect=0)
    told = json.loads(place.run("slipway", "status", "stale.yaml", "--json", expect=0).stdout)
    (evidence, *_) = sorted(place.home.glob("builds/**/evidence.json"), key=lambda path: path.stat().st_mtime)[::-1]
    measures = json.loads(evidence.read_text())["measures"]
    auc = next(one["value"] for one in measures if one["name"] == "auc" and one.get("slice") is None)
    return {stage["stage"]: stage["state"] for stage in told["stages"]}, auc


def test_new_rows_and_a_changed_module_reach_the_model(place: Place) -> None:
    shutil.copytree(CASES / "stale", place.folder, dirs_exist_ok=True)
    _, learnt = build(place)
    assert learnt > 0.6
    rows = (place.folder / "data.csv").read_text().splitlines()
    labels = [row.rpartition(",")[2] for row in rows[1:]]
    random.Random(3).shuffle(labels)
    mixed = [f"{row.rpartition(',')[0]},{label}" for row, label in zip(rows[1:], labels, strict=True)]
    (place.folder / "data.csv").write_text("\n".join([rows[0], *mixed, ""]))
    states, guessed = build(place)
    assert (states["ingest"], states["train"]) == ("ran", "ran")
    assert abs(guessed - 0.5) < 0.1
    clean = place.folder / "data_contracts" / "clean.py"
    clean.write_text(clean.read_text().replace("1000", "3"))
    states, _ = build(place)
    assert (states["ingest"], states["prepare"]) == ("ran", "ran")
