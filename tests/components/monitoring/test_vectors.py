"""Vectors are compared as a whole: few false alarms, whatever they hold, and real shifts seen in small windows."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from components.declaration.monitoring import Monitoring
from components.kinds.image.embedding import LENGTH, SIDE, embedding
from components.kinds.image.inference import look_of
from components.monitoring.drift_rule import comparable, judged_columns
from components.monitoring.drift_tests import domain_classifier
from data_contracts.digits import HandwrittenDigit, read_rows
from data_contracts.language.drift_schema import DriftSchema

FIELD = HandwrittenDigit.spec().inputs[0]
SCHEMA = DriftSchema((), (), ("seen",))


def frame(vectors: NDArray[np.float32]) -> pl.DataFrame:
    return pl.DataFrame({"seen": pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))})


def moved(reference: NDArray[np.float32], window: NDArray[np.float32], rule: Monitoring) -> bool:
    return any(one.moved for one in judged_columns(*comparable(frame(reference), frame(window), SCHEMA), rule))


@pytest.fixture(scope="module")
def seen() -> NDArray[np.float32]:
    """Embeddings of 1,797 digits."""
    return np.array([look_of(one, FIELD).embedding for one in read_rows().collect()["picture"]])


def test_an_embedding_is_bounded_and_moves_as_a_picture_is_turned_mirrored_or_blurred() -> None:
    random = np.random.default_rng(2)
    left = np.zeros((SIDE, SIDE), np.uint8)
    left[:, :8] = 255
    for grey in (random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), left):
        found = embedding(grey)
        assert (found.shape, found.dtype) == ((LENGTH,), np.float32)
        assert np.abs(found).max() <= 1
        assert np.abs(embedding(np.rot90(grey)) - found).max() > 0.01
        assert np.abs(embedding(grey[:, ::-1]) - found).max() > 0.01
    # Nothing varies in one shade, whichever.
    np.testing.assert_allclose(embedding(np.full((SIDE, SIDE), 90, np.uint8)), 0, atol=1e-7)


def test_what_cannot_be_read_has_no_embedding() -> None:
    assert all(np.isnan(look_of(data, FIELD).embedding).all() for data in (None, b"no picture"))


@pytest.mark.parametrize(
    ("rows", "tries", "most"),
    # A rule of exactly 5 % stays at or below ``most`` in 99 of 100 such simulations.
    [(200, 200, 18), *(pytest.param(rows, 1_000, 66, marks=pytest.mark.slow) for rows in (40, 200, 800))],
)
def test_of_calm_windows_no_more_raise_an_alarm_than_the_rule_says(
    seen: NDArray[np.float32], rows: int, tries: int, most: int
) -> None:
    random, rule = np.random.default_rng(4), Monitoring(false_alarm_rate=0.05, effect=1e-9)
    alarms = 0
    for _ in range(tries):
        order = random.permutation(len(seen))
        alarms += moved(seen[order[:900]], seen[order[900 : 900 + rows]], rule)
    assert alarms <= most


@pytest.mark.parametrize("shift", ["mirrored", "noisy"])
def test_a_shift_is_seen_in_nearly_every_window_of_two_hundred(seen: NDArray[np.float32], shift: str) -> None:
    """Neither changes how bright pictures are."""
    random = np.random.default_rng(6)
    pictures = []
    for one in read_rows().collect()["picture"]:
        grey = _grey(one)
        changed = grey[:, ::-1] if shift == "mirrored" else np.clip(grey + random.normal(0, 25, grey.shape), 0, 255)
        pictures.append(embedding(changed.astype(np.uint8)))
    later, hits = np.array(pictures), 0
    for _ in range(20):
        order = random.permutation(len(seen))
        hits += moved(seen[order[:900]], later[order[900:1_100]], Monitoring())
    assert hits >= 19


def _grey(picture: bytes) -> NDArray[np.float64]:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(picture)).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float64)


ODD = arrays(
    np.float32,
    st.tuples(st.sampled_from([20, 41]), st.just(3)),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    fill=st.sampled_from([0.0, 1.0, math.nan, 2.0**127]),
)


@settings(max_examples=60, deadline=None)
@given(ODD, ODD)
def test_odd_vectors_give_p_values_and_distances_whatever_they_hold(
    reference: NDArray[np.float32], window: NDArray[np.float32]
) -> None:
    before, after = comparable(frame(reference), frame(window), SCHEMA)
    assert before["seen"].null_count() == (~np.isfinite(reference).all(axis=1)).sum()
    for one in judged_columns(before, after, Monitoring()):
        assert 0 <= one.p_value <= 1
        assert 0 <= one.effect <= 1
    assert not moved(reference, reference, Monitoring())


def test_a_vector_that_never_changes_tells_nothing() -> None:
    same = frame(np.ones((40, 3), np.float32))["seen"]
    assert domain_classifier(same, same) == (1.0, 0.0)
