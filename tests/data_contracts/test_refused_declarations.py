"""What a contract may not declare, because not every judge of a row would keep it; and that it is said by field."""

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal

import annotated_types
import pyarrow as pa
import pytest
from pydantic import ConfigDict, Field, Strict, StringConstraints, computed_field, create_model, model_validator
from pydantic import field_validator as checked

from data_contracts.contract import Contract, column
from data_contracts.description.spec import ContractSpec, Expectation
from deployments.data_plane.documents.openapi_schemas import field_schema
from deployments.data_plane.formats.request import InvalidRow, RowDecoder
from deployments.data_plane.tables.checks import check_table

LABEL = (bool, column("label", roles=("label",), available="after"))


def spec_of(annotation: Any, declared: Any = None, name: str = "f") -> ContractSpec:
    fields: dict[str, Any] = {name: (annotation, column("a field") if declared is None else declared), "late": LABEL}
    contract: type[Contract] = create_model("Made", __base__=Contract, **fields)
    return contract.spec()


@pytest.mark.parametrize(
    ("annotation", "declared", "told"),
    [
        (
            int,
            column("f", available_at="after"),
            'does not take available_at; .* write available="after"; it takes roles',
        ),
        (int, column("f", rols=("label",)), r"does not take rols; write roles=\('label',\); it takes roles"),
        (int, column("f", multiple_of=5), "does not take multiple_of; it takes roles, available, unit, example, ge"),
        (int, column("f", default=3), "does not take default"),
        (int, column("f", strict=False), "does not take strict"),
        (int, column("f", roles=("idetifier",)), "unknown role 'idetifier'; known: label, time, group"),
        (int, column("f", roles="identifier"), r"roles='identifier' is one text; .* write roles=\('identifier',\)"),
        (int, column("f", roles=3), "roles=3 is not a tuple"),
        (int, column("f", roles=("time",)), "the role 'time' is for a datetime or a date, not for type integer"),
        (int, column("f", available="later"), "available='later' is neither 'before'"),
        (int, column("f", unit=3), "unit=3 is not text"),
        (int, column("f", example={1}), r"example=\{1\} is no text, number, boolean or list of numbers"),
        (float, column("f", gt=0, ge=0.0001), "ge=0.0001 and gt=0 both bound it"),
        (float, column("f", lt=5, le=3), "le=3 and lt=5 both bound it"),
        (float, column("f", ge=float("nan")), "ge=nan of type number must be a finite number"),
        (int, column("f", ge=True), "ge=True of type integer must be a finite number"),
        (int, column("f", le=10**30), "must be a finite number of at most 64 bits"),
        (bool, column("f", ge=0), "ge says nothing about type boolean"),
        (str, column("f", ge="a"), "ge says nothing about type string"),
        (int, column("f", min_length=1), "min_length says nothing about type integer"),
        (str, column("f", min_length=True), "min_length=True must be a whole number"),
        (datetime, column("f", ge=date(2020, 1, 1)), "of type datetime must be a datetime without a zone"),
        (
            datetime,
            column("f", ge=datetime(2020, 1, 1, tzinfo=UTC)),
            "of type datetime must be a datetime without a zone",
        ),
        (date, column("f", gt=date.max), "leaves no date that could be good"),
        (datetime, column("f", lt=datetime.min), "leaves no datetime that could be good"),
        (Literal["a", "b"], column("f", max_length=1), "max_length beside Literal"),
        (Literal[1, True], None, "allowed values must be all strings or all integers"),
        (Literal[2**70], None, "an integer has at most 64 bits"),
        (str, column("f", pattern="^[[:alpha:]]+$"), r"engines disagree on '\[\[:alpha:\]\]' in the pattern"),
        (str, column("f", pattern="^(a$"), r"the pattern '\^\(a\$' does not compile: .*unterminated subpattern"),
        (Annotated[str, StringConstraints(to_lower=True)], None, "to_lower=True.* is a rule that only pydantic knows"),
        (Annotated[str, Field(pattern=r"\d")], None, r"engines disagree on '\\d'"),
        (Annotated[int, Field(ge=3)], column("f", ge=4), "ge is given twice, as 4 and as 3"),
        (Annotated[int, Field(ge=3)] | None, None, "rules inside a union"),
        (Annotated[int, annotated_types.Predicate(bool)], None, "is a rule that only pydantic knows"),
        (Annotated[int, "years"], None, "'years' is a rule that only pydantic knows"),
        (Annotated[int, Strict(False)], None, "less strict than the other judges"),
        (float, Field(allow_inf_nan=True), "less strict than the other judges"),
        (int, Field(multiple_of=2), "is a rule that only pydantic knows; known to all are ge, gt"),
        (int, 3, "a default, which no other judge of a row knows"),
        (int, Field(default_factory=int), "a default, which no other judge of a row knows"),
        (int, Field(alias="F"), "an alias, which no other judge of a row knows"),
        (int, Field(validation_alias="F"), "an alias, which no other judge of a row knows"),
        (bytes, column("f", max_bytes=9), r"type bytes needs media_type=..., for instance media_type='image/\*'"),
        (bytes, column("f", media_type="image/*"), "type bytes needs max_bytes=..., for instance max_bytes=1_000_000"),
        (bytes, column("f", media_type="picture", max_bytes=9), "media_type='picture' is no media type"),
        (bytes, column("f", media_type="image/*", max_bytes=0), "max_bytes=0 must be a whole number of bytes from 1"),
        (bytes, column("f", media_type="image/*", max_length=9), r"says nothing about type bytes: .*max_bytes"),
        (bytes, column("f", media_type="image/*", max_bytes=9, roles=("group",)), "the role 'group' is for values"),
        (bytes, column("f", media_type="image/*", max_bytes=9, example="AB"), "example='AB' is no value of the field"),
        (str, column("f", max_bytes=9), "max_bytes says nothing about type string"),
        (int, column("f", media_type="image/*"), "media_type says nothing about type integer"),
        (list[float], None, "type vector needs max_length=..., for instance max_length=768"),
        (list[float], column("f", min_length=3, max_length=2), "min_length=3 is more than max_length=2"),
        (list[float], column("f", max_length=2, ge=0), "ge says nothing about type vector"),
        (list[float], column("f", max_length=2, example=[1, 2, 3]), "is no value of the field: Expected"),
        (list[int], column("f", max_length=2), r"type list\[int\] is not one of str, int, float"),
    ],
)
def test_a_field_that_judges_would_read_differently_is_refused_by_name(
    annotation: Any, declared: Any, told: str
) -> None:
    with pytest.raises(TypeError, match=f"^field f: .*{told}"):
        spec_of(annotation, declared)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("position", "a column of the quarantine file"),
        ("reasons", "a column of the quarantine file"),
        ("label", "a column of the features file"),
        ("answered_at", "a column of the prediction log"),
        ("codes", "a tensor of the model's graph"),
        ("probability", "a column of the answers"),
    ],
)
def test_a_field_is_not_called_like_what_is_written_beside_it(name: str, told: str) -> None:
    with pytest.raises(TypeError, match=f"^field {name}: {told} is called so"):
        spec_of(int, name=name)


