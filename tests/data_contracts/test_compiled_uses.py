"""The signature in MLflow and the drift reference schema are compiled from the contract, and say what it says."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import validate_schema
from mlflow.models.utils import _enforce_schema
from mlflow.types import Schema

from components.artefacts.errors import DataError
from components.declaration.monitoring import Monitoring
from components.monitoring.drift import compare_windows
from data_contracts.contract import Contract, column
from data_contracts.delay_band import BandedFlight
from data_contracts.description.spec import ContractSpec
from data_contracts.flights import Flight
from data_contracts.language.drift_schema import drift_schema
from data_contracts.language.frame_schema import frame_schema
from data_contracts.language.model_signature import signature_inputs


class Order(Contract):
    """One field of every type."""

    name: str = column("name", max_length=5)
    kind: Literal["a", "b"] | None = column("kind")
    level: Literal[1, 2] = column("level")
    pieces: int | None = column("pieces", ge=0)
    price: float = column("price")
    gift: bool = column("gift")
    placed: datetime = column("placed", roles=("time",))
    due: date | None = column("due")
    delay: float | None = column("known afterwards", available="after")
    late: bool = column("label", roles=("label",), available="after")


CONTRACTS = [Order.spec(), Flight.spec(), BandedFlight.spec()]
ROW = {
    "name": "x", "kind": "a", "level": 1, "pieces": 3, "price": 1.5, "gift": True, "placed": datetime(2020, 1, 2),
    "due": date(2020, 1, 3), "delay": 2.0, "late": False,
}  # fmt: skip


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_the_signature_asks_for_what_a_request_holds(contract: ContractSpec) -> None:
    columns = signature_inputs(contract)
    assert [entry["name"] for entry in columns] == [field.name for field in contract.inputs]
    assert {entry["name"] for entry in columns if not entry["required"]} == {
        field.name for field in contract.inputs if field.nullable
    }


def as_people_have_them() -> dict[str, pl.DataFrame | pd.DataFrame]:
    rows = [ROW, ROW | {"pieces": None, "kind": None, "due": None}]
    inputs = [field.name for field in Order.spec().inputs]
    frame = pd.DataFrame(rows)[inputs]
    return {
        "typed": pl.DataFrame(rows, schema=frame_schema(Order.spec())).select(inputs).to_pandas(),
        "gaps": frame,
        "whole": frame.assign(price=[1, 2]),
        "NA": frame.convert_dtypes(),
        "text": frame.assign(placed="2020-01-02T00:00:00", due="2020-01-03"),
        "left out": frame.drop(columns=["pieces", "kind", "due"]),
    }


@pytest.mark.parametrize("form", as_people_have_them())
def test_mlflow_lets_through_what_the_contract_takes_and_changes_none_of_it(form: str) -> None:
    frame = as_people_have_them()[form]
    found = _enforce_schema(frame, Schema.from_json(json.dumps(signature_inputs(Order.spec()))))
    assert set(found.columns) == set(frame.columns)
    for name in frame.columns:
        before, after = (
            table[name].astype(object).where(table[name].notna(), None).tolist() for table in (frame, found)
        )
        assert before == after


def test_a_field_that_must_be_there_is_asked_for_by_mlflow() -> None:
    schema = Schema.from_json(json.dumps(signature_inputs(Order.spec())))
    with pytest.raises(MlflowException, match="missing inputs"):
        validate_schema(pd.DataFrame([ROW]).drop(columns="price"), schema)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_field_known_before_the_label_is_compared_once(contract: ContractSpec) -> None:
    schema = drift_schema(contract)
    moments = [field.name for field in contract.inputs if field.dtype in ("datetime", "date")]
    assert sorted([*schema.numbers, *schema.categories, *moments]) == sorted(field.name for field in contract.inputs)
    types = frame_schema(contract)
    assert all(types[name].is_numeric() for name in schema.numbers)
    assert not any(types[name].is_numeric() for name in schema.categories)


def test_a_reference_that_does_not_fit_the_contract_is_refused(tmp_path: Path) -> None:
    reference = pl.DataFrame([ROW], schema=frame_schema(Order.spec()))
    windows = {"2020-01": reference}
    with pytest.raises(DataError, match="the reference has no column price, which Order has: build it again"):
        compare_windows(reference.drop("price"), windows, Order.spec(), Monitoring(), tmp_path, seed=0)
    with pytest.raises(DataError, match="2020-01 has no column gift"):
        compare_windows(reference, {"2020-01": reference.drop("gift")}, Order.spec(), Monitoring(), tmp_path, seed=0)
