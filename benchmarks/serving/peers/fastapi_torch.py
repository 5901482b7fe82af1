"""The usual hand-written service: FastAPI, pydantic, preprocessing in Python, PyTorch in eager mode."""

import math
from typing import Any

import torch
from fastapi import FastAPI

from benchmarks.serving.model import Material
from benchmarks.serving.peers.material import FOLDER, FlightRow, answer
from components.features.calendar import TimeOfDay, Weekday
from components.features.category import Category
from components.features.numeric import Standardise

torch.set_num_threads(1)
MATERIAL = Material(FOLDER)
RECIPE = MATERIAL.recipe()
NETWORK = MATERIAL.network()
VOCABULARIES = {
    step.field: {value: index + 2 for index, value in enumerate(step.vocabulary)}
    for step in RECIPE.steps
    if isinstance(step, Category)
}

app = FastAPI()


def features(row: FlightRow) -> tuple[list[float], list[int]]:
    """Preprocess one row as one writes it by hand."""
    values: list[float] = []
    codes: list[int] = []
    for step in RECIPE.steps:
        given = getattr(row, step.field)
        if isinstance(step, Category):
            codes.append(VOCABULARIES[step.field].get(given, 1) if given else 0)
        elif isinstance(step, TimeOfDay):
            angle = (given.hour * 3600 + given.minute * 60 + given.second) / 86_400 * 2 * math.pi
            values += [math.sin(angle), math.cos(angle)]
        elif isinstance(step, Weekday):
            day = given.weekday() + (given.hour * 3600 + given.minute * 60 + given.second) / 86_400
            values += [math.sin(day / 7 * 2 * math.pi), math.cos(day / 7 * 2 * math.pi)]
        elif isinstance(step, Standardise):
            values.append(((step.fill if given is None else given) - step.centre) / step.width)
            if step.flag:
                values.append(float(given is None))
    return values, codes


@app.post("/v1/predict")
async def predict(row: FlightRow) -> dict[str, Any]:
    values, codes = features(row)
    with torch.inference_mode():
        probability = NETWORK(torch.tensor([values]), torch.tensor([codes]))
    return answer(probability.item())
