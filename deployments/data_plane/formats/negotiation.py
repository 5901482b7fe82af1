"""Which of several formats a client wants its answer in (RFC 9110, 12.5.1)."""

from collections.abc import Sequence


class NotAcceptable(Exception):
    """The client takes none of the formats that there are."""


def choose_format(accept: str | None, offers: Sequence[str]) -> str:
    """Return the offer that an Accept header likes best, the earlier of equals; NotAcceptable if it takes none.

    >>> choose_format("text/html, application/json;q=0.5", ["application/json"])
    'application/json'
    """
    if accept is None:
        return offers[0]
    ranges = [_range(part) for part in accept.lower().split(",") if part.strip()]
    if not ranges:
        return offers[0]
    liked = [_quality(offer, ranges) for offer in offers]
    if max(liked) <= 0:
        raise NotAcceptable(f"accept {accept}: the answer can be {' or '.join(offers)}")
    return offers[liked.index(max(liked))]


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return how much an offer is liked: what the most exact range that holds it says."""
    for wanted in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        said = [quality for name, quality in ranges if name == wanted]
        if said:
            return max(said)
    return 0.0
