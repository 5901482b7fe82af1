"""In which band of delay flights from New York arrive: the departures of flights, another label."""

from typing import Literal

import polars as pl

from data_contracts.contract import column
from data_contracts.flights import ARRIVAL_DELAY, Departure, read_departures


class BandedFlight(Departure):
    """One scheduled departure from a New York airport, with what is known of it before it leaves."""

    delay_band: Literal["early", "on_time", "late", "very_late"] = column(
        "Arrived more than 15 minutes early, within 15 minutes of schedule, up to an hour late, or later; missing for "
        "flights that never arrived",
        roles=("label",),
        available="after",
    )


def read_rows() -> pl.LazyFrame:
    """Return every 2013 departure, with the band of its delay on arrival."""
    band = (
        pl.when(ARRIVAL_DELAY < -15)
        .then(pl.lit("early"))
        .when(ARRIVAL_DELAY <= 15)
        .then(pl.lit("on_time"))
        .when(ARRIVAL_DELAY <= 60)
        .then(pl.lit("late"))
        .when(ARRIVAL_DELAY > 60)
        .then(pl.lit("very_late"))
    )
    return read_departures(band.alias("delay_band"))
