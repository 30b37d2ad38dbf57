"""The calendar's page: what is there, what a change says it moved, and what was typed when it is refused."""

import re
from datetime import date

from sqlalchemy import select

from storage.tables import CalendarDay, CalendarYear
from tests.web.site import Site

NOTICE = """国务院办公厅关于2027年部分节假日安排的通知
一、元旦：1月1日（周五）至3日（周日）放假，共3天。"""


def test_a_year_is_shown_with_what_differs(site: Site) -> None:
    admin = site.client("admin")
    told = admin.get("/city/calendar", params={"year": 2026}).text
    assert told.count('<table class="month">') == 12
    assert "2026-10-10" in told and "国庆节" in told
    assert re.search(r'<td class="works listed"[^>]*>10<sup>班</sup>', told)
    assert re.search(r'<td class="free listed"[^>]*>1<sup>休</sup>', told)
    assert "2027年放假安排尚未公布" in admin.get("/city/calendar", params={"year": 2027}).text


def test_a_notice_is_taken_in_and_says_what_it_changed(site: Site) -> None:
    admin = site.client("admin")
    answer = admin.post("/city/calendar/import", data={"notice": NOTICE, "announced": "1"})
    assert answer.status_code == 200
    assert "已保存：1 天、1 个年份有改动" in answer.text
    with site.database.session() as session:
        assert session.get_one(CalendarYear, 2027).announced
        (day,) = session.scalars(select(CalendarDay).where(CalendarDay.day >= date(2027, 1, 1)))
        assert (str(day.day), day.works, day.name) == ("2027-01-01", False, "元旦")


def test_a_day_is_put_in_and_given_back_to_the_week(site: Site) -> None:
    admin = site.client("admin")
    put = admin.post("/city/calendar/day", data={"day": "2026-11-04", "works": "free", "name": "演习"})
    assert put.status_code == 200 and "演习" in put.text
    back = admin.post("/city/calendar/day", data={"day": "2026-11-04", "works": "week"})
    assert back.status_code == 200 and "演习" not in back.text


def test_what_is_refused_comes_back_as_it_was_typed(site: Site) -> None:
    admin = site.client("admin")
    notice = admin.post("/city/calendar/import", data={"notice": "2027-02-30,休,春节\n2027-03-01,假,x"})
    assert notice.status_code == 422
    assert "第1行：日期读不懂" in notice.text and "第2行：日期后面应写" in notice.text
    assert "2027-02-30,休,春节\n2027-03-01,假,x" in notice.text
    day = admin.post("/city/calendar/day", data={"day": "2126-01-01", "works": "free", "name": "远"})
    assert day.status_code == 422 and 'value="远"' in day.text and "2000至2100" in day.text
    year = admin.post("/city/calendar/year", data={"year": "soon", "announced": "true"})
    assert year.status_code == 422 and 'value="soon"' in year.text
    assert admin.get("/city/calendar", params={"year": 12}).status_code == 422


def test_only_an_administrator_comes_here(site: Site) -> None:
    for login in ("liu", "chen", "zhao", "sun"):
        client = site.client(login)
        assert client.get("/city/calendar").status_code == 403
        assert client.post("/city/calendar/year", data={"year": "2027"}).status_code == 403
