"""No value of a pii field leaves the training data: a canary is planted, and looked for in all that is written."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artefacts.errors import ContractError, HostError, WorkloadError
from components.data.pseudonyms import made_up_value, pii_key, without_pii
from components.data.quarantine import validate_snapshot
from components.data.sources.snapshots import take_snapshot
from components.declaration.features import FeatureStep
from components.declaration.source import Source
from components.features.recipe import check_step
from components.settings import Home
from data_contracts.contract import Contract, column
from data_contracts.description.spec import Expectation, FieldSpec
from data_contracts.language.drift_schema import drift_schema
from data_contracts.language.frame_schema import frame_schema
from data_contracts.language.row_checks import keeps
from data_contracts.language.validation import check_dataset

CANARY = "kanarienvogel@example.org"
NUMBER = 4_917_612_345_678


class Person(Contract):
    """Somebody who asks for something."""

    quarantine_tolerance = 0.9
    expectations = (
        Expectation(expectation="ExpectColumnValuesToBeInSet", arguments={"column": "mail", "value_set": ["nobody"]}),
    )
    mail: str = column("Address", roles=("pii",), max_length=64)
    phone: int | None = column("Number", roles=("pii", "identifier"), ge=10)
    code: str | None = column("Short", roles=("pii",), max_length=4, pattern="^[a-z]+$", example="abcd")
    born: date | None = column("Day of birth", roles=("pii",), le=date(2020, 1, 1))
    seen: datetime | None = column("Last visit", roles=("pii",))
    amount: float = column("Price", ge=0)
    late: bool = column("label", roles=("label",), available="after")


ROW: dict[str, Any] = {
    "mail": CANARY,
    "phone": NUMBER,
    "code": "wxyz",
    "born": date(1971, 3, 7),
    "seen": datetime(2024, 2, 29, 1, 2, 3),
    "amount": 1.0,
    "late": True,
}
# As a text and as Python shows a date; no digest in hexadecimal digits can hold one by chance.
TRACES = (CANARY, str(NUMBER), "wxyz", "1971-03", "(1971, 3", "2024-02-29", "(2024, 2, 29")


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([ROW | row for row in rows], schema=frame_schema(Person.spec()))


def test_rows_without_pii_keep_the_contract_and_hold_no_value(home: Home) -> None:
    contract = Person.spec()
    found = without_pii(frame({}, {"mail": "other"}, {"phone": None}), contract, home)
    assert found.select(keeps(contract)).to_series().all()
    assert not any(trace in str(found.to_dicts()) for trace in TRACES)
    assert found["mail"][0] == found["mail"][2] != found["mail"][1]
    assert found["phone"].is_null().to_list() == [False, False, True]
    assert found["amount"].to_list() == [1.0, 1.0, 1.0]
    assert without_pii(frame({}), contract, home).equals(found.head(1))
    assert without_pii(frame({}), contract, Home(home.root / "other"))["mail"][0] != found["mail"][0]


def test_only_its_owner_reads_the_key(home: Home) -> None:
    assert len(pii_key(home)) == 32
    assert home.room("keys", "pii.key").stat().st_mode & 0o077 == 0


@settings(deadline=None)
@given(st.integers(-(2**50), 2**50), st.integers(0, 2**50), st.sampled_from(["integer", "number"]))
def test_a_value_that_is_made_up_keeps_the_bounds(low: int, width: int, dtype: Any) -> None:
    field = FieldSpec(name="x", dtype=dtype, description="", ge=low, le=low + width)
    assert low <= made_up_value(field) <= low + width


def test_a_field_that_nothing_is_known_for_says_what_to_do() -> None:
    with pytest.raises(ContractError, match=r"'x' is pii, and no value is known .* give it an example"):
        made_up_value(FieldSpec(name="x", dtype="number", description="", gt=0))


def test_the_example_of_bytes_stands_in_for_them_as_bytes() -> None:
    field = FieldSpec(name="scan", dtype="bytes", description="", media_type="a/b", max_bytes=9, example="AAEC")
    assert made_up_value(field) == b"\x00\x01\x02"


def test_quarantine_holds_hashes_and_the_place_of_a_row(home: Home, tmp_path: Path) -> None:
    bad = [{"amount": -1.0}, {"amount": -2.0, "mail": "x" * 80}, {}]
    frame(*bad).write_parquet(tmp_path / "people.parquet")
    contract = Person.spec()
    snapshot = take_snapshot(Source(path=str(tmp_path / "people.parquet")), contract, home)
    validated = validate_snapshot(snapshot, contract, home, "people")
    assert validated.quarantined == 2
    assert validated.quarantine is not None
    refused = pl.read_parquet(validated.quarantine)
    assert not any(trace in str(refused.to_dicts()) for trace in (*TRACES, "xxxx"))
    assert refused["amount"].to_list() == [-1.0, -2.0]
    assert refused["position"].len() == 2


def test_quarantine_holds_no_text_that_could_not_be_read(home: Home, tmp_path: Path) -> None:
    text = f"mail,phone,code,born,seen,amount,late\nx,{CANARY},abcd,,,1,true\ny,12,abcd,,,1,true\n"
    (tmp_path / "people.csv").write_text(text)
    contract = Person.spec()
    snapshot = take_snapshot(Source(path=str(tmp_path / "people.csv")), contract, home)
    validated = validate_snapshot(snapshot, contract, home, "people")
    assert validated.quarantine is not None
    refused = str(pl.read_parquet(validated.quarantine).to_dicts())
    assert "phone" in refused
    assert CANARY not in refused


def test_a_source_of_which_nothing_can_be_read_is_refused_without_its_values(home: Home, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"mail,phone,code,born,seen,amount,late\nx,{CANARY},abcd,,,1,true\n")
    with pytest.raises(ContractError, match="phone") as refused:
        take_snapshot(Source(path=str(tmp_path / "people.csv")), Person.spec(), home)
    assert CANARY not in str(refused.value)


def test_pages_about_expectations_show_no_value(tmp_path: Path) -> None:
    (found,) = check_dataset(frame({}, {}).lazy(), 2, Person.spec(), tmp_path / "docs")
    assert not found.success
    assert CANARY not in found.observed
    pages = [path for path in (tmp_path / "docs").rglob("*") if path.is_file()]
    assert pages
    assert not any(CANARY.encode() in path.read_bytes() for path in pages)


def test_a_pii_field_is_no_feature_and_no_slice_and_is_not_watched() -> None:
    contract = Person.spec()
    assert drift_schema(contract).numbers == ("amount",)
    assert drift_schema(contract).categories == ()
    with pytest.raises(WorkloadError, match="'mail' is pii"):
        check_step(FeatureStep(transform="category", fields=("mail",)), contract)

    class Sliced(Contract):
        """Cut by name."""

        mail: str = column("Address", roles=("pii", "slice"))
        late: bool = column("label", roles=("label",), available="after")

    with pytest.raises(TypeError, match="pii and slice"):
        Sliced.spec()


def test_a_key_is_whole_or_refused(home: Home) -> None:
    key = pii_key(home)
    assert pii_key(home) == key
    path = home.room("keys", "pii.key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["pii.key"]
    path.write_bytes(b"")
    with pytest.raises(HostError, match="has 0 of 32 bytes: delete it, and a new one is made"):
        pii_key(home)
