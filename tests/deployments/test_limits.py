"""A client gets its rate and its burst, never more, and does not spend what belongs to another."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.data_plane.load import limits
from deployments.data_plane.load.limits import TRIES, RateLimit, RateLimited


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(0.5, 20))
def test_a_client_never_gets_more_than_burst_and_rate(pauses: list[float], rate: float) -> None:
    clock = Clock()
    limit = RateLimit(rate, burst=5, clock=clock)
    allowed = 0
    for pause in pauses:
        clock.now += pause
        with suppress(RateLimited):
            limit.take("a")
            allowed += 1
    assert allowed <= 5 + rate * clock.now + 1e-6


def test_clients_are_counted_apart_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACES", 4_096)
    limit = RateLimit(1, burst=1, clock=Clock())
    limit.take("a")
    with pytest.raises(RateLimited, match="client a may ask 1 times a second"):
        limit.take("a")
    for number in range(limits.PLACES * TRIES):
        with suppress(RateLimited):
            limit.take(f"client-{number}")
    limit.take("a")


def test_a_refused_client_is_told_when_it_may_ask_again() -> None:
    clock = Clock()
    limit = RateLimit(0.5, burst=1, clock=clock)
    limit.take("a")
    with pytest.raises(RateLimited) as refused:
        limit.take("a")
    assert refused.value.retry_after == 2
    clock.now += refused.value.retry_after
    limit.take("a")


@settings(max_examples=30, deadline=None)
@given(turns=st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 2)), min_size=1, max_size=100))
def test_several_workers_let_through_what_one_does(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[float, int]]
) -> None:
    clock, folder = Clock(), tmp_path_factory.mktemp("rates")
    alone = RateLimit(3, burst=2, clock=clock)
    workers = [RateLimit(3, burst=2, clock=clock, shared=folder) for _ in range(3)]

    def allowed(limit: RateLimit) -> bool:
        try:
            limit.take("a")
        except RateLimited:
            return False
        return True

    for pause, worker in turns:
        clock.now += pause
        assert allowed(workers[worker]) == allowed(alone)
