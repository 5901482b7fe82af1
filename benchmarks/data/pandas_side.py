"""The same checks, splits and features as Slipway's for flights, written as one would by hand in pandas.

python -m benchmarks.data.pandas_side rows.parquet out/
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

CATEGORIES = ["carrier", "origin", "destination", "plane_manufacturer"]
NUMBERS = [
    "scheduled_arrival", "distance", "plane_age", "plane_seats", "plane_engines", "temperature", "dew_point",
    "humidity", "wind_direction", "wind_speed", "precipitation", "pressure", "visibility",
]  # fmt: skip
BOUNDS = {
    "scheduled_arrival": (0, 1440), "plane_age": (-1, 80), "plane_seats": (1, 900), "plane_engines": (0, 8),
    "temperature": (-80, 140), "dew_point": (-100, 100), "humidity": (0, 100), "wind_direction": (0, 360),
    "wind_speed": (0, 250), "precipitation": (0, 20), "pressure": (850, 1100), "visibility": (0, 100),
    "dep_time": (0, 2400), "arr_time": (0, 2400),
}  # fmt: skip
REQUIRED = ["scheduled_departure", "scheduled_arrival", "carrier", "origin", "destination", "distance", "late"]
SPLITS = {
    "train": ("2013-01-01", "2013-09-01"),
    "validation": ("2013-09-01", "2013-10-01"),
    "test": ("2013-10-01", "2013-11-01"),
    "monitor": ("2013-11-01", "2014-01-01"),
}


def checks(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return a mask of the broken rows for each rule of the contract."""
    found = {f"{name}: missing": rows[name].isna() for name in REQUIRED}
    for name, (low, high) in BOUNDS.items():
        found[f"{name}: below {low}"] = rows[name] < low
        found[f"{name}: above {high}"] = rows[name] > high
    for name in rows.select_dtypes("float64"):
        found[f"{name}: not finite"] = np.isinf(rows[name])
    found["distance: not above 0"] = rows["distance"] <= 0
    found["distance: above 12500"] = rows["distance"] > 12_500
    found["air_time: below 0"] = rows["air_time"] < 0
    found["carrier: length"] = rows["carrier"].str.len() != 2
    found["origin: not an allowed value"] = ~rows["origin"].isin(["EWR", "JFK", "LGA"])
    found["destination: length"] = rows["destination"].str.len() != 3
    found["destination: pattern"] = ~rows["destination"].str.match("^[A-Z]{3}$")
    found["plane_manufacturer: longer than 64"] = rows["plane_manufacturer"].str.len() > 64
    return found


def fit(train: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Learn vocabularies and scales from the training split."""
    fitted: dict[str, dict[str, object]] = {}
    for name in CATEGORIES:
        counts = train[name].value_counts()
        kept = counts[counts >= 20].reset_index().sort_values(["count", name], ascending=[False, True])[name]
        fitted[name] = {value: code for code, value in enumerate(kept, start=2)}
    for name in NUMBERS:
        median = train[name].median()
        filled = train[name].fillna(median)
        fitted[name] = {"median": median, "mean": filled.mean(), "deviation": filled.std(ddof=0)}
    return fitted


def features(rows: pd.DataFrame, fitted: dict[str, dict[str, object]]) -> pd.DataFrame:
    """Return the model's columns."""
    made = {}
    for name in CATEGORIES:
        made[name] = rows[name].map(fitted[name]).fillna(1).astype("int64").where(rows[name].notna(), 0)
    moment = rows["scheduled_departure"]
    seconds = (moment - moment.dt.normalize()).dt.total_seconds()
    for name, angle in {
        "time_of_day": seconds * (2 * np.pi / 86_400),
        "weekday": (moment.dt.dayofweek * 86_400 + seconds) * (2 * np.pi / 604_800),
    }.items():
        made[f"scheduled_departure_{name}_sin"] = np.sin(angle).astype("float32")
        made[f"scheduled_departure_{name}_cos"] = np.cos(angle).astype("float32")
    for name in NUMBERS:
        scale = fitted[name]
        made[name] = ((rows[name].fillna(scale["median"]) - scale["mean"]) / scale["deviation"]).astype("float32")
        if name not in REQUIRED:
            made[f"{name}_missing"] = rows[name].isna().astype("float32")
    made["label"] = rows["late"].astype("uint8")
    return pd.DataFrame(made)


def main(source: Path, folder: Path) -> None:
    """Validate and prepare a file."""
    rows = pd.read_parquet(source)
    found = checks(rows)
    broken = pd.concat(found, axis=1).any(axis=1)
    refused = rows[broken]
    reasons = pd.DataFrame({name: mask[broken] for name, mask in found.items()})
    refused.assign(reasons=reasons.apply(lambda row: "; ".join(row.index[row]), axis=1)).to_parquet(
        folder / "refused.parquet"
    )
    kept = rows[~broken]
    kept.to_parquet(folder / "kept.parquet")
    assert len(kept) + len(refused) == len(rows)
    assert 1_000 <= len(kept) <= 50_000_000
    assert 0.05 <= kept["late"].astype(float).mean() <= 0.5
    assert kept["origin"].nunique() == 3
    assert kept["temperature"].notna().mean() >= 0.95
    moment = kept["scheduled_departure"]
    parts = {name: kept[(moment >= start) & (moment < end)] for name, (start, end) in SPLITS.items()}
    fitted = fit(parts["train"])
    for name, part in parts.items():
        part.to_parquet(folder / f"{name}.parquet")
        features(part, fitted).to_parquet(folder / f"{name}.features.parquet")
    counts = {"kept": len(kept), "refused": len(refused), "splits": {name: len(part) for name, part in parts.items()}}
    (folder / "result.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
