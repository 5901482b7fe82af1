"""What the log of a run shows of an error that a user can mend: its message on one line, without a traceback.

Prefect logs every error with a traceback: of the task, of the flow, and of the engine that a worker has started.
"""

import logging

from components.artefacts.errors import SlipwayError

# Those that Prefect's engines log a run's errors through.
LOGGERS = ("prefect.task_runs", "prefect.flow_runs", "prefect.engine")


class OneLine(logging.Filter):
    """Makes one line of an error of ours, and says it once in each run; a defect keeps its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record of an error of ours; return whether it is to be logged."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, SlipwayError):
            return True
        # An error has one task, and every flow around that.
        run = str(getattr(record, "flow_run_id", "")) if record.name == "prefect.flow_runs" else record.name
        told: set[str] = error.__dict__.setdefault("told_runs", set())
        if run in told:
            return False
        told.add(run)
        record.msg, record.args = f"{type(error).__name__}: {error}", ()
        record.exc_info, record.exc_text = None, None
        return True


def keep_errors_on_one_line() -> None:
    """Have errors of ours logged on one line from now on, in this process."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(found, OneLine) for found in logger.filters):
            logger.addFilter(OneLine())
