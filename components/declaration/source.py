"""The ``source`` section of a workload file: where the rows come from."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.declaration.section import Reference, Section


class Source(Section):
    """Where the rows come from: exactly one of ``python``, ``path`` and ``sql``."""

    python: Reference | None = Field(None, description="module:function that returns a Polars frame, no arguments.")
    packages: tuple[str, ...] = Field((), description="Installed packages whose files the function reads.")
    reads: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Files, folders and patterns that the function reads. If these and packages are all that it reads, "
        "it is called again when one of them, its code or a module that it imports has changed. Without both it is "
        "called in every run.",
    )
    path: str | None = Field(
        None, min_length=1, description="A file, a folder, a pattern like data/*.parquet, or s3://bucket/key of these."
    )
    format: Literal["parquet", "csv", "ipc", "jsonl", "files"] | None = Field(
        None,
        description="By the ending if not given. files: each file is a row and its folder the label, for instance of "
        "pictures in a folder for each class.",
    )
    files: str | None = Field(
        None, min_length=1, description="A folder: values of fields of bytes are the paths of files below it."
    )
    separator: str = Field(",", min_length=1, max_length=1, description="Between the values of a CSV file.")
    null_values: tuple[str, ...] = Field(("",), description="Texts of a CSV file that mean a missing value.")
    max_unpacked_bytes: int = Field(
        100 * 2**30, ge=1, description="What the packed files (gz, zip) of a source may come to when unpacked."
    )
    sql: str | None = Field(None, min_length=1, description="A query; its rows are the data.")
    uri: str | None = Field(
        None, description="postgresql://... or sqlite:///file; ${NAME} is replaced by that environment variable."
    )

    rename: dict[str, str] = Field(
        default_factory=dict,
        description="Columns of the source and what the contract calls them; the same for files that are scored.",
    )
    dates: dict[str, str] = Field(
        default_factory=dict,
        description="Fields and the form in which their days or moments are written, such as %d.%m.%Y; ISO needs none.",
    )
    decimal_comma: tuple[str, ...] = Field(
        (), description="Fields whose numbers are written with a comma before the decimals: 1.234,5."
    )
    values: dict[str, dict[str, str | None]] = Field(
        default_factory=dict,
        description="Fields, and texts that are read as others: {sold: {J: yes, N: no, '?': null}}.",
    )

    @field_validator("path", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @field_validator("values", mode="before")
    @classmethod
    def _as_said(cls, value: object) -> object:
        # YAML reads a bare yes as true, and 1 as a number.
        if not isinstance(value, dict):
            return value
        return {name: _texts(told) if isinstance(told, dict) else told for name, told in value.items()}

    @field_validator("dates")
    @classmethod
    def _are_forms(cls, dates: dict[str, str]) -> dict[str, str]:
        for name, form in dates.items():
            if "%" not in form:
                raise ValueError(f"{name}: {form!r} is no form of days: write it as %d.%m.%Y or %Y/%m/%d %H:%M")
        return dates

    @field_validator("rename")
    @classmethod
    def _to_different_names(cls, rename: dict[str, str]) -> dict[str, str]:
        given = list(rename.values())
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise ValueError(f"two columns would be called {', '.join(twice)}: give each a name of its own")
        return rename

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        given = [key for key in ("python", "path", "sql") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of python, path and sql, not {' and '.join(given) or 'none'}")
        if (self.sql is None) != (self.uri is None):
            raise ValueError("sql needs a uri (which database), and uri an sql (which rows)")
        if self.python is None and (self.packages or self.reads):
            raise ValueError("packages and reads say what a python function reads: leave them out")
        return self


def _texts(told: dict[object, object]) -> dict[object, object]:
    words = {True: "true", False: "false"}
    return {
        key: words[value] if isinstance(value, bool) else str(value) if isinstance(value, (int, float)) else value
        for key, value in told.items()
    }
