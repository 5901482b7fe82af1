"""A split without a monitored period, or one without rows yet, is said and fails nothing."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from components.artefacts.build import Build
from components.data.results import Prepared
from components.declaration.loading import contract_of, parse_workload
from components.declaration.workload import Workload
from components.monitoring.monitor import Monitored, monitor_build
from components.settings import Home


def prepared_without(tmp_path: Path) -> Prepared:
    return Prepared(
        digest="d",
        path=tmp_path,
        assets={"recipe.json": tmp_path / "recipe.json"},
        splits={},
        facts={"values": (), "codes": {}},
    )


def monitored(document: dict[str, Any], split: dict[str, Any], home: Home, tmp_path: Path) -> Monitored:
    workload: Workload = parse_workload({**document, "split": split}, where="sample.yaml")
    # Of a build only its id is asked for: there is nothing to answer.
    build = cast(Build, SimpleNamespace(build_id="flights-abc"))
    return monitor_build(workload, contract_of(workload), build, prepared_without(tmp_path), home)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"by": "random"}, "a split by random has no later rows"),
        ({"monitor": None}, "split.monitor declares no period"),
        (
            {"monitor": {"start": date(2014, 1, 1), "end": date(2014, 2, 1)}},
            "no rows yet from 2014-01-01 to 2014-02-01",
        ),
    ],
)
def test_nothing_to_monitor_is_a_verdict_and_not_an_error(
    document: dict[str, Any], home: Home, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    split = changed if "by" in changed else {**document["split"], **changed}
    found = monitored(document, split, home, tmp_path)
    assert found.drift.verdict.startswith("nothing to look at: ")
    assert said in found.drift.verdict
    assert (found.quality, found.drift.windows) == ((), ())
    assert Monitored.model_validate_json(found.report.read_bytes()) == found
