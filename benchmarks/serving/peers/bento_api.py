"""BentoML's own API path: a service class with a typed API method, the same ONNX graph."""

from typing import Any

import bentoml

from benchmarks.serving.peers.material import FlightRow, answer, predictor


@bentoml.service(workers=1, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Flights:
    def __init__(self) -> None:
        self._predictor = predictor()

    @bentoml.api(route="/v1/predict")
    def predict(self, row: FlightRow) -> dict[str, Any]:
        return answer(float(self._predictor.predict(self._predictor.tensors([tuple(row.model_dump().values())]))[0]))
