"""Data Docs that open without a network: Great Expectations' pages fetch scripts, styles and pictures from six servers.

What is fetched is taken out, a style of our own stands in the page, and the index, which only scripts would fill, is
written anew. Filters and the dialog about editing go with the scripts; every result stays.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import quote

# A script without the libraries that are fetched does nothing.
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_FETCHED = re.compile(
    r"""<link\b[^>]*href\s*=\s*["'](?:https?:)?//[^>]*>|<img\b[^>]*src\s*=\s*["'](?:https?:)?//[^>]*>""", re.IGNORECASE
)
_DIALOG = re.compile(r"""<div class="modal fade.*?(?=<div class="container-fluid|</body>)""", re.DOTALL)
STYLE = """<style>
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: #1d2530; background: #fbfaf7 }
.container-fluid { max-width: 1100px; margin: 0 auto; padding: 8px 14px } a { color: #1f5f8b; overflow-wrap: anywhere }
nav.navbar { display: none } ul { padding-left: 20px } h1, h2, h3, h4 { line-height: 1.25 } .sticky { position: static }
.alert, .ge-section, .card { background: #fff; border: 1px solid #e4e1d8; border-radius: 8px; padding: 10px 14px;
  margin: 10px 0 }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; font-size: 14px; margin: 8px 0 }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0; border-bottom: 1px solid #e4e1d8 }
.text-success, .passed { color: #1d7a4c } .text-danger, .failed { color: #b3261e } .text-warning { color: #94650b }
.fa-check-circle::before { content: "\\2713 kept" } .fa-times::before { content: "\\2717 broken" }
.fa-exclamation-triangle::before { content: "!" } i { font-style: normal; font-weight: 600 } .badge { font-weight: 600 }
footer, .cooltip .top, .modal, button, .btn, .breadcrumb, [role=dialog] { display: none } .collapse { display: block }
pre, code { white-space: pre-wrap; overflow-wrap: anywhere }
</style>"""


def make_offline(docs: Path, name: str) -> None:
    """Rewrite the pages of a site in place so that opening them fetches nothing; ``name`` is the contract's."""
    for page in docs.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for fetched in (_SCRIPT, _FETCHED, _DIALOG):
            text = fetched.sub("", text)
        page.write_text(text.replace("</head>", f"{STYLE}</head>", 1), encoding="utf-8")
    (docs / "index.html").write_text(_index(docs, name), encoding="utf-8")


def _index(docs: Path, name: str) -> str:
    def links(folder: str, title: str) -> str:
        found = sorted((docs / folder).rglob("*.html"), reverse=True)
        named = [(quote(str(one.relative_to(docs))), escape(_told(one))) for one in found]
        items = "".join(f'<li><a href="{address}">{text}</a></li>' for address, text in named)
        return f"<h2>{title}</h2><ul>{items}</ul>"

    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}: data docs</title>{STYLE}"
        f'</head><body><div class="container-fluid"><h1>{escape(name)}: what is expected of the data</h1>'
        f"{links('validations', 'What was found')}{links('expectations', 'What is expected')}</div></body></html>\n"
    )


def _told(page: Path) -> str:
    # validations/SUITE/RUN/TIME/BATCH.html: the time says which one it is.
    return page.stem if page.parent.name == "expectations" else f"{page.parent.name[:15]} {page.stem}"
