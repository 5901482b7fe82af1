"""A text of a user is one cell of a table in Markdown, whatever stands in it."""

import pytest

from components.markdown import cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("auc 0.7191, needs at least 0.5", "auc 0.7191, needs at least 0.5"),
        ("city=a|b", "city=a\\|b"),
        ("two\nlines", "two lines"),
        ("<b> & [x](y)", "&lt;b&gt; &amp; \\[x\\](y)"),
        ("recall_<=50K", "recall_&lt;=50K"),
    ],
)
def test_what_means_something_in_markdown_is_written_as_itself(text: str, written: str) -> None:
    assert cell(text) == written
