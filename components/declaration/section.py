"""The base of every part of a workload file."""

import re
import typing
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
# module:function or module:Class, of ours or of the user's own.
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Section(BaseModel):
    """A part of the workload file: immutable, and strict about keys it does not know and values it would have to bend.

    ``true`` is no number, a number in quotes is text, 2.0 is no whole number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _as_yaml_has_it(cls, values: Any) -> Any:
        """Take a list for a tuple, and a day as text, which JSON has no other way for."""
        if not isinstance(values, dict):
            return values
        return {name: cls._plain(name, value) for name, value in values.items()}

    @classmethod
    def _plain(cls, name: Any, value: Any) -> Any:
        field = cls.model_fields.get(name)
        if field and isinstance(value, list):
            return tuple(value)
        takes = (field.annotation, *typing.get_args(field.annotation)) if field else ()
        if date not in takes or not isinstance(value, str) or not _DAY.fullmatch(value):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{name}: there is no day {value} ({error})") from error


class Part(Section):
    """Some keys of the workload file or of one of its sections, at the places where they stand in it.

    What a stage is given decides when it runs again: a key that it does not read must not be in its part.
    """

    @classmethod
    def of(cls, whole: Section) -> Self:
        """Return the part of a workload, or of a larger part."""
        return cls(**{key: _narrowed(field.annotation, getattr(whole, key)) for key, field in cls.model_fields.items()})


def _narrowed(wanted: Any, value: Any) -> Any:
    return wanted.of(value) if isinstance(wanted, type) and issubclass(wanted, Part) else value
