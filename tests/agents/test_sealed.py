"""Sealed matters on the pages: taken over from under an open page, unsealed by two, looks listed."""

import re

import pytest
from sqlalchemy import update

from cases import people, sealed
from routing.policy import load
from storage.tables import Named
from storage.viewer import Role
from tests.web.site import PASSWORD, POLICY, Site


@pytest.fixture(scope="module")
def second(site: Site) -> str:
    """The log-in of another discipline officer, named for what is open."""
    with site.database.session(60) as session:
        people.create_person(session, "wu", "吴刚", Role.DISCIPLINE, PASSWORD)
        sealed.keep_readers(session, load(POLICY))
    return "wu"


def test_who_took_it_is_told_kindly_that_it_was_taken_over_and_others_nothing(
    site: Site, second: str
) -> None:
    number, call_id = site.seed.tickets[2], site.seed.calls[2]
    liu, sun, zhang = (site.client(login) for login in ("liu", "sun", "zhang"))
    assert "移交纪检监察" in liu.get(f"/tickets/{number}").text
    assert "刘晓燕" in sun.get(f"/calls/{call_id}").text
    assert sun.post(f"/tickets/{number}/take-over").status_code == 303
    for path in (f"/tickets/{number}", f"/calls/{call_id}", f"/desk/calls/{call_id}"):
        told, strange = liu.get(path), zhang.get(path)
        assert (told.status_code, strange.status_code) == (404, 404)
        assert "这件保密事项已移交" in told.text
        assert "移交" not in strange.text
    assert "接手本事项" not in sun.get(f"/tickets/{number}").text  # nobody is left to take it from
    assert sun.post(f"/tickets/{number}/hand-over").status_code == 409
    assert second


def test_the_looks_page_lists_them_and_is_found_by_person(site: Site, second: str) -> None:
    wu = site.client(second)
    number, call_id = site.seed.tickets[2], site.seed.calls[2]
    text = wu.get("/looks", params={"ticket": number}).text
    assert f"/tickets/{number}" in text
    assert f"/calls/{call_id}" in text
    assert "discipline/see_tickets/named" in text
    by_liu = wu.get("/looks", params={"agent": str(site.seed.people["liu"])}).text
    assert "agent/see_tickets/named" in by_liu
    assert "discipline/see_tickets/named" not in by_liu
    assert wu.get("/looks", params={"day": "gestern"}).status_code == 422
    assert site.client("zhao").get("/looks").status_code == 403


def test_unsealing_takes_a_ground_and_two_people(site: Site, second: str) -> None:
    number, call_id = site.seed.tickets[2], site.seed.calls[2]
    sun, wu, zhao = (site.client(login) for login in ("sun", second, "zhao"))
    path = f"/tickets/{number}/unsealing"
    assert sun.post(path, data={"ground": " "}).status_code == 422
    assert wu.post(f"{path}/decision", data={"decision": "grant"}).status_code == 409  # nothing is asked
    assert sun.post(path, data={"ground": "线索不实"}).status_code == 303
    assert "须由另一名被指定的人员决定" in sun.get(f"/tickets/{number}").text
    assert sun.post(f"{path}/decision", data={"decision": "grant"}).status_code == 403
    assert "线索不实" in wu.get(f"/tickets/{number}").text
    assert zhao.get(f"/tickets/{number}").status_code == 404
    assert wu.post(f"{path}/decision", data={"decision": "grant"}).status_code == 303
    page = zhao.get(f"/tickets/{number}").text
    assert f"/calls/{call_id}" in page
    assert re.search(r"/recordings/\d+/audio", page)
    assert "线索不实" not in page


def test_what_nobody_else_could_see_is_not_handed_over(site: Site) -> None:
    form = {"kind": "report", "content": "索贿", "form_id": "alone"}
    liu = site.client("liu")
    assert liu.post(f"/desk/calls/{site.seed.calls[0]}/ticket", data=form).status_code == 200
    text = liu.get("/tickets", params={"kind": "report"}).text
    number = re.findall(r'href="/tickets/(\d+)"', text)[0]
    with site.database.session() as session:
        session.execute(update(Named).where(Named.why == "policy").values(why="saved"))
    refused = liu.post(f"/tickets/{number}/hand-over")
    assert refused.status_code == 409
    assert "还没有人可以接手" in refused.text
    assert liu.get(f"/tickets/{number}").status_code == 200
