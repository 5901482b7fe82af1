"""YAML as a person meant it: what reads as something else is refused or known by its words, with its line."""

from datetime import date

import pytest

from components.declaration.yaml_document import Written, YamlFault, read_yaml

LAUGHS = "\n".join(
    ["- &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", *(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "^line 4: 'b.c' stands there twice, first in line 3: keep one of them$"),
        ("a: 1\n'a': 2\n", "^line 2: 'a' stands there twice, first in line 1"),
        ("a:\n- 1\n- {no: 1, no: 2}\n", "^line 3: 'a.1.no' stands there twice"),
        ("a: 2024-06-31", "^line 1: 'a': there is no day or time 2024-06-31"),
        ("a: 2024-01-01T10:00:00+99:99", "^line 1: 'a': there is no day or time 2024"),
        ("zip: 01234", "^line 1: 'zip': 01234 is an octal number in YAML: write it in quotes"),
        ("at: 12:30", "^line 1: 'at': 12:30 is a number of base 60 in YAML: write it in quotes"),
        ("at: 1:30.5", "base 60"),
        ("a: &x [*x]", "^line 1: 'a.0' holds itself"),
        ("a: &x {<<: *x}", "'<<' in 'a' takes an alias of other keys"),
        ("a: !!python/object:os.system x", "^line 1: 'a' has the tag !!python/object:os.system: leave it out"),
        ("a: !!int x", "^line 1: 'a': x cannot be read as int"),
        ("a: !!timestamp x", "^line 1: 'a': there is no day or time x"),
        ("a: !!bool x", "^line 1: 'a' has the tag !!bool"),
        ("? [a]\n: 1", "^line 1: a key of the file is no single word"),
        ("[" * 5000, "nested too deeply"),
        (f"a: {'9' * 5000}", "is a number of 5,000 signs"),
        (LAUGHS, "stands for more than 100,000 values"),
        ("a: 1\n---\nb: 2", "not readable YAML: expected a single document"),
        ("a: 'x\0'", "not readable YAML: unacceptable character"),
    ],
)
def test_what_is_no_yaml_or_means_something_else_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(YamlFault, match=told) as refused:
        read_yaml(text.encode())
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_keys_are_words_and_values_know_how_they_were_written() -> None:
    text = "no: 1e-3\n1: {off: NO, day: 2024-05-05, quoted: 'NO'}\nmerged: &m {x: 1}\nwith: {<<: *m, y: 2}\n"
    document = read_yaml(text.encode())
    assert document.values == {
        "no": 0.001,
        "1": {"off": False, "day": date(2024, 5, 5), "quoted": "NO"},
        "merged": {"x": 1},
        "with": {"y": 2, "x": 1},
    }
    assert document.written["1", "off"] == Written(2, "NO", quoted=False)
    assert document.written["1", "quoted"] == Written(2, "NO", quoted=True)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(YamlFault, match="byte 0xff is not UTF-8"):
        read_yaml(b"a: \xff")
    assert read_yaml(b"").values is None
    assert read_yaml(b"\xef\xbb\xbfa: 1").values == {"a": 1}