@pytest.mark.parametrize(
    ("label", "taken", "free"),
    [
        (float, ["value", "quantile_0"], ["probability", "probability_a"]),
        (
            Literal["a", "b", "c"],
            ["probability_a", "probabilities", "trainer_probability_a"],
            ["value", "quantile_0", "probability", "trainer_b"],
        ),
        (bool, ["probability", "exported_probability"], ["value", "quantile_0", "probability_a"]),
        (Literal["a", "b"], ["probability", "exported_probability"], ["value", "quantile_0", "probability_a"]),
    ],
)
def test_which_names_are_taken_depends_on_what_is_answered(label: Any, taken: list[str], free: list[str]) -> None:
    def contract(name: str) -> ContractSpec:
        answer = (label, column("label", roles=("label",), available="after"))
        made: type[Contract] = create_model("Made", __base__=Contract, **{name: (int, column("f")), "answer": answer})
        return made.spec()

    for name in taken:
        with pytest.raises(TypeError, match=f"^field {name}: a column of the answers is called so"):
            contract(name)
    assert [contract(name).fields[0].name for name in free] == free


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (bool | None, "the label may be missing.*quarantine_tolerance"),
        (float | None, "the label may be missing"),
        (Literal["a", "b"] | None, "the label may be missing"),
        (date, "a date cannot be a label"),
        (datetime, "a datetime cannot be a label"),
        (str, r"a label of any text cannot be learnt: name its classes, as in Literal\['a', 'b'\]"),
    ],
)
def test_a_label_that_cannot_be_learnt_is_refused(annotation: Any, told: str) -> None:
    label = (annotation, column("label", roles=("label",), available="after"))
    contract: type[Contract] = create_model("Made", __base__=Contract, answer=label)
    with pytest.raises(TypeError, match=f"^field answer: {told}"):
        contract.spec()


class Row(Contract):
    """A row."""

    n: int = column("n")
    late: bool = LABEL[1]


class Validated(Row):
    """A validator of a field."""

    @checked("n")
    @classmethod
    def odd(cls, value: int) -> int:
        return value


class Weighed(Row):
    """A validator of the whole."""

    @model_validator(mode="after")
    def balanced(self) -> "Weighed":
        return self


