"""Values of fields with the role ``pii``, as they leave the training data: keyed hashes, or values that were made up.

The same value has the same hash in everything that a home writes, so rows of one person can still be counted as such,
and only who holds the key can search for one. What travels (a build, MLflow, pages, what is printed) holds no others.
"""

import hashlib
import os
from typing import Any

import polars as pl

from components.artefacts.errors import ContractError, HostError
from components.artefacts.storage import write_once
from components.settings import Home
from data_contracts.description.spec import ContractSpec, FieldSpec
from data_contracts.description.types.registry import value_type
from data_contracts.language.frame_schema import POLARS_TYPES, raw_column

KEY_BYTES = 32
# Of a hash, in letters: with fewer, people would begin to share one.
SHORTEST = 12
LONGEST = 32


def pii_key(home: Home) -> bytes:
    """Return the key of a home's hashes, made on first use and readable by its owner alone."""
    path = home.key("pii.key")
    try:
        if not path.is_file():
            write_once(path, os.urandom(KEY_BYTES // 2).hex().encode(), mode=0o600)
    except OSError as error:
        raise HostError(f"cannot make a key for pii at {path}: {error.strerror}") from None
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        # With an empty one anybody could make the hashes of names that he guesses.
        raise HostError(
            f"the key for pii at {path} has {len(key)} of {KEY_BYTES} bytes: delete it, and a new one is made; hashes "
            "differ from then on"
        )
    return key


def without_pii(frame: pl.DataFrame, contract: ContractSpec, home: Home) -> pl.DataFrame:
    """Return rows in which no value of a pii field is left, and which the contract takes as it took the rows.

    Texts become keyed hashes if the contract takes these; all else becomes one value that the contract takes. Raises
    ContractError for a field of which no such value is known.
    """
    fields = [field for field in contract.with_role("pii") if field.name in frame.columns]
    if not fields:
        return frame
    key = pii_key(home)
    return frame.with_columns(_replaced(frame[field.name], field, key) for field in fields)


def check_pii(contract: ContractSpec) -> None:
    """Raise ContractError for a pii field of a request that nothing could stand for, before anything is trained."""
    for field in contract.inputs:
        if "pii" in field.roles:
            _replaced(pl.Series(field.name, [None], dtype=POLARS_TYPES[field.dtype]), field, b"")


def hashed_pii(rows: pl.LazyFrame, contract: ContractSpec, home: Home) -> pl.LazyFrame:
    """Return rows, which may break the contract, with keyed hashes (text) for every value of a pii field."""
    held = set(rows.collect_schema().names())
    # What could not be read as its type stands beside it as text.
    pii = [name for field in contract.with_role("pii") for name in (field.name, raw_column(field.name))]
    names = [name for name in pii if name in held]
    if not names:
        return rows
    key = pii_key(home)
    return rows.with_columns(
        pl.col(name).map_batches(
            lambda values: pl.Series(
                [None if value is None else _hash(value, key)[:LONGEST] for value in values], dtype=pl.String
            ),
            return_dtype=pl.String,
            is_elementwise=True,
        )
        for name in names
    )


def _hash(value: Any, key: bytes) -> str:
    if isinstance(value, pl.Series):
        # A vector, of which text would show the ends alone.
        value = value.to_list()
    content = value if isinstance(value, bytes) else str(value).encode()
    return hashlib.blake2b(content, key=key, digest_size=LONGEST // 2).hexdigest()


def _replaced(values: pl.Series, field: FieldSpec, key: bytes) -> pl.Series:
    length = min(LONGEST, LONGEST if field.max_length is None else field.max_length)
    free = value_type(field.dtype).python is str and not field.allowed and field.pattern is None
    if free and length >= max(SHORTEST, field.min_length or 0):
        hashes = [None if value is None else _hash(value, key)[:length] for value in values]
        return pl.Series(values.name, hashes, dtype=pl.String)
    made_up = pl.Series([made_up_value(field)], dtype=POLARS_TYPES[field.dtype])
    return made_up.new_from_index(0, len(values)).scatter(values.is_null().arg_true(), None).alias(values.name)


def made_up_value(field: FieldSpec) -> Any:
    """Return a value that the contract takes: its example, or one at a bound; ContractError if none is known."""
    kind = value_type(field.dtype)
    if field.example is not None:
        return kind.of_example(field.example)
    value = field.allowed[0] if field.allowed else kind.made_up(field)
    if value is not None:
        return value
    raise ContractError(
        f"'{field.name}' is pii, and no value is known that could stand for it in golden rows: give it an example, "
        "made up, in column(...)"
    )
