"""A text of a user is one line of Markdown, whatever stands in it."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from components.markdown import cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("auc 0.7191, needs at least 0.5", "auc 0.7191, needs at least 0.5"),
        ("city=a|b", "city=a\\|b"),
        ("two\nlines", "two lines"),
        ("<b> & [x](y)", "&lt;b&gt; &amp; \\[x\\](y)"),
        ("recall_<=50K", "recall_&lt;=50K"),
        ("# _x_ and __init__", "\\# \\_x_ and \\_\\_init_\\_"),
        ("~~gone~~", "\\~\\~gone\\~\\~"),
    ],
)
def test_what_means_something_in_markdown_is_written_as_itself(text: str, written: str) -> None:
    assert cell(text) == written


@settings(deadline=None)
@given(st.text(alphabet="ab_*~`[]()<>&#|\\! -:.1", max_size=12))
def test_a_reader_of_markdown_shows_what_was_written(text: str) -> None:
    one_line = " ".join(text.split())
    page = MarkdownIt().enable(["table", "strikethrough"]).render(f"| x | y |\n| - | - |\n| {cell(text)} | z |\n")
    shown = re.search(r"<tbody>\s*<tr>\s*<td>(.*?)</td>", page, re.DOTALL)
    assert shown
    assert html.unescape(shown[1]) == one_line
