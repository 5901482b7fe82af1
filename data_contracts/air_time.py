"""How many minutes flights from New York are in the air: the departures of flights, with another field as the label."""

import polars as pl

from data_contracts.contract import column
from data_contracts.flights import Departure, read_departures


class AirborneFlight(Departure):
    """One scheduled departure from a New York airport, with what is known of it before it leaves."""

    air_time: float = column(
        "Minutes in the air; missing for flights that never arrived",
        unit="minutes",
        roles=("label",),
        available="after",
        ge=0,
        le=1_000,
    )


def read_rows() -> pl.LazyFrame:
    """Return every 2013 departure."""
    return read_departures()
