"""The ceiling of the HTTP layer: Granian that answers a constant, without or with reading the request."""

from typing import Any

HEADERS = [("content-type", "application/json")]
REPLY = b'{"build":"flights-000000000000","request_id":"0","predictions":[{"probability":0.25,"late":false}]}'


class Blind:
    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        proto.response_bytes(200, HEADERS, REPLY)


class Reading:
    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        await proto()
        proto.response_bytes(200, HEADERS, REPLY)


blind = Blind()
reading = Reading()
