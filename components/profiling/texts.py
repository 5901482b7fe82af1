"""What a column of texts holds: numbers, days, moments, yes and no, or words; and how it is written."""

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import polars as pl

from data_contracts.language.types.registry import column_type

# What a person means by no value where all others are numbers or days, and what nobody means as a word.
GAPS = frozenset(
    [
        "NA",
        "N/A",
        "n/a",
        "na",
        "NaN",
        "nan",
        "null",
        "NULL",
        "None",
        "none",
        "?",
        "-",
        "--",
        ".",
        "#N/A",
        "missing",
        " ",
    ]
)
SURE_GAPS = frozenset(["?", "NaN", "nan", "null", "NULL", "#N/A", "#N/A N/A"])
# Ways in which days and moments are written besides the ISO ones, which need no declaration.
DAY_FORMS = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%d %B %Y",
)
MOMENT_FORMS = tuple(
    f"{day} {clock}"
    for day in ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y")
    for clock in ("%H:%M:%S", "%H:%M", "%I:%M %p")
)
_DECIMAL_COMMA = r"^[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?$"
_THOUSANDS = r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?$"
_UNIT = re.compile(r"^\s*(?P<before>[^\d\s+.,-]{0,4})\s*[+-]?[0-9][0-9.,]*\s*(?P<after>[^\d\s][^\d]{0,7})?\s*$")
_CODE = r"^0[0-9]+$"
# Of one form, if this many of a hundred are.
MOST = 0.98

Kind = Literal["number", "integer", "boolean", "date", "datetime", "string"]


class Understood(NamedTuple):
    """What a column of texts is, and what must be declared for it to be read so."""

    kind: Kind
    # A form of days or moments that is not ISO; whether a comma stands before decimals.
    form: str | None = None
    decimal_comma: bool = False
    # Texts that stand for a missing value.
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def understand(texts: pl.Series) -> Understood:
    """Return what a column of texts is; values that are null are not looked at."""
    known = texts.drop_nulls()
    known = known.filter(known.str.strip_chars() != "")
    if known.is_empty():
        return Understood("string")
    sure = tuple(sorted(set(known.unique().to_list()) & SURE_GAPS))
    odd = sorted(set(known.unique().to_list()) & GAPS) if known.n_unique() < 100_000 else list(sure)
    rest = known.filter(~known.is_in(list(odd))) if odd else known
    found = _typed(rest) if len(rest) else None
    if found is not None:
        return found._replace(gaps=tuple(odd))
    plain = known.filter(~known.is_in(list(sure))) if sure else known
    return Understood("string", gaps=sure, notes=_noted(plain))


def _typed(texts: pl.Series) -> Understood | None:
    """Return the type of which nearly all texts are; None if they are words."""
    lower = set(texts.str.to_lowercase().unique().head(10).to_list())
    if lower <= {"true", "false"}:
        return Understood("boolean")
    if _share(texts, texts.str.contains(_CODE)) > 0.02 and texts.str.len_chars().n_unique() == 1:
        return Understood("string", notes=("digits with zeros in front: a code, kept as text",))
    for kind in ("integer", "number", "date", "datetime"):
        found = _reads(texts, kind)
        if found >= MOST:
            notes = () if found == 1 else (f"{1 - found:.1%} of the values are no {kind}",)
            return Understood(kind, notes=notes)
    for forms, kind, read in ((DAY_FORMS, "date", _days), (MOMENT_FORMS, "datetime", _moments)):
        fits = [form for form in forms if _share(texts, read(texts, form).is_not_null()) >= MOST]
        if fits:
            return Understood(kind, form=fits[0], notes=_of_form(fits))  # type: ignore[arg-type]
    comma = texts.str.strip_chars().str.contains(_DECIMAL_COMMA)
    if _share(texts, comma) >= MOST and not _share(texts, texts.str.contains(_THOUSANDS)) >= MOST:
        return Understood("number", decimal_comma=True, notes=("numbers with a decimal comma",))
    return None


def _reads(texts: pl.Series, kind: str) -> float:
    value = column_type(kind).of_text(pl.col("text"))
    assert value is not None, f"a column of {kind} is read from text"
    return _share(texts, texts.to_frame("text").select(value.is_not_null()).to_series())


def _share(texts: pl.Series, flags: pl.Series) -> float:
    return float(flags.fill_null(False).mean() or 0.0)  # type: ignore[arg-type]


def _days(texts: pl.Series, form: str) -> pl.Series:
    return texts.str.strip_chars().str.to_date(form, strict=False)


def _moments(texts: pl.Series, form: str) -> pl.Series:
    return texts.str.strip_chars().str.to_datetime(form, time_unit="us", strict=False)


def _of_form(fits: Sequence[str]) -> tuple[str, ...]:
    told = f"days written as {fits[0]}"
    if len(fits) > 1:
        return (f"{told}; {fits[1]} reads every value as well: say which is right (source.dates)",)
    return (told,)


def _noted(texts: pl.Series) -> tuple[str, ...]:
    """Say what words look like that are something else to a person: numbers with units, or with signs between."""
    if texts.is_empty():
        return ()
    some = texts.unique().head(1_000)
    if _share(some, some.str.contains(_THOUSANDS)) >= MOST:
        return ("numbers with signs between thousands: text as it stands; make a number of it in the source",)
    matched = [match for text in some if (match := _UNIT.match(text))]
    units = {(match["before"] or "") + (match["after"] or "").strip() for match in matched}
    if len(matched) >= MOST * len(some) and len(some) > 10 and 0 < len(units) <= 3:
        return (
            f"numbers with a unit ({', '.join(sorted(units))}): text as it stands; make a number of it in the source",
        )
    numeric = some.str.strip_chars().cast(pl.Float64, strict=False).is_not_null()
    if 0.5 <= _share(some, numeric) < MOST:
        first = some.filter(~numeric).head(3).to_list()
        return (f"mostly numbers, but also {', '.join(map(repr, first))}: text as it stands",)
    return ()


READERS: dict[str, Callable[[pl.Series, str], pl.Series]] = {"date": _days, "datetime": _moments}
