"""The base of what one step hands to the next."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """An immutable value that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
