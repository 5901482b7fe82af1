"""What expectations compare the data with may change while the data do not: then they are asked again."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from prefect import flow

from components.artefacts.errors import ContractError
from components.data.results import Expected
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.run_ledger import recorded_run
from components.settings import Home
from flows.status import status_of
from tasks.expect import expect
from tasks.ingest import ingest
from tasks.validate import validate

CONTRACT = """
from datetime import datetime

from data_contracts.contract import Contract, column
from data_contracts.description.spec import Expectation


class Order(Contract):
    '''An order.'''

    placed: datetime = column("when", roles=("time",))
    shop: str = column("where")
    late: bool = column("label", roles=("label",), available="after")
    expectations = (Expectation(expectation={expectation!r}, arguments={arguments!r}),)
"""


@flow
def up_to_expect(workload: Workload, home: Home) -> Expected:
    contract = contract_of(workload)
    validated = validate(ingest(workload.source, contract, home), contract, workload.name, home)
    return expect(validated, contract, workload.name, home)


@pytest.fixture
def shop(tmp_path: Path, home: Home, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes a workload with one expectation, on orders of half an hour ago."""
    moments = [datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=30)] * 200
    rows = pl.DataFrame({"placed": moments, "shop": ["a", "b"] * 100, "late": [True, False] * 100})
    rows.write_parquet(tmp_path / "orders.parquet")
    monkeypatch.syspath_prepend(tmp_path)
    # What a run keeps is read in the home that the environment names.
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))

    def made(module: str, expectation: str, arguments: dict[str, Any]) -> Path:
        (tmp_path / f"{module}.py").write_text(CONTRACT.format(expectation=expectation, arguments=arguments))
        monkeypatch.delitem(sys.modules, module, raising=False)
        changes = {
            "name": module,
            "contract": f"{module}:Order",
            "source": {"path": str(tmp_path / "orders.parquet")},
            "gates": {},
            "features": [{"transform": "category", "fields": ["shop"]}],
        }
        file = tmp_path / "shop.yaml"
        file.write_text(yaml.safe_dump(document | changes))
        return file

    return made


def run(file: Path, home: Home) -> dict[str, Any]:
    workload = read_workload(str(file))
    with recorded_run(home, workload.name, "build"):
        up_to_expect(workload, home)
    return {stage.stage: stage for stage in status_of(str(file), home).stages}


def test_freshness_is_judged_in_each_run_and_status_says_why(shop: Any, home: Home, orchestrator: Path) -> None:
    file = shop("fresh_orders", "ExpectColumnToBeFresh", {"column": "placed", "max_age_hours": 1})
    run(file, home)
    again = run(file, home)
    assert [again[stage].state for stage in ("ingest", "validate", "expect")] == ["cached", "cached", "ran"]
    assert again["expect"].why == "data: clock that ExpectColumnToBeFresh asks changed"


def test_known_values_are_read_again_when_their_file_changes(
    shop: Any, home: Home, tmp_path: Path, orchestrator: Path
) -> None:
    known = tmp_path / "known.parquet"
    pl.DataFrame({"shop": ["a", "b", "c"]}).write_parquet(known)
    given = {"column": "shop", "path": str(known), "known_column": "shop"}
    file = shop("known_orders", "ExpectColumnValuesToBeKnown", given)
    run(file, home)
    assert run(file, home)["expect"].state == "cached"
    pl.DataFrame({"shop": ["a", "b", "d"]}).write_parquet(known)
    assert run(file, home)["expect"].why == f"data: known values in {known} changed"
    pl.DataFrame({"shop": ["a"]}).write_parquet(known)
    with pytest.raises(ContractError, match=r"expects ExpectColumnValuesToBeKnown .* observed 0.5"):
        run(file, home)
