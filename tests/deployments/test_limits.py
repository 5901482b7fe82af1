"""A client gets its rate and its burst, never more, and does not spend what belongs to another."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.data_plane.limits import CLIENTS, RateLimit, RateLimited


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


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


def test_clients_are_counted_apart_and_the_oldest_is_forgotten() -> None:
    limit = RateLimit(1, burst=1, clock=Clock())
    limit.take("a")
    with pytest.raises(RateLimited, match="client a may ask 1 times a second"):
        limit.take("a")
    for number in range(CLIENTS):
        limit.take(f"client-{number}")
    limit.take("a")
