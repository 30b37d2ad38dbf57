"""Logs: one line for people out of each JSON line, and nothing but JSON from our own processes."""

import json
import subprocess
import sys

from hotline.logs import short, worth_telling


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
