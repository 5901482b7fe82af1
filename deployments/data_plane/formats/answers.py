"""Predictions as JSON, written by hand: the shape is fixed, only the numbers of a row change."""

from collections.abc import Sequence
from typing import Any

import msgspec

from deployments.data_plane.model import Model


class Answers:
    """Encodes the answers of one build."""

    def __init__(self, model: Model) -> None:
        self._opening = f'{{"build":{msgspec.json.encode(model.build_id).decode()},"request_id":"'
        self._write = model.serving.answer.writer()

    def encode(self, answers: Sequence[Any], request_id: str) -> bytes:
        """Return the body of an answer; ``request_id`` holds nothing that JSON would escape."""
        return f'{self._opening}{request_id}","predictions":[{self._write(answers)}]}}'.encode()
