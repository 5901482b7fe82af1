"""The worst mistakes as a sheet of pictures: what a model was surest of and wrong about, for people to look at."""

import base64
import io

import numpy as np
from numpy.typing import NDArray

from components.artefacts.inference import Parts
from components.evaluation.further import Further
from data_contracts.description.spec import ContractSpec

# It goes into the build, for people.
FILE = "worst_mistakes.png"
# Pictures in a row and rows of a sheet; pixels of a picture, and of the words below it.
ACROSS, DOWN = 8, 4
SIDE, WORDS = 96, 28


def shown_mistakes(parts: Parts, contract: ContractSpec) -> Further:
    """Return the sheet of a candidate for its dossier: of the validation split, which may be looked at often."""
    sheet = parts.assets[FILE]
    png = base64.b64encode(sheet if isinstance(sheet, bytes) else sheet.read_bytes()).decode()
    group = {
        "title": "Worst mistakes",
        "note": "Of the validation split, the answers first that gave the true class the smallest probability.",
        "pictures": [{"png": png, "note": f"Below each: {contract.label.name} as it is, and as it was said to be."}],
    }
    return Further(tables={"pictures": [group]})


def worst_mistakes(
    pixels: NDArray[np.uint8], labels: NDArray[np.float32], answers: NDArray[np.float32], names: tuple[str, ...]
) -> bytes:
    """Return a PNG of the pictures whose own class was given the smallest probability, the worst first.

    ``pixels`` [rows, channels, size, size], ``answers`` [rows, classes]; below each what it is and what was said.
    """
    from PIL import Image, ImageDraw

    truth, said = labels.astype(int), answers.argmax(axis=1)
    own = answers[np.arange(len(truth)), truth]
    wrong = np.flatnonzero(said != truth)
    worst = wrong[np.argsort(own[wrong], kind="stable")][: ACROSS * DOWN]
    rows = max(1, -(-len(worst) // ACROSS))
    sheet = Image.new("RGB", (ACROSS * SIDE, rows * (SIDE + WORDS)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(worst):
        left, top = place % ACROSS * SIDE, place // ACROSS * (SIDE + WORDS)
        picture = Image.fromarray(pixels[row].transpose(1, 2, 0).squeeze()).convert("RGB")
        sheet.paste(picture.resize((SIDE - 4, SIDE - 4), Image.Resampling.NEAREST), (left + 2, top + 2))
        told = f"{names[truth[row]]}\nsaid {names[said[row]]} {answers[row, said[row]]:.2f}"
        draw.multiline_text((left + 2, top + SIDE - 2), told, fill="black", font_size=10, spacing=1)
    if not len(worst):
        draw.text((4, 4), "no mistakes", fill="black")
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
