"""Who has a ticket and who must not know of it, as its page tells and lets it be changed."""

import re

import pytest

from cases import people, units
from routing.policy import load
from storage.viewer import Role
from tests.web.site import PASSWORD, POLICY, Site

NEW = (
    ("dispatcher", "宋佳", Role.DISPATCHER, "", ()),
    ("clerk", "许文博", Role.UNIT_CLERK, "fucheng", ()),
    ("chief", "方正国", Role.LEADER, "", ("962299",)),
    ("power", "高远", Role.REVIEWER, "power", ()),
)


@pytest.fixture(scope="module", autouse=True)
def _staff(site: Site) -> None:
    with site.database.session() as session:
        units.sync(session, load(POLICY).units)
        for login, name, role, unit, lines in NEW:
            people.create_person(session, login, name, role, PASSWORD, unit=unit, lines=lines)


def _typed(site: Site, login: str, number: str) -> dict[str, str]:
    """The edit form as it is filled in."""
    page = site.client(login).get(f"/tickets/{number}/edit").text
    typed = dict(re.findall(r'<input type="(?:text|hidden|tel)"[^>]*name="(\w+)"[^>]*value="([^"]*)"', page))
    version = re.findall(r'name="version" value="(\d+)"', page)
    return {**typed, "kind": "help", "content": "停电", "version": version[0]}


def test_a_ticket_is_sent_to_a_unit_on_its_page_and_its_clerk_sees_it_then(site: Site) -> None:
    number, clerk = site.seed.tickets[0], site.client("clerk")
    assert clerk.get(f"/tickets/{number}").status_code == 404
    dispatcher = site.client("dispatcher")
    assert '<option value="fucheng_tax">涪城区税务局' in dispatcher.get(f"/tickets/{number}").text
    sent = dispatcher.post(f"/tickets/{number}/dispatch", data={"unit": "fucheng_tax", "version": "1"})
    assert sent.headers["location"] == f"/tickets/{number}"
    text = clerk.get(f"/tickets/{number}").text
    assert "涪城区税务局" in text
    assert "宋佳" in text
    assert "派单" in text  # in its story
    assert f'action="/tickets/{number}/dispatch"' not in text
    assert number in clerk.get("/tickets").text
    assert clerk.get("/calls").status_code == 403


def test_the_accused_unit_is_chosen_from_the_list_and_never_gets_the_ticket(site: Site) -> None:
    number, dispatcher = site.seed.tickets[1], site.client("dispatcher")
    reviewer = site.client("power")
    assert reviewer.get(f"/tickets/{number}").status_code == 200
    typed = _typed(site, "liu", number) | {"accused_unit": "power"}
    assert site.client("liu").post(f"/tickets/{number}", data=typed).status_code == 303
    assert '<option value="power" selected>' in site.client("liu").get(f"/tickets/{number}/edit").text
    assert "该单位及其下属看不到这张工单" in dispatcher.get(f"/tickets/{number}").text
    refused = dispatcher.post(f"/tickets/{number}/dispatch", data={"unit": "power", "version": "2"})
    assert refused.status_code == 422
    assert "这是被反映的单位" in refused.text
    assert reviewer.get(f"/tickets/{number}").status_code == 404
    assert number not in reviewer.get("/tickets").text


def test_whoever_names_her_own_unit_as_the_accused_is_told_that_it_is_no_longer_hers(site: Site) -> None:
    number, reviewer = site.seed.tickets[0], site.client("power")
    typed = _typed(site, "power", number) | {"accused_unit": "power"}
    answer = reviewer.post(f"/tickets/{number}", data=typed)
    assert answer.status_code == 200
    assert "这件事您已看不到了" in answer.text
    assert reviewer.get(f"/tickets/{number}").status_code == 404


def test_a_unit_that_nobody_knows_is_told_at_its_field(site: Site) -> None:
    number = site.seed.tickets[0]
    typed = _typed(site, "liu", number) | {"accused_unit": "nowhere"}
    answer = site.client("liu").post(f"/tickets/{number}", data=typed)
    assert answer.status_code == 422
    assert 'href="#f-accused_unit"' in answer.text


@pytest.mark.parametrize("kind", ["calls", "tickets"])
def test_whoever_recuses_herself_is_told_so_and_sees_no_more_of_it(site: Site, kind: str) -> None:
    key = site.seed.calls[0] if kind == "calls" else site.seed.tickets[1]
    login = "zhang" if kind == "calls" else "chen"
    client = site.client(login)
    assert f'action="/{kind}/{key}/recusal"' in client.get(f"/{kind}/{key}").text
    answer = client.post(f"/{kind}/{key}/recusal")
    assert answer.status_code == 200
    assert "这件事您已看不到了" in answer.text
    assert key not in answer.text
    assert client.get(f"/{kind}/{key}").status_code == 404
    assert key not in client.get(f"/{kind}").text
    assert client.post(f"/{kind}/{key}/recusal").status_code == 404


def test_a_supervisor_recuses_somebody_and_lifts_it_and_nobody_else_is_offered_to(site: Site) -> None:
    number, agent = site.seed.tickets[0], site.client("liu")
    supervisor = site.client("zhao")
    liu = str(site.seed.people["liu"])
    assert f'action="/tickets/{number}/recusals"' not in agent.get(f"/tickets/{number}").text
    done = supervisor.post(f"/tickets/{number}/recusals", data={"person": liu, "why": "kin"})
    assert done.headers["location"] == f"/tickets/{number}"
    assert agent.get(f"/tickets/{number}").status_code == 404
    page = supervisor.get(f"/tickets/{number}").text
    assert "亲属或利害关系" in page
    (lift,) = re.findall(r'action="(/recusals/\d+/lift)"', page)
    assert agent.post(lift).status_code == 403
    assert supervisor.post(lift).headers["location"] == f"/tickets/{number}"
    assert agent.get(f"/tickets/{number}").status_code == 200


def test_a_recusal_without_a_person_says_what_to_do(site: Site) -> None:
    answer = site.client("zhao").post(f"/tickets/{site.seed.tickets[0]}/recusals", data={"why": "kin"})
    assert answer.status_code == 422
    assert "请选一位同事和一个原因" in answer.text


def test_the_list_of_staff_tells_units_and_lines(site: Site) -> None:
    text = site.client("admin").get("/people").text
    for words in ("涪城区", "962299", "承办单位经办人", "分管领导"):
        assert words in text


def test_a_leader_sees_the_calls_of_her_lines(site: Site) -> None:
    assert site.seed.calls[0] in site.client("chief").get("/calls").text
