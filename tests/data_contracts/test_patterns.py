"""A pattern is taken only if every engine that judges a row by it reads it alike."""

import json
import re
import shutil
import subprocess

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.description.patterns import disputed, python_pattern, script_pattern
from data_contracts.language.types.strings import pattern_fault

# Pieces of patterns, most of them harmless, and what only some engines take or read as others do.
PIECES = [
    *"ab-&~|[](){}^$.*+?,:<>=/ \n", "a", "b", "ab", "a|b", "(a)", "(?:a|b)", "(|a)", "[ab]", "[^a]", "[a-c]", "[-a]",
    "[a-]", "[^\\]]", "[\\-a]", "[.$]", "a*", "a+?", "a{2}", "a{1,2}", "a{0,}", "\\.", "\\$", "\\\\", "\\x61", "\\n",
    "\\/", "é", "[é-ü]", "++", "*+", "{,3}", "{ 2}", "{01}", "[[:alpha:]]", "&&", "[a&&b]", "[a~~b]", "[a||b]", "[+--]",
    "[a[b]", "[]a]", "[^]", "\\d", "\\w", "\\b", "\\<", "\\x{61}", "\\u0061", "\\0", "\\Q", "(?i)", "(?=a)", "(?a)",
    "(?P<n>a)", "\\1", "\\p{L}",
]  # fmt: skip
TEXTS = [
    "",
    "a",
    "b",
    "aa",
    "ab",
    "ba",
    "aab",
    "aaa",
    "-",
    "&",
    "~",
    "|",
    "[",
    "]",
    "a]",
    "\n",
    "a\n",
    "a\rb",
    "é",
    ".",
    "$",
    "\\",
]


def judged_by_engines(pattern: str) -> list[list[bool]]:
    rust = pl.Series(TEXTS).str.contains(pattern).to_list()
    python = [re.search(python_pattern(pattern), text) is not None for text in TEXTS]
    re2 = pc.match_substring_regex(pa.array(TEXTS), pattern).to_pylist()
    return [rust, python, re2]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=5).map("".join))
def test_engines_agree_on_every_pattern_that_is_taken(pattern: str) -> None:
    if pattern_fault(pattern) is None:
        rust, python, re2 = judged_by_engines(pattern)
        assert rust == python == re2


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_javascript_agrees_too() -> None:
    found = [first + second for first in PIECES for second in ("", *PIECES)]
    taken = [pattern for pattern in dict.fromkeys(found) if pattern_fault(pattern) is None]
    assert len(taken) > 300
    program = (
        "const [patterns, texts] = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(patterns.map(p => texts.map(t => new RegExp(p, 'u').test(t)))))"
    )
    asked = json.dumps([[script_pattern(pattern) for pattern in taken], TEXTS])
    answered = subprocess.run(["node", "-e", program], input=asked, capture_output=True, text=True, check=True)
    assert json.loads(answered.stdout) == [judged_by_engines(pattern)[0] for pattern in taken]


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"^\d+$", r"\d"),
        (r"(?i)x", "(?i"),
        (r"a(?=b)", "(?="),
        (r"\bword", r"\b"),
        (r"(a)\1", r"\1"),
        ("^[[:alpha:]]+$", "[[:alpha:]]"),
        ("[a-z&&[^b]]", "[a-z&&[^b]"),
        ("[+--]", "[+--]"),
        ("^a++a$", "++"),
        ("a{2}{3}", "{2}{3}"),
        ("a{,3}", "{,3}"),
        ("a{1001}", "{1001}"),
        (r"^\x{41}$", r"\x{41}"),
        (r"\u0041", r"\u"),
        (r"\<a", r"\<"),
        ("[]a]", "[]"),
        ("a}", "}"),
    ],
)
def test_what_engines_read_differently_is_named(pattern: str, part: str) -> None:
    assert disputed(pattern) == part


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("^(a$", "unterminated subpattern"),
        ("[b-a]", "bad character range"),
        ("(?:a{500}){500}", "invalid repetition size"),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    assert reason in str(pattern_fault(pattern))


def test_the_end_of_a_pattern_is_the_end_of_the_text() -> None:
    assert python_pattern(r"^[A-Z$]{3}\$$") == r"^[A-Z$]{3}\$\Z"
    assert script_pattern(r"^[.]\..$") == r"^[.]\.[^\n]$"
