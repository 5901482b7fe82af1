"""The base of what one step hands to the next."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """An immutable value that refuses keys it does not know."""

    # What is kept as a reference is made under the name by which it is asked for, and read under its own.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)
