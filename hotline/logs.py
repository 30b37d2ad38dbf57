"""Logs: JSON lines from each process, kept in files by `hotline up`, told shortly on its terminal."""

import json
import logging
import logging.handlers
import sys
from pathlib import Path

import structlog

KEPT_BYTES = 20_000_000  # a file
KEPT_FILES = 5


def configure(role: str, level: str) -> None:
    """This process writes one JSON object a line on standard error; libraries' own logging included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # One line per request or per applied migration tells nobody anything; their warnings do.
    for noisy in ("uvicorn.access", "alembic", "panoramisk", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # All that it would warn of is a sweep longer than its interval: a backlog, and nothing is left out.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(role=role)


def keeper(file: Path) -> logging.Handler:
    """Keeps the lines of one process in `file`, the oldest thrown away."""
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=KEPT_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace"
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def short(line: str) -> str:
    """A JSON line as one for people: `12:30:01 warning event key=value`; any other line as it is."""
    try:
        record = json.loads(line)
        told = f"{record.pop('timestamp')[11:19]} {record.pop('level')} {record.pop('event')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    exception = str(record.pop("exception", "")).strip().splitlines()
    rest = "".join(f" {key}={value}" for key, value in record.items() if key not in ("role", "logger"))
    return told + rest + (f" — {exception[-1]}" if exception else "")


def worth_telling(line: str) -> bool:
    """Is it for the terminal? Warnings and worse, and whatever is no JSON (a traceback, say)."""
    try:
        return str(json.loads(line)["level"]) in ("warning", "error", "critical")
    except (ValueError, KeyError, TypeError):
        return bool(line.strip())
