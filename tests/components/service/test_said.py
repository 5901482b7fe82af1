"""Standard error of a process that runs for long: the last lines are kept, later ones passed on."""

import io
import subprocess
import sys

from components.service.said import KEPT_LINES, Said

TALK = "import sys; sys.stderr.write(''.join(f'line {n}\\n' for n in range(1_000)) + '\\n')"


def _said(program: str) -> Said:
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    process.wait()
    assert process.stderr
    said = Said(process.stderr)
    assert process.poll() == 0
    return said


def test_only_the_last_lines_are_kept() -> None:
    said, heard = _said(TALK), io.StringIO()
    assert said.last_line() == "line 999"
    said.pass_on(heard)
    said.close()
    lines = heard.getvalue().splitlines()
    assert len(lines) == KEPT_LINES
    assert lines[-2:] == ["line 999", ""]


def test_a_reader_that_went_away_stops_nothing() -> None:
    heard = io.StringIO()
    heard.close()
    said = _said(TALK)
    said.pass_on(heard)
    assert said.last_line() == "line 999"
    said.close()


def test_silence_has_a_name() -> None:
    said = _said("pass")
    assert said.last_line() == "nothing"
    said.close()
