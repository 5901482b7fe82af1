"""Small charts as inline SVG, drawn for a page that must open anywhere: no script, no font, no network.

Colours are CSS classes of the page (ink, soft, accent, good, bad), so light and dark are the page's business.
"""

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 380, 300, 56, 40, 12, 20
Point = Sequence[float]


class Plane:
    """Axes from 0 to 1 (or a given range), in which things are drawn."""

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
        self._x_start, self._y_start = x_start, y_start
        self._x_span, self._y_span = (x_end - x_start) or 1.0, (y_end - y_start) or 1.0
        self._parts = [_text(LEFT + self._wide / 2, HEIGHT - 4, x_title, "soft", "middle")]
        self._parts.append(
            f'<text class="soft" text-anchor="middle" transform="translate(11 {TOP + self._high / 2}) rotate(-90)">'
            f"{escape(y_title)}</text>"
        )
        for step in range(5):
            share = step / 4
            x, y = LEFT + share * self._wide, TOP + (1 - share) * self._high
            self._parts.append(
                f'<path class="grid" d="M{x:.1f} {TOP}V{TOP + self._high}M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            )
            across, up = _tick(x_start, self._x_span, share), _tick(y_start, self._y_span, share)
            self._parts.append(_text(x, HEIGHT - BOTTOM + 15, across, "soft", "middle"))
            self._parts.append(_text(LEFT - 5, y + 4, up, "soft", "end"))

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


def intervals(
    rows: Sequence[tuple[str, float, float, float, str, bool]], *, mark: float | None, label: str, digits: int = 3
) -> str:
    """Return one row a value: name, value, low, high, note, whether it is bad; ``mark`` is a vertical line."""
    left, right, high = 190, 150, 24
    ends = [end for _, _, low, high_end, _, _ in rows for end in (low, high_end)] + ([mark] if mark is not None else [])
    start, end = min(ends), max(ends)
    span = (end - start) or 1.0
    start, span = start - 0.04 * span, 1.08 * span
    wide, total = 760 - left - right, len(rows) * high + 24

    def at(value: float) -> float:
        return left + (value - start) / span * wide

    parts = []
    if mark is not None:
        parts.append(f'<path class="mark" d="M{at(mark):.1f} 0V{total - 18}"/>')
        parts.append(_text(at(mark), total - 4, f"{mark:.{digits}f}", "soft", "middle"))
    for place, (name, value, low, high_end, note, bad) in enumerate(rows):
        y, style = place * high + 14, "bad" if bad else "accent"
        parts.append(_text(left - 10, y + 4, name, "ink", "end"))
        parts.append(f'<path class="whisker {style}" d="M{at(low):.1f} {y}H{at(high_end):.1f}"/>')
        parts.append(f'<circle class="dot {style}" cx="{at(value):.1f}" cy="{y}" r="4"/>')
        parts.append(_text(760 - right + 10, y + 4, f"{value:.{digits}f}  {note}", "soft", "start"))
    return _svg(760, total, "".join(parts), label)


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Return one horizontal bar a row: name, length, note; a length below zero is drawn as none."""
    left, right, high = 190, 150, 22
    longest = max([length for _, length, _ in rows] + [1e-12])
    parts = []
    for place, (name, length, note) in enumerate(rows):
        y, wide = place * high + 4, max(length, 0) / longest * (760 - left - right)
        parts.append(_text(left - 10, y + 12, name, "ink", "end"))
        parts.append(f'<rect class="bar" x="{left}" y="{y}" width="{wide:.1f}" height="14" rx="2"/>')
        parts.append(_text(left + wide + 8, y + 12, note, "soft", "start"))
    return _svg(760, len(rows) * high + 6, "".join(parts), label)


def _tick(start: float, span: float, share: float) -> str:
    """Return a number on an axis with enough digits to tell it from its neighbours."""
    largest, step = max(abs(start), abs(start + span)), abs(span) / 4
    return f"{start + share * span:.{1 + math.ceil(math.log10(largest / step))}g}"


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, body: str, label: str) -> str:
    # A wide chart is drawn at the size of the page's text, not stretched to the page.
    style = ' class="wide"' if width > WIDTH else ""
    return f'<svg{style} viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
