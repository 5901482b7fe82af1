"""Predictions as JSON, written by hand: the shape is fixed, only two values a row change."""

import msgspec

from deployments.data_plane.model import Model


class Answers:
    """Encodes the answers of one build."""

    def __init__(self, model: Model) -> None:
        label = msgspec.json.encode(model.serving.label).decode()
        self._opening = f'{{"build":{msgspec.json.encode(model.build_id).decode()},"request_id":"'
        self._yes = f",{label}:true}}"
        self._no = f",{label}:false}}"
        self._threshold = model.serving.decision_threshold

    def encode(self, probabilities: list[float], request_id: str) -> bytes:
        """Return the body of an answer; ``request_id`` holds nothing that JSON would escape."""
        threshold, yes, no = self._threshold, self._yes, self._no
        rows = ",".join([f'{{"probability":{p!r}{yes if p >= threshold else no}' for p in probabilities])
        return f'{self._opening}{request_id}","predictions":[{rows}]}}'.encode()
