"""Logs: one line for people out of each JSON line, and nothing but JSON from our own processes."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx
import pytest
import structlog

from hotline import logs
from hotline.logs import KEPT_FILES, configure, short, worth_telling
from storage.database import Database
from storage.parties import CallerNumber
from tests.web.site import PASSWORD, Site, site

__all__ = ["site"]


def test_a_record_is_told_shortly_with_its_facts_and_the_last_line_of_its_exception() -> None:
    line = json.dumps(
        {
            "timestamp": "2026-11-21T08:30:01.123Z",
            "level": "error",
            "event": "dialogue_failed",
            "call": "c-1",
            "role": "ivr",
            "logger": "ivr.answering",
            "exception": "Traceback …\n  File …\nKeyError: 'x'",
        }
    )
    assert short(line) == "08:30:01 error dialogue_failed call=c-1 — KeyError: 'x'"


def test_what_is_no_record_is_told_as_it_is() -> None:
    for line in ("Fatal Python error", "[1, 2]", '{"level": "error"}', "7"):
        assert short(line) == line


def test_what_another_program_appends_moves_on_when_it_is_full_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "KEPT_BYTES", 10)
    file = tmp_path / "asterisk.log"
    logs.shorten(file)
    with file.open("a") as program:
        for line in range(KEPT_FILES + 3):
            program.write(f"the line {line}\n")
            program.flush()
            logs.shorten(file)
        program.write("short\n")
        program.flush()
        logs.shorten(file)
    kept = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert kept == {"asterisk.log": "short\n"} | {
        f"asterisk.log.{place}": f"the line {KEPT_FILES + 3 - place}\n" for place in range(1, KEPT_FILES + 1)
    }


def test_only_warnings_and_what_is_no_record_is_for_the_terminal() -> None:
    told = {
        level: worth_telling(json.dumps({"level": level})) for level in ("debug", "info", "warning", "error")
    }
    assert told == {"debug": False, "info": False, "warning": True, "error": True}
    assert worth_telling("Traceback (most recent call last):")
    assert not worth_telling("  ")


def test_our_own_and_the_libraries_lines_are_json_with_the_role() -> None:
    program = (
        "import logging; from hotline import logs; logs.configure('ivr', 'INFO')\n"
        "import structlog; structlog.get_logger('ours').info('answering', port=1)\n"
        "logging.getLogger('theirs').warning('slow %s', 'query')\n"
        "logging.getLogger('uvicorn.access').info('GET /')\n"
        "structlog.get_logger('ours').debug('never')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours, theirs = map(json.loads, done.stderr.splitlines())
    assert (ours["event"], ours["port"], ours["role"], ours["level"]) == ("answering", 1, "ivr", "info")
    assert (theirs["event"], theirs["role"], theirs["logger"]) == ("slow query", "ivr", "theirs")


def test_as_text_a_record_is_a_line_for_people_and_still_told_by_its_level() -> None:
    program = (
        "from hotline import logs; logs.configure('ivr', 'INFO', 'text')\n"
        "import structlog; log = structlog.get_logger('ours')\n"
        "log.info('answering', port=1)\n"
        "log.warning('call_spooled', call='c-1')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    info, warning = done.stderr.splitlines()
    assert info.endswith("Z info answering port=1")
    assert warning.endswith("Z warning call_spooled call=c-1")
    assert (worth_telling(info), worth_telling(warning)) == (False, True)


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What this process logs as a role would; afterwards it logs as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure("desk", "INFO")
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    stream = StringIO()
    ours.setStream(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_row_that_the_database_refuses_is_not_quoted(database: Database, written: StringIO) -> None:
    log = structlog.get_logger("ours")
    try:
        with database.session() as session:
            session.add(CallerNumber(number="+8613812345678", caller_id=404))
    except Exception:
        log.exception("not_stored", why="13812345678 called, from 08162223344", call="1763769312.1-1234")
    record = json.loads(written.getvalue())
    assert "fk_caller_number_caller_id_caller" in record["exception"]
    assert "13812345678" not in record["exception"] + record["why"]
    assert "2223344" not in record["why"]
    assert record["call"] == "1763769312.1-1234"


def test_a_fault_at_the_desk_is_logged_with_the_calls_id_and_without_what_was_typed(
    site: Site, written: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "举报人张三 13812345678"

    def fail(*_arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("cases.drafts.keep_draft", fail)
    call_id = site.seed.calls[2]  # a sealed one
    with httpx.Client(base_url=site.url, headers={"Origin": site.url}) as client:
        client.post("/login", data={"name": "liu", "password": PASSWORD})
        typed = {"revision": 1, "body": {"content": secret}}
        assert client.put(f"/desk/calls/{call_id}/draft", json=typed).status_code == 500
    said = written.getvalue()
    (fault,) = [one for one in map(json.loads, said.splitlines()) if one["event"] == "unforeseen error"]
    assert fault["call"] == call_id
    assert "张三" not in said
    assert "13812345678" not in said
