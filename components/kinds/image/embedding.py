"""What a picture looks like in a few numbers: the low frequencies of its grey values, and the energy of the others.

The picture is made 16 by 16 grey values and transformed to cosines (DCT-II, as in JPEG). The twelve lowest tell where
it is bright: they change as it is turned, mirrored or cut. Four bands of frequencies tell how much it changes over how
many pixels: sharpness, noise. It depends on no model, so that builds can be compared; all of it lies from -1 to 1.
"""

import numpy as np
from numpy.typing import NDArray

SIDE = 16
# Frequencies down and across; without the mean, which is the brightness.
LOWEST = tuple((down, across) for down in range(4) for across in range(4) if 0 < down + across <= 4)
BANDS = ((1, 1), (2, 3), (4, 7), (8, 15))
LENGTH = len(LOWEST) + len(BANDS)


def _cosines() -> NDArray[np.float64]:
    """Return the orthonormal DCT-II as a matrix [frequency, place]."""
    frequency, place = np.arange(SIDE)[:, None], np.arange(SIDE)[None, :]
    found: NDArray[np.float64] = np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE)) * np.sqrt(2 / SIDE)
    found[0] /= np.sqrt(2)
    return found


_COSINES = _cosines()
# Of both frequencies.
_LARGER = np.maximum(np.arange(SIDE)[:, None], np.arange(SIDE)[None, :])


def embedding(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 [LENGTH] of grey values [SIDE, SIDE]."""
    found = _COSINES @ (grey / 255) @ _COSINES.T / SIDE
    bands = (np.sqrt(np.square(found[(low <= _LARGER) & (high >= _LARGER)]).sum()) for low, high in BANDS)
    return np.array([*(found[place] for place in LOWEST), *bands], np.float32)
