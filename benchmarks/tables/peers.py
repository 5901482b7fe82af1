"""What one would write by hand with scikit-learn: boosting and a linear model, each with the settings it comes with.

They need no validation split, and learn from it, too.
"""

import pickle
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.tables.data import Table
from benchmarks.tables.ours import Model, contract_of
from components.data.results import Prepared

BOOSTING, LINEAR = "scikit-learn boosting", "scikit-learn linear"


def train_peers(table: Table, prepared: Prepared) -> dict[str, Model]:
    """Return each peer's answers to the test rows."""
    known = pl.concat([pl.read_parquet(prepared.splits[name].path) for name in ("train", "validation")])
    test = pl.read_parquet(prepared.splits["test"].path)
    names = [field.name for field in contract_of(table).inputs]
    text = [name for name in names if table.frame[name].dtype == pl.String]
    learnt, asked = (_pandas(frame, names, text, known) for frame in (known, test))
    labels = known[table.label].to_numpy()
    return {
        name: _fitted(model, learnt, labels, asked)
        for name, model in ((BOOSTING, _boosting(table)), (LINEAR, _linear(table, names, text)))
    }


def _pandas(frame: pl.DataFrame, names: list[str], text: list[str], known: pl.DataFrame) -> Any:
    """Return inputs as scikit-learn takes them: text as categories of training, so that boosting knows them as such."""
    found = frame.select(pl.col(names)).to_pandas()
    for name in text:
        values = known[name].drop_nulls().value_counts(sort=True)[name].head(254).to_list()
        found[name] = found[name].astype("category").cat.set_categories(values)
    return found


def _boosting(table: Table) -> Any:
    if table.target == "regression":
        return HistGradientBoostingRegressor(random_state=0)
    return HistGradientBoostingClassifier(random_state=0)


def _linear(table: Table, names: list[str], text: list[str]) -> Any:
    numbers = [name for name in names if name not in text]
    made = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("text", OneHotEncoder(handle_unknown="ignore"), text),
        ]
    )
    return make_pipeline(made, Ridge() if table.target == "regression" else LogisticRegression(max_iter=1000))


def _fitted(model: Any, learnt: Any, labels: Any, asked: Any) -> Model:
    started = perf_counter()
    model.fit(learnt, labels)
    seconds = perf_counter() - started
    if not hasattr(model, "predict_proba"):
        answers = model.predict(asked)
    elif len(model.classes_) == 2 and model.classes_.dtype == bool:
        answers = model.predict_proba(asked)[:, 1]
    else:
        answers = model.predict_proba(asked)
    return Model(np.asarray(answers, np.float32), seconds, len(pickle.dumps(model)) / 1e6)
