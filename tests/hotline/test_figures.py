"""The figures of all roles in one page, from files that tell who is at work."""

import os
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from hotline import figures
from hotline.figures import Figures, file_of, read, value
from hotline.home import Home
from storage.database import Database


@pytest.fixture
def home(short_folder: Path) -> Home:
    home = Home(short_folder)
    for folder in (home.run, home.spool, home.recordings_incoming):
        folder.mkdir(parents=True)
    return home


def wrote(home: Home, role: str, calls: int) -> None:
    registry = CollectorRegistry()
    Counter("hotline_agi_dialogues", "Told", ["end"], registry=registry).labels("done").inc(calls)
    Gauge("hotline_ami_connected", "Told", registry=registry).set(1)
    write_to_textfile(str(file_of(home, role)), registry)


def test_each_roles_figures_carry_its_name_and_every_family_is_told_once(
    home: Home, database: Database
) -> None:
    wrote(home, "ivr", 3)
    wrote(home, "clock", 4)
    page = Figures(home, database).text().decode()
    families = list(text_string_to_metric_families(page))
    assert value(families, "hotline_agi_dialogues_total", role="ivr") == 3
    assert value(families, "hotline_agi_dialogues_total", role="clock", end="done") == 4
    assert page.count("# TYPE hotline_agi_dialogues_total counter") == 1
    assert [value(families, "hotline_role_up", role=role) for role in ("ivr", "desk", "clock")] == [1, 0, 1]
    assert value(families, "hotline_database_up") == 1


def test_a_role_that_stopped_writing_is_not_up_and_its_old_figures_are_not_told(
    home: Home, database: Database
) -> None:
    wrote(home, "ivr", 3)
    long_ago = time.time() - figures.STALE_SECONDS - 1
    os.utime(file_of(home, "ivr"), (long_ago, long_ago))
    assert read(home, "ivr") is None
    page = Figures(home, database).text().decode()
    assert 'hotline_role_up{role="ivr"} 0.0' in page
    assert "hotline_agi_dialogues" not in page


def test_without_the_database_the_rest_is_told(home: Home, short_folder: Path) -> None:
    away = Database(f"postgresql+psycopg://nobody@/none?host={short_folder}")
    (home.spool / "c-1.json").write_text("{}")
    page = Figures(home, away).text().decode()
    assert "hotline_database_up 0.0" in page
    assert "hotline_spool_files 1.0" in page
    assert "hotline_disk_free_bytes" in page
    assert "hotline_calls_now" not in page


def test_however_often_it_is_asked_it_counts_now_and_then(home: Home, database: Database) -> None:
    page = Figures(home, database)
    first = page.text()
    wrote(home, "ivr", 3)
    assert page.text() is first