class Doubled(Row):
    """A field that is computed."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.n


class Replaced(Row):
    """One of the base's own validators, replaced."""

    @checked("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        return value


class Hooked(Row):
    """Code that runs after a row was made."""

    def model_post_init(self, context: Any) -> None:
        pass


class Loose(Row):
    """Less strict than the others."""

    model_config = ConfigDict(strict=False)


class Tolerant(Row):
    """A tolerance that is no share."""

    quarantine_tolerance: ClassVar[float] = 5


class Expecting(Row):
    """Expectations that are none."""

    expectations: ClassVar[Any] = ("ExpectColumnToExist",)


class Storing(Row):
    """An argument that no JSON can hold."""

    expectations: ClassVar[tuple[Expectation, ...]] = (
        Expectation(expectation="ExpectColumnToExist", arguments={"column": object()}),
    )


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (Validated, r"Validated.odd \(field n\) is code, which row checks and request decoder cannot run"),
        (Weighed, "Weighed.balanced is code"),
        (Doubled, "Doubled.twice is code"),
        (Replaced, "Replaced replaces _storable"),
        (Hooked, "Hooked replaces model_post_init"),
        (Loose, "Loose: model_config has strict=False"),
        (Tolerant, "Tolerant: quarantine_tolerance is a share from 0 to 1, not 5"),
        (Expecting, "Expecting: expectations must be a tuple of Expectation"),
        (Storing, "Storing cannot be stored as contract.json"),
    ],
)
def test_what_only_pydantic_would_obey_is_refused(contract: type[Contract], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        contract.spec()


def test_rules_given_in_other_ways_are_compiled() -> None:
    code = Annotated[str, StringConstraints(min_length=1, max_length=2, pattern="^[a-z]+$", strict=True)]
    (field, _) = spec_of(code).fields
    assert (field.min_length, field.max_length, field.pattern) == (1, 2, "^[a-z]+$")
    (field, _) = spec_of(Annotated[int, annotated_types.Interval(ge=1, lt=9)]).fields
    assert (field.ge, field.lt) == (1, 9)
    (field, _) = spec_of(Annotated[int, Field(ge=3)], column("f", le=5)).fields
    assert (field.ge, field.le) == (3, 5)


def test_a_label_may_be_called_label_and_a_contract_may_be_inherited() -> None:
    contract: type[Contract] = create_model("Made", __base__=Contract, label=LABEL)
    assert contract.spec().label.name == "label"
    assert [field.name for field in Row.spec().fields] == ["n", "late"]


def test_the_decoder_names_the_row_and_the_field_that_is_out_of_its_moments() -> None:
    contract = spec_of(date | None, column("due", gt=date(2024, 5, 31), lt=date(2024, 7, 1)), name="due")
    decoder = RowDecoder(contract, max_rows=5)
    assert len(decoder.decode(b'[{"due": "2024-06-01"}, {"due": null}, {"due": "2024-06-30"}]')) == 3
    for value, told in (("2024-05-31", "before 2024-06-01"), ("2024-07-01", "after 2024-06-30")):
        with pytest.raises(InvalidRow, match=f"row 1, field due: {told}"):
            decoder.decode(json.dumps([{"due": None}, {"due": value}]).encode())
    with pytest.raises(InvalidRow, match="row 0, field due: before 2024-06-01"):
        decoder.check([{"due": "2024-05-31"}])


def test_bounds_and_patterns_are_told_in_the_openapi_schema() -> None:
    (field, _) = spec_of(date | None, column("due", gt=date(2024, 5, 31), le=date(2024, 7, 1))).fields
    assert field_schema(field) == {
        "type": ["string", "null"],
        "format": "date",
        "description": "due, not before 2024-06-01, not after 2024-07-01",
        "x-earliest": "2024-06-01",
        "x-latest": "2024-07-01",
    }
    (field, _) = spec_of(str, column("code", pattern="^a.$")).fields
    assert field_schema(field)["pattern"] == r"^a[^\n]$"


@pytest.mark.parametrize(
    ("dtype", "values", "told"),
    [
        (date, pa.array([None, date(2023, 12, 31)]), "row 1, field f: before 2024-01-01"),
        (date, pa.array([datetime(2024, 1, 2, 3)]), "row 0, field f: a date has no time of day"),
        (datetime, pa.array([None, datetime(2023, 12, 31, 23)]), "row 1, field f: before 2024-01-01 00:00:00"),
        (datetime, pa.array([2**60], pa.timestamp("us")), "row 0, field f: not in the years 1 to 9999"),
    ],
)
def test_columns_out_of_their_moments_are_refused_with_row_and_reason(dtype: Any, values: pa.Array, told: str) -> None:
    first = date(2024, 1, 1) if dtype is date else datetime(2024, 1, 1)
    contract = spec_of(dtype | None, column("f", ge=first))
    with pytest.raises(InvalidRow, match=f"^{told}$"):
        check_table(pa.table({"f": values}), contract)
