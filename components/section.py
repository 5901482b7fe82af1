"""The base of every part of a workload file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the workload file: immutable, and strict about keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
