"""The log of a run shows an error that a user can mend as one line, once a run, and a defect with its place."""

import logging

import pytest

from components.artefacts.errors import SlipwayError, SourceError
from flows.run_log import LOGGERS, OneLine, keep_errors_on_one_line


def record(error: Exception, **names: str) -> logging.LogRecord:
    made = logging.LogRecord("prefect.flow_runs", logging.ERROR, __file__, 1, "Encountered %r", (error,), None)
    made.exc_info = (type(error), error, None)
    made.__dict__.update(names)
    return made


def test_an_error_of_ours_is_one_line_and_said_once_in_each_run() -> None:
    error = SourceError("rows.csv is not there")
    first = record(error, flow_run_id="a")
    assert OneLine().filter(first)
    assert first.getMessage() == "SourceError: rows.csv is not there"
    assert first.exc_info is None
    assert not OneLine().filter(record(error, flow_run_id="a"))
    assert OneLine().filter(record(error, flow_run_id="b"))
    of_a_task = record(error, flow_run_id="a", task_run_id="c")
    of_a_task.name = "prefect.task_runs"
    assert OneLine().filter(of_a_task)
    assert of_a_task.getMessage() == "SourceError: rows.csv is not there"


def test_a_defect_keeps_its_traceback() -> None:
    defect = record(ZeroDivisionError())
    assert OneLine().filter(defect)
    assert defect.exc_info


@pytest.mark.parametrize("name", LOGGERS)
def test_what_prefect_logs_through_these_is_filtered_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    keep_errors_on_one_line()
    keep_errors_on_one_line()
    logger = logging.getLogger(name)
    assert [type(found) for found in logger.filters].count(OneLine) == 1
    with caplog.at_level(logging.ERROR, logger=name):
        try:
            raise SlipwayError("a word")
        except SlipwayError:
            logger.error("Encountered exception during execution", exc_info=True)
    assert "Traceback" not in caplog.text
