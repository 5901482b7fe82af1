"""Which format an Accept header asks for."""

import pytest

from deployments.data_plane.formats.negotiation import NotAcceptable, choose_format

OFFERS = ("a/one", "a/two")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "a/one"),
        ("", "a/one"),
        ("*/*", "a/one"),
        ("a/*", "a/one"),
        ("A/Two", "a/two"),
        ("a/two;q=0.4, a/one;q=0.3", "a/two"),
        ("a/two;q=0.4, */*;q=0.5", "a/one"),
        ("a/one;q=0, */*", "a/two"),
        ("text/html, a/two;level=1;q=0.2", "a/two"),
    ],
)
def test_the_format_that_is_liked_best_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose_format(accept, OFFERS) == chosen


@pytest.mark.parametrize("accept", ["text/html", "a/one;q=0, a/two;q=0", "a/two;q=high", "b/*"])
def test_none_is_refused_with_those_there_are(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="the answer can be a/one or a/two"):
        choose_format(accept, OFFERS)
