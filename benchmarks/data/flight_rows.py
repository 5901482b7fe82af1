"""Generate flight rows of any number, with the faults of real ones: 3 % without a label, a few out of bounds.

python -m benchmarks.data.flight_rows 10000000 /tmp/flights-10m.parquet
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from data_contracts.flights import Flight
from data_contracts.language.frame_schema import frame_schema

BATCH = 500_000
CARRIERS = ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "YV", "HA", "OO"]
MAKERS = ["BOEING", "EMBRAER", "AIRBUS", "AIRBUS INDUSTRIE", "BOMBARDIER INC", "MCDONNELL DOUGLAS", "CESSNA"]


def write_flights(rows: int, path: Path) -> None:
    """Write generated rows to a Parquet file, batch by batch; the same rows every time."""
    schema = frame_schema(Flight.spec())
    writer = None
    for start in range(0, rows, BATCH):
        table = flights(min(BATCH, rows - start), seed=start).cast(dict(schema)).select(schema.names()).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()


def flights(rows: int, seed: int) -> pl.DataFrame:
    """Return generated rows in contract types."""
    random = np.random.default_rng(seed)

    def missing(values: object, share: float) -> pl.Series:
        return pl.DataFrame({"value": values, "gone": random.random(rows) < share}).select(
            pl.when(~pl.col("gone")).then(pl.col("value"))
        )["value"]

    destinations = [f"{a}{b}{c}" for a in "ABCDE" for b in "FGHIJ" for c in "KLMN"]
    delay = random.exponential(12, rows) - 8
    minutes = random.integers(0, 365 * 24 * 60, rows)
    late = missing(delay + random.normal(0, 10, rows) > 15, 0.028)
    broken = random.random(rows) < 0.001
    return pl.DataFrame(
        {
            "scheduled_departure": np.datetime64("2013-01-01", "us") + minutes.astype("timedelta64[m]"),
            "scheduled_arrival": random.integers(0, 1441, rows),
            "carrier": random.choice(CARRIERS, rows),
            "origin": random.choice(["EWR", "JFK", "LGA"], rows),
            "destination": random.choice(destinations, rows),
            "distance": np.where(broken, -1.0, random.gamma(4, 260, rows).clip(80, 4983)),
            "plane_age": missing(random.integers(0, 50, rows), 0.17),
            "plane_seats": missing(random.choice([20, 55, 95, 149, 182, 200, 330, 377], rows), 0.16),
            "plane_engines": missing(random.integers(1, 5, rows), 0.16),
            "plane_manufacturer": missing(random.choice(MAKERS, rows), 0.16),
            "temperature": missing(random.normal(57, 18, rows).clip(10, 100), 0.005),
            "dew_point": missing(random.normal(41, 19, rows).clip(-9, 78), 0.005),
            "humidity": missing(random.normal(62, 19, rows).clip(13, 100), 0.005),
            "wind_direction": missing(random.integers(0, 37, rows) * 10, 0.03),
            "wind_speed": missing(random.gamma(3, 3.5, rows), 0.005),
            "precipitation": missing(np.where(random.random(rows) < 0.05, random.random(rows), 0.0), 0.005),
            "pressure": missing(random.normal(1018, 7, rows), 0.11),
            "visibility": missing(random.choice([10.0, 9.0, 7.0, 3.0, 0.5], rows), 0.005),
            "dep_time": missing(random.integers(1, 2401, rows), 0.025),
            "dep_delay": missing(delay, 0.025),
            "arr_time": missing(random.integers(1, 2401, rows), 0.026),
            "air_time": missing(random.gamma(5, 30, rows), 0.028),
            "late": late,
        }
    )


if __name__ == "__main__":
    write_flights(int(sys.argv[1]), Path(sys.argv[2]))
