"""Names as MLflow takes them: whatever they are called by, they pass its checks and stay apart."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_batch_log_data

from components.registry.names import LONGEST, plain_name, safe_name
from components.registry.run import flattened, log_values
from tests.generated.hostile import TEXTS as TEXTS_OF_TABLES

# Letters of names, and those that the names of this door are made of.
TEXTS = st.text() | st.text(st.sampled_from("-u3cdef<.% /:\n_A")) | st.text(min_size=200, max_size=400)


def check(name: str) -> None:
    _validate_batch_log_data([Metric(name, 1.0, 0, 0)], [Param(name, "1")], [RunTag(name, "1")])


@settings(deadline=None)
@given(TEXTS)
@example("recall_<=50K")
@example("-u3c<")
@example("..")
@example("")
@example("a/../b")
@example("\n")
def test_any_text_is_a_name_that_mlflow_takes(text: str) -> None:
    name = safe_name(text)
    check(name)
    assert len(name) <= LONGEST < MAX_ENTITY_KEY_LENGTH


@settings(deadline=None)
@given(TEXTS)
def test_a_name_is_read_back(text: str) -> None:
    name = safe_name(text)
    assert len(name) > LONGEST - 40 or plain_name(name) == text


@settings(deadline=None)
@given(st.lists(TEXTS, unique=True, min_size=2))
def test_different_texts_stay_apart(texts: list[str]) -> None:
    assert len({safe_name(text) for text in texts}) == len(texts)


@pytest.mark.parametrize("text", ["auc", "recall_on-time", "f1_São Paulo", "model.learning_rate", "u3c-", "-ux-"])
def test_names_that_mlflow_takes_stay_as_they_are(text: str) -> None:
    assert safe_name(text) == text


def test_a_refused_letter_is_written_as_its_code_point() -> None:
    assert safe_name("recall_<=50K") == "recall_-u3c--u3d-50K"


def test_values_of_any_text_and_any_number_go_through_the_door(tmp_path: Path) -> None:
    """A real store: what SQLite, MLflow's checks of lengths and its comparisons make of them."""
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("words")).info.run_id
    texts = [*TEXTS_OF_TABLES, "x" * 20_000, "é" * 7_000, "a\x00b", "\ud800", "'; DROP TABLE runs; --"]
    numbers = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e308, 5e-324]
    parameters = flattened({f"{place} {text[:50]}": {text[:50]: text} for place, text in enumerate(texts)})
    log_values(client, run, parameters, [Metric(f"<{place}>", value, 0, 0) for place, value in enumerate(numbers)])
    found = client.get_run(run).data
    assert len(found.params) == len(texts)
    assert len(found.metrics) == len(numbers)
    again = {plain_name(name): value for name, value in found.params.items()}
    for name, value in parameters.items():
        if len(value) < 6_000 and len(name) < 150 and "\ud800" not in value:
            assert again[name] == value
