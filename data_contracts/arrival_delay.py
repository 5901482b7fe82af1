"""By how many minutes flights from New York miss their scheduled arrival: the departures of flights, another label."""

import polars as pl

from data_contracts.contract import column
from data_contracts.flights import ARRIVAL_DELAY, Departure, read_departures


class DelayedFlight(Departure):
    """One scheduled departure from a New York airport, with what is known of it before it leaves."""

    arrival_delay: float = column(
        "Minutes from the scheduled arrival to the actual one, below zero for early ones; missing for flights that "
        "never arrived",
        unit="minutes",
        roles=("label",),
        available="after",
        ge=-180,
        le=2_880,
    )


def read_rows() -> pl.LazyFrame:
    """Return every 2013 departure, with its delay on arrival."""
    return read_departures(ARRIVAL_DELAY.cast(pl.Float64).alias("arrival_delay"))
