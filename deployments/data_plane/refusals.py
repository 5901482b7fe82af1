"""What a client is told when its request was refused or failed: one place for every interface."""

from collections.abc import Callable
from typing import Any

import msgspec

from deployments.data_plane.formats.content import CODINGS, WrongContentCoding, WrongContentType
from deployments.data_plane.formats.negotiation import NotAcceptable
from deployments.data_plane.formats.request import InvalidRow, MalformedRequest, TooManyRows
from deployments.data_plane.load.batching import Expired
from deployments.data_plane.load.computing import NoFiniteAnswer
from deployments.data_plane.load.limits import NotTaken, RateLimited
from deployments.data_plane.protocol import CLOSE, JSON, BodyTooLarge, BodyTooLate, Disconnected, Headers, Reply


class UnknownModel(Exception):
    """The request names a model or version that is not served here."""


class CannotExplain(Exception):
    """The build lacks what an explanation needs."""


# Stands for the request's id in a reply that is made in advance.
_BLANK = "00000000-request-id"


class Refusal(msgspec.Struct, frozen=True):
    """A status as HTTP counts them, the kind and reason of the error, and where it is."""

    status: int
    kind: str
    reason: str
    headers: Headers = ()
    place: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """Where and why, in one line."""
        place = "".join(f"{key} {value}: " for key, value in self.place.items() if value is not None)
        return place + self.reason

    def reply(self, path: str, build: str, request_id: str) -> Reply:
        """Return the refusal as an HTTP reply: an error is a string on the paths of the Open Inference Protocol."""
        error = {"kind": self.kind, "reason": self.reason, **self.place}
        names = {"build": build, "request_id": request_id}
        told = {"error": self.text} if path.startswith("/v2") else {"error": error, **names}
        headers = (*JSON, *self.headers, ("x-build", build), ("x-request-id", request_id))
        return self.status, headers, msgspec.json.encode(told)

    def prepared(self, path: str, build: str) -> Callable[[str], Reply]:
        """Return what makes the reply for a request's id, for where a refusal must cost as little as it can."""
        status, headers, body = self.reply(path, build, _BLANK)
        fixed, parts = headers[:-1], body.split(_BLANK.encode())
        return lambda request_id: (status, (*fixed, ("x-request-id", request_id)), request_id.encode().join(parts))


def refusal_of(error: Exception) -> Refusal:
    """Return what to tell the client; what is not the client's doing is a failure without inner details."""
    reason = str(error)
    match error:
        case InvalidRow():
            return Refusal(422, "invalid_row", error.reason, place={"field": error.field, "row": error.row})
        case NoFiniteAnswer():
            return Refusal(422, "no_answer", reason, place={"row": error.row})
        case MalformedRequest():
            return Refusal(400, "malformed", reason)
        case BodyTooLarge() | TooManyRows():
            return Refusal(413, "too_large", reason, CLOSE)
        case BodyTooLate():
            return Refusal(408, "body_too_late", reason, CLOSE)
        case WrongContentType():
            return Refusal(415, "content_type", reason, CLOSE)
        case WrongContentCoding():
            return Refusal(415, "content_encoding", reason, (("accept-encoding", ", ".join(CODINGS)), *CLOSE))
        case NotAcceptable():
            return Refusal(406, "not_acceptable", reason, CLOSE)
        case CannotExplain():
            return Refusal(404, "not_explained", reason)
        case UnknownModel():
            return Refusal(404, "not_found", reason)
        case NotTaken():
            status, kind = (429, "rate_limited") if isinstance(error, RateLimited) else (503, "overloaded")
            retry = ("retry-after", str(error.retry_after))
            return Refusal(status, kind, reason, (retry, *(CLOSE if error.unread else ())))
        case Disconnected():
            # Nobody reads it: it is counted.
            return Refusal(400, "disconnected", reason, CLOSE)
        case Expired():
            return Refusal(504, "expired", reason)
        case _:
            return Refusal(500, "failed", "the service failed to answer; it is in its log")
