"""Logs: a line of JSON (or of text) a record from each process, kept in files by `hotline up`, told shortly
on its terminal. Whatever concerns a call carries its id as `call`; no caller's data is in them.
"""

import json
import logging
import logging.handlers
import os
import re
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

KEPT_BYTES = 20_000_000  # a file
KEPT_FILES = 5
TOLD = ("warning", "error", "critical")
# PostgreSQL's details quote the row at fault; a telephone number may stand in any words.
_DATA = re.compile(r"DETAIL:[^\n]*|(?<![\d.-])(\+?86-?)?(1[3-9]\d{9}|0\d{9,11})(?!\d)")
_TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (\w+) ")


def configure(role: str, level: str, form: str = "json") -> None:
    """This process writes one record a line on standard error, as `json` or `text`, the libraries too."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_data,
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
                as_text if form == "text" else structlog.processors.JSONRenderer(ensure_ascii=False),
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


def aside() -> None:
    """A command's own warnings go to standard error, as text: its standard output is its answer."""
    structlog.configure(
        processors=[
            _warnings,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_data,
            as_text,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _warnings(_logger: Any, method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return record


def without_data(_logger: Any, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last guard: what a library's message may have taken along of a caller is left out."""
    for key, value in record.items():
        if isinstance(value, str) and key not in ("timestamp", "call"):
            record[key] = _DATA.sub("…", value)
    return record


def as_text(_logger: Any, _method: str, record: MutableMapping[str, Any]) -> str:
    """`2026-11-21T08:30:01Z warning event key=value`; a traceback follows on lines of its own."""
    told = f"{record.pop('timestamp')[:19]}Z {record.pop('level')} {record.pop('event')}"
    exception = record.pop("exception", "")
    rest = "".join(f" {key}={value}" for key, value in record.items() if key not in ("role", "logger"))
    return told + rest + (f"\n{exception}" if exception else "")


def keeper(file: Path) -> logging.Handler:
    """Keeps the lines of one process in `file`, the oldest thrown away."""
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=KEPT_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace"
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def shorten(file: Path) -> None:
    """As `keeper`, for a file that another program appends to: when full it goes on in `<file>.1`.

    Copied and emptied, so that the program need not be told; what it writes in between is lost.
    """
    if not file.exists() or file.stat().st_size < KEPT_BYTES:
        return
    for place in range(KEPT_FILES - 1, 0, -1):
        older = Path(f"{file}.{place}")
        if older.exists():
            older.replace(f"{file}.{place + 1}")
    shutil.copy(file, f"{file}.1")
    os.truncate(file, 0)


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
    """Is it for the terminal? Warnings and worse, and whatever is no record of ours (a traceback, say)."""
    if text := _TEXT_LINE.match(line):
        return text[1] in TOLD
    try:
        return str(json.loads(line)["level"]) in TOLD
    except (ValueError, KeyError, TypeError):
        return bool(line.strip())
