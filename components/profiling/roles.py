"""What each column is to the model: a feature, the time, the group, or left out with a reason."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from components.artefacts.errors import WorkloadError
from components.profiling.columns import Column, Table
from components.profiling.label import Label

Role = Literal["label", "time", "group", "feature", "left out"]

_IDENTIFIER = re.compile(r"(?:^|[\s_.-])(?:id|uuid|guid|key|index|no|nr|number|ssn|iban|rownames?)$", re.IGNORECASE)
_INDEX_NAMES = frozenset(["", "unnamed: 0", "index", "rownames", "row", "row_number", "rowid"])
_BIRTH = re.compile(r"birth|dob|born|since|expir|created_by", re.IGNORECASE)
_ENTITY = re.compile(
    r"^(?:customer|client|user|patient|subject|person|account|member|household|store|shop|device|machine|session|"
    r"school|hospital|player|team)s?(?:[\s_.-]?(?:id|no|nr|number|key))?$",
    re.IGNORECASE,
)
_EMAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"
_PHONE = r"^\+?[0-9][0-9 ()/.-]{6,18}[0-9]$"
_PERSON = re.compile(
    r"^(?:(?:first|last|full|sur|family|given|middle|customer|patient|client|user)[\s_.-]?name|e-?mail(?:[\s_.-]?address)?|"
    r"phone(?:[\s_.-]?(?:no|number))?|mobile|telephone|ssn|social[\s_.-]?security(?:[\s_.-]?number)?|passport(?:[\s_.-]?no)?|"
    r"iban|street(?:[\s_.-]?address)?|home[\s_.-]?address)$",
    re.IGNORECASE,
)
# Words a value, and different values of a hundred, from which on a text is prose and no category.
PROSE_WORDS, PROSE_SHARE = 5, 0.3
MOST_MISSING = 0.98


@dataclass(frozen=True)
class Placed:
    """A column and what it is to the model; ``why`` is for people."""

    column: Column
    role: Role
    why: str = ""
    pii: bool = False


def place_columns(table: Table, label: Label, time: str | None, group: str | None) -> tuple[Placed, ...]:
    """Return the role of every column, in order; WorkloadError for a name that is none, or cannot have its role."""
    when = _time(table, label, time)
    whose = _group(table, label, group, when)
    return tuple(_placed(column, table, label, when, whose) for column in table.columns)


def _placed(column: Column, table: Table, label: Label, when: str | None, whose: str | None) -> Placed:
    if column.name == label.column.name:
        return Placed(column, "label")
    if column.name == when:
        return Placed(column, "time")
    if column.name == whose:
        return Placed(column, "group")
    reason, pii = _useless(column, table)
    return Placed(column, "left out", reason, pii) if reason else Placed(column, "feature")


def _useless(column: Column, table: Table) -> tuple[str, bool]:
    """Return why nothing can be learnt from a column, and whether it names people; empty if something can."""
    if column.dtype is None:
        return "its values are lists, structures or bytes", False
    if column.share_missing == 1:
        return "it has no value", False
    if column.distinct <= 1:
        return f"it is always {column.example!r}", False
    if column.share_missing > MOST_MISSING:
        return f"{column.share_missing:.1%} of its values are missing", False
    values = table.sample.get_column(column.name).drop_nulls()
    if _names_people(column, values):
        return "it seems to name people (pii): no feature may, for a model keeps what it learnt from", True
    if wrong := _identifier(column, values):
        return wrong, False
    if column.is_text and _is_prose(column, values):
        return "it is prose: the tabular kind has no transform for long text yet", False
    return "", False


def _names_people(column: Column, values: pl.Series) -> bool:
    if not column.is_text or column.distinct < 3:
        return False
    if _PERSON.match(column.name.strip()):
        return True
    some = values.unique().head(500)
    return any(float(some.str.contains(form).mean() or 0) > 0.9 for form in (_EMAIL, _PHONE))  # type: ignore[arg-type]


def _identifier(column: Column, values: pl.Series) -> str:
    """Return why a column tells rows apart and nothing else."""
    known = column.rows - column.missing - column.bad
    each_once = known > 20 and column.distinct == known
    if column.dtype == "integer":
        steps = values.diff().drop_nulls()
        counts_up = each_once and bool(steps.n_unique() == 1)
        if counts_up or (column.name.strip().lower() in _INDEX_NAMES and each_once):
            return "it counts the rows"
        named = each_once or column.distinct > 0.9 * known
        return (
            "it is an identifier by its name, and hardly a value is there twice"
            if (named and _IDENTIFIER.search(column.name.strip()))
            else ""
        )
    if column.is_text and known > 20 and column.distinct > 0.9 * known and not _is_prose(column, values):
        return "nearly every row has a value of its own: it tells rows apart and nothing else"
    return ""


def _is_prose(column: Column, values: pl.Series) -> bool:
    some = values.head(2_000)
    words = float(some.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
    return words > PROSE_WORDS and some.n_unique() > PROSE_SHARE * len(some)


def _time(table: Table, label: Label, given: str | None) -> str | None:
    if given is not None:
        column = _known(table, given, "--time")
        if column.dtype not in ("date", "datetime"):
            raise WorkloadError(
                f"--time: '{given}' holds {column.dtype}, for instance {column.example!r}: it must be days or moments"
            )
        return given
    moments = [
        one
        for one in table.columns
        if one.dtype in ("date", "datetime")
        and one.name != label.column.name
        and not one.share_missing
        and not _BIRTH.search(one.name)
        and (one.high - one.low).days >= 30
        and one.distinct >= 30
    ]
    return moments[0].name if len(moments) == 1 else None


def _group(table: Table, label: Label, given: str | None, when: str | None) -> str | None:
    if given is not None:
        column = _known(table, given, "--group")
        if column.distinct < 10:
            raise WorkloadError(f"--group: '{given}' has {column.distinct} values: a split by group needs ten or more")
        return given
    if when is not None:
        return None
    entities = [
        one
        for one in table.columns
        if one.name != label.column.name
        and one.dtype in ("integer", "string")
        and _ENTITY.match(one.name.strip())
        and 30 <= one.distinct <= one.rows / 2
        and not one.share_missing
    ]
    return entities[0].name if len(entities) == 1 else None


def _known(table: Table, name: str, option: str) -> Column:
    if name not in table.names:
        raise WorkloadError(f"{option}: there is no column '{name}'; columns: {', '.join(table.names)}")
    return table.column(name)
