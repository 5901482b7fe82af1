"""What stands above Evidently's charts: whose page it is, what was decided and by which rule; it fetches nothing."""

from collections.abc import Sequence
from html import escape

STYLE = """<style>
.slipway { font: 15px/1.5 system-ui, "Segoe UI", sans-serif; color: #1d2530; background: #fff; max-width: 1040px;
  margin: 0 auto; padding: 20px 16px; overflow-wrap: anywhere }
.slipway h1 { font-size: 26px; line-height: 1.2; margin: 0 0 6px } .slipway p { margin: 4px 0 10px }
.slipway table { border-collapse: collapse; font-size: 14px } .slipway td, .slipway th { text-align: left;
  padding: 4px 14px 4px 0; border-bottom: 1px solid #e4e1d8 } .slipway .moved { color: #b3261e; font-weight: 600 }
.slipway .soft { color: #667085 }
</style>"""
ROW = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"


def header(title: str, window: str, said: Sequence[str], rows: Sequence[tuple[str, str, str, bool]]) -> str:
    """Return the header: ``said`` in paragraphs, then a row for each thing tested: name, test, distance, moved."""
    told = "".join(f"<p>{escape(line)}</p>" for line in said)
    # What moved comes first.
    body = "".join(
        ROW.format(escape(name), escape(test), escape(far), '<span class="moved">moved</span>' if moved else "calm")
        for name, test, far, moved in sorted(rows, key=lambda row: not row[3])
    )
    return (
        f'{STYLE}<section class="slipway"><h1>{escape(title)}: window {escape(window)}</h1>{told}'
        f"<table><tr><th>field</th><th>test</th><th>distance</th><th>in this window</th></tr>{body}</table>"
        '<p class="soft">The charts below are drawn by Evidently, on samples of both sides; its words “drift detected” '
        "say here that the rule above calls the field moved in this window.</p></section>"
    )


def with_header(page: str, title: str, window: str, head: str) -> str:
    """Return a page with a title of ours, and the header at the beginning of its body."""
    page = page.replace("<head>", f"<head><title>{escape(title)}: drift, {escape(window)}</title>", 1)
    return page.replace("<body>", f"<body>{head}", 1)
