"""Small charts as inline SVG, drawn for a page that must open anywhere: no script, no font, no network.

Colours are CSS classes of the page (ink, soft, accent, good, bad), so light and dark are the page's business. So is the
room that there is: a row of a chart is a name, a note and marks at shares of their own width, which the page lays out
beside or below each other without making a letter smaller.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# As wide as a small telephone shows at the size of the page's text.
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 340, 280, 56, 40, 12, 20
# Steps between ticks that a reader can count in.
STEPS = (1, 2, 2.5, 5, 10)
Point = Sequence[float]


class Plane:
    """Axes from 0 to 1 (or a little more than a given range), in which things are drawn."""

    def __init__(
        self,
        x_title: str,
        y_title: str,
        *,
        x_end: float = 1.0,
        y_end: float = 1.0,
        x_start: float = 0.0,
        y_start: float = 0.0,
    ) -> None:
        across, up = ticks(x_start, x_end), ticks(y_start, y_end)
        # The axes end where their last ticks are.
        self._x_start, self._y_start = across[0], up[0]
        self._x_span, self._y_span = across[-1] - across[0], up[-1] - up[0]
        self._parts = [_text(LEFT + self._wide / 2, HEIGHT - 4, x_title, "soft", "middle")]
        self._parts.append(
            f'<text class="soft" text-anchor="middle" transform="translate(11 {TOP + self._high / 2}) rotate(-90)">'
            f"{escape(y_title)}</text>"
        )
        for tick, label in zip(across, labels(across), strict=True):
            x, _ = self._at((tick, up[0]))
            self._parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{TOP + self._high}"/>')
            self._parts.append(_text(x, HEIGHT - BOTTOM + 15, label, "soft", "middle"))
        for tick, label in zip(up, labels(up), strict=True):
            _, y = self._at((across[0], tick))
            self._parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            self._parts.append(_text(LEFT - 5, y + 4, label, "soft", "end"))

    _wide = WIDTH - LEFT - RIGHT
    _high = HEIGHT - TOP - BOTTOM

    def _at(self, point: Point) -> tuple[float, float]:
        x = min((point[0] - self._x_start) / self._x_span, 1.0)
        y = min((point[1] - self._y_start) / self._y_span, 1.0)
        return LEFT + x * self._wide, TOP + (1 - y) * self._high

    def line(self, points: Sequence[Point], style: str = "accent") -> "Plane":
        """Draw a line through points."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(self._at, points))
        self._parts.append(f'<path class="line {style}" d="M{path}"/>')
        return self

    def dots(self, points: Sequence[Point], notes: Sequence[str], style: str = "accent") -> "Plane":
        """Draw a dot a point, with a note that shows under the pointer."""
        for point, note in zip(points, notes, strict=True):
            x, y = self._at(point)
            self._parts.append(
                f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(note)}</title></circle>'
            )
        return self

    def svg(self, label: str) -> str:
        """Return the chart."""
        return _svg(WIDTH, HEIGHT, "".join(self._parts), label)


def learning(losses: Sequence[tuple[float, float]], kept: int) -> str:
    """Return training and validation loss by epoch, from 1; a vertical line marks the epoch that was kept."""
    ends = [loss for epoch in losses for loss in epoch]
    low, high = min(ends), max(ends)
    # A whole number of fours, so that the ticks are whole epochs.
    plane = Plane("epoch", "loss", x_end=4 * math.ceil(len(losses) / 4), y_start=low, y_end=high)
    training, validation = ([(place, epoch[i]) for place, epoch in enumerate(losses, start=1)] for i in (0, 1))
    notes = [f"epoch {place}: validation {b:.4g}, training {a:.4g}" for place, (a, b) in enumerate(losses, start=1)]
    plane.line([(kept, low), (kept, high)], "faint").line(training, "other")
    return plane.line(validation).dots(validation, notes).svg("learning curve")


@dataclass(frozen=True)
class Whisker:
    """One row of a chart of intervals; ``style`` is bad, or faint for what decides nothing."""

    name: str
    value: float
    low: float
    high: float
    note: str
    style: str = "accent"


def intervals(rows: Sequence[Whisker], *, mark: float | None, label: str) -> str:
    """Return one row a value, with its interval; ``mark`` is a vertical line through all of them."""
    ends = [end for row in rows for end in (row.low, row.high)] + ([mark] if mark is not None else [])
    start, end = min(ends), max(ends)
    span = (end - start) or 1.0
    start, span = start - 0.04 * span, 1.08 * span

    def at(value: float) -> str:
        return f"{100 * (value - start) / span:.2f}%"

    line = f'<line class="mark" x1="{at(mark)}" x2="{at(mark)}" y1="0" y2="100%"/>' if mark is not None else ""
    drawn = []
    for row in rows:
        marks = (
            f'{line}<line class="whisker {row.style}" x1="{at(row.low)}" x2="{at(row.high)}" y1="50%" y2="50%"/>'
            f'<circle class="dot {row.style}" cx="{at(row.value)}" cy="50%" r="4"/>'
        )
        drawn.append(_row(row.name, row.note, marks))
    return _rows(drawn, label)


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Return one horizontal bar a row: name, length, note; a length below zero is drawn as none."""
    longest = max([length for _, length, _ in rows] + [1e-12])
    return _rows(
        [
            _row(
                name,
                note,
                f'<rect class="bar" y="4" width="{100 * max(length, 0) / longest:.2f}%" height="14" rx="2"/>',
            )
            for name, length, note in rows
        ],
        label,
    )


def ticks(start: float, end: float) -> list[float]:
    """Return round numbers in equal steps, about five, the first and last of which have all of a range between them."""
    if end <= start:
        start, end = start - 0.5, start + 0.5
    rough = (end - start) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    # What is a step but for its rounding is that step.
    step = next(power * one for one in STEPS if power * one >= rough * (1 - 1e-9))
    first, last = math.floor(start / step + 1e-9), math.ceil(end / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def labels(values: Sequence[float]) -> list[str]:
    """Return the numbers of an axis, with as few digits as tell them apart: thousands, no exponents."""
    for digits in range(12):
        written = [f"{value:,.{digits}f}" for value in values]
        exact = all(abs(round(value, digits) - value) <= 1e-6 * (values[1] - values[0]) for value in values)
        if exact and len(set(written)) == len(written):
            break
    else:
        return [f"{value:.4g}" for value in values]
    # Zero is written alone, and no number ends in noughts that its neighbours do not need.
    return [text.rstrip("0").rstrip(".") if "." in text else text for text in written]


def rounded(values: Sequence[float], like: Sequence[float] | None = None) -> list[str]:
    """Return numbers as texts with the digits that the largest of them (or of others) needs for four; no "-0.0"."""
    largest = max((abs(value) for value in like or values), default=0.0)
    digits = min(max(3 - math.floor(math.log10(largest)), 0), 12) if largest else 0
    # Zero is added so that a negative zero is none.
    return [f"{round(value, digits) + 0.0:,.{digits}f}" for value in values]


def _row(name: str, note: str, marks: str) -> str:
    return (
        f'<span class="row-name">{escape(name)}</span><span class="row-note">{escape(note)}</span>'
        f'<svg class="row" aria-hidden="true">{marks}</svg>'
    )


def _rows(rows: Sequence[str], label: str) -> str:
    # A group and no image: names and notes are texts that can be read out.
    return f'<div class="rows" role="group" aria-label="{escape(label)}">{"".join(rows)}</div>'


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, body: str, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
