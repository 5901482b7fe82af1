"""uvicorn, msgspec and ONNX Runtime without a framework, one call of the model a request."""

from typing import Any

import msgspec

from benchmarks.serving.peers.material import answer, decoder, predictor

PREDICTOR = predictor()
DECODER = decoder()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    rows = DECODER.decode(body)
    probability = PREDICTOR.predict(PREDICTOR.tensors(rows)).tolist()[0]
    reply = msgspec.json.encode(answer(probability))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply})
