"""The same checks, expectations, splits, features and report as Slipway's for flights, as one writes them in pandas.

python -m benchmarks.data.pandas_side rows.parquet out/
"""

import json
import sys
from pathlib import Path

import great_expectations as gx
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


def expect(rows: pd.DataFrame, size: int, folder: Path) -> None:
    """Have Great Expectations judge the rows as a whole and write its documents."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("flights").add_dataframe_asset("rows")
    suite = context.suites.add(gx.ExpectationSuite(name="flights"))
    suite.add_expectation(gx.expectations.ExpectColumnMeanToBeBetween(column="late", min_value=0.05, max_value=0.5))
    suite.add_expectation(
        gx.expectations.ExpectColumnUniqueValueCountToBeBetween(column="origin", min_value=3, max_value=3)
    )
    suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="temperature", mostly=0.95))
    # The number of rows is no matter of a sample.
    suite.add_expectation(gx.expectations.ExpectColumnMaxToBeBetween(column="rows", min_value=1e3, max_value=5e7))
    validation = gx.ValidationDefinition(
        name="flights", data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
    )
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder / "docs")}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        "docs", {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="flights",
            validation_definitions=[context.validation_definitions.add(validation)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=["docs"])],
            result_format="SUMMARY",
        )
    )
    outcome = checkpoint.run(batch_parameters={"dataframe": rows.assign(rows=float(size))})
    assert outcome.success


def sample(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return every n-th row, so that there are at most so many."""
    return rows.iloc[:: -(-len(rows) // most)]


def shifts(parts: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Return how far each field's distribution in each split is from training's, on samples."""
    samples = {name: sample(part, 100_000) for name, part in parts.items()}
    train = samples.pop("train")
    found = {}
    for name in train:
        for split, other in samples.items():
            if pd.api.types.is_numeric_dtype(train[name]) or pd.api.types.is_datetime64_dtype(train[name]):
                found[f"{split}.{name}"] = largest_gap(train[name], other[name])
            else:
                shares = [part[name].value_counts(dropna=False, normalize=True).head(50) for part in (train, other)]
                found[f"{split}.{name}"] = shares[0].sub(shares[1], fill_value=0).abs().sum() / 2
    return {name: round(float(distance), 4) for name, distance in found.items()}


def largest_gap(before: pd.Series, after: pd.Series) -> float:
    """Return the largest distance of two distribution functions at 19 quantiles of the first."""
    edges = before.dropna().quantile(np.arange(1, 20) / 20, interpolation="nearest").unique()
    gaps = [abs((before <= edge).mean() - (after <= edge).mean()) for edge in edges]
    return max([*gaps, abs(before.isna().mean() - after.isna().mean())])


def main(source: Path, folder: Path) -> None:
    """Validate and prepare a file."""
    rows = pd.read_parquet(source)
    found = checks(rows)
    broken = pd.concat(found, axis=1).any(axis=1)
    reasons = pd.DataFrame({name: mask[broken] for name, mask in found.items()}).astype(bool)
    refused = rows[broken]
    refused.assign(reasons=reasons.dot(reasons.columns + "; ").str.rstrip("; ")).to_parquet(folder / "refused.parquet")
    kept = rows[~broken]
    assert len(kept) + len(refused) == len(rows)
    expect(sample(kept, 1_000_000)[["late", "origin", "temperature"]], len(kept), folder)
    moment = kept["scheduled_departure"]
    parts = {name: kept[(moment >= start) & (moment < end)] for name, (start, end) in SPLITS.items()}
    fitted = fit(parts["train"])
    for name, part in parts.items():
        part.to_parquet(folder / f"{name}.parquet")
        features(part, fitted).to_parquet(folder / f"{name}.features.parquet")
    result = {
        "kept": len(kept),
        "refused": len(refused),
        "reasons": {name: int(count) for name, count in reasons.sum().items() if count},
        "splits": {name: len(part) for name, part in parts.items()},
        "shifts": shifts(parts),
    }
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
