"""The second step of logging in over real HTTP: set up, asked for, guessed at, turned off, demanded."""

import re
from collections.abc import Iterator

import httpx
import pyotp
import pytest
from sqlalchemy import delete

from cases import totp
from storage.staff import RecoveryCode, Totp
from storage.viewer import Role
from tests.web.site import PASSWORD, Site
from web.attempts import FREE_TRIES, Attempts


@pytest.fixture(autouse=True)
def as_before(site: Site) -> Iterator[None]:
    yield
    site.app.state.attempts = Attempts()
    site.app.state.sessions._totp_roles = frozenset()
    with site.database.session() as session:
        session.execute(delete(RecoveryCode))
        session.execute(delete(Totp))


def secret_in(page: str) -> str:
    found = re.search(r"<code[^>]*>([A-Z2-7 ]{32,})</code>", page)
    assert found, page
    return found[1].replace(" ", "")


def set_up(client: httpx.Client) -> tuple[pyotp.TOTP, list[str]]:
    """The app of who is logged in, and her recovery codes."""
    shown = client.post("/me/second-step/begin", data={"password": PASSWORD})
    app = pyotp.TOTP(secret_in(shown.text))
    done = client.post("/me/second-step/finish", data={"code": app.now()})
    codes = re.findall(r"<code>(\w{4}-\w{4}-\w{4})</code>", done.text)
    assert len(codes) == 10
    return app, codes


def forget_steps(site: Site) -> None:
    """As if half a minute had passed since the code before."""
    with site.database.session() as session:
        for row in session.query(Totp):
            row.last_step = 0


def password_given(site: Site, login: str = "liu", next_page: str = "/calls") -> httpx.Client:
    client = site.client()
    answer = client.post("/login", data={"name": login, "password": PASSWORD, "next": next_page})
    assert answer.headers["location"].startswith("/login/code")
    return client


def is_in(client: httpx.Client) -> bool:
    return client.get("/calls").status_code == 200


def test_it_is_set_up_proved_and_asked_for_from_then_on(site: Site) -> None:
    first = site.client("liu")
    app, _ = set_up(first)
    assert is_in(first)
    forget_steps(site)
    client = password_given(site)
    assert not is_in(client)
    assert client.get("/events", headers={"Accept": "text/event-stream"}).status_code == 401
    answer = client.post("/login/code", data={"code": app.now(), "next": "/calls"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls")
    assert is_in(client)


def test_secret_picture_and_recovery_codes_are_shown_once_and_never_cached(site: Site) -> None:
    client = site.client("liu")
    shown = client.post("/me/second-step/begin", data={"password": PASSWORD})
    assert "<svg" in shown.text and "data:" not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    secret = secret_in(shown.text)
    wrong = client.post("/me/second-step/finish", data={"code": "000000"})
    assert wrong.status_code == 422
    assert secret_in(wrong.text) == secret  # not proved yet: she can still scan it
    done = client.post("/me/second-step/finish", data={"code": pyotp.TOTP(secret).now()})
    assert done.headers["cache-control"] == "no-store"
    code = re.findall(r"<code>(\w{4}-\w{4}-\w{4})</code>", done.text)[0]
    for page in ("/me/second-step", "/me"):
        again = client.get(page).text
        assert secret not in again.replace(" ", "")
        assert code not in again
    assert client.post("/me/second-step/begin", data={"password": PASSWORD}).status_code == 303


def test_setting_it_up_takes_the_password(site: Site) -> None:
    client = site.client("liu")
    answer = client.post("/me/second-step/begin", data={"password": "not hers"})
    assert answer.status_code == 422
    assert "<svg width" not in answer.text
    assert "not hers" not in answer.text


def test_a_code_is_good_once(site: Site) -> None:
    app, _ = set_up(site.client("liu"))
    forget_steps(site)
    code = app.now()
    assert password_given(site).post("/login/code", data={"code": code}).status_code == 303
    assert password_given(site).post("/login/code", data={"code": code}).status_code == 422


def test_a_recovery_code_stands_in_for_the_app_once(site: Site) -> None:
    _, codes = set_up(site.client("liu"))
    assert password_given(site).post("/login/code", data={"code": codes[0]}).status_code == 303
    assert password_given(site).post("/login/code", data={"code": codes[0]}).status_code == 422


def test_guessing_codes_ends_in_the_password_and_then_in_a_wait(site: Site) -> None:
    set_up(site.client("liu"))
    client = password_given(site)
    answers = [client.post("/login/code", data={"code": "000000"}) for _ in range(FREE_TRIES)]
    assert [answer.status_code for answer in answers] == [422] * FREE_TRIES
    assert 'name="password"' in answers[-1].text
    assert 'name="password"' not in answers[-2].text
    again = password_given(site)
    slowed = again.post("/login/code", data={"code": "000000"})
    assert slowed.status_code == 429
    assert int(slowed.headers["retry-after"]) <= 31


def test_her_own_desk_does_not_wait_for_a_guesser_who_has_her_password(site: Site) -> None:
    hers = site.client("liu")
    app, _ = set_up(hers)
    guesser = password_given(site)
    for _ in range(FREE_TRIES):
        guesser.post("/login/code", data={"code": "000000"})
    assert password_given(site).post("/login/code", data={"code": "000000"}).status_code == 429
    forget_steps(site)
    hers.post("/logout")
    answer = hers.post("/login", data={"name": "liu", "password": PASSWORD})
    assert answer.headers["location"].startswith("/login/code")
    assert hers.post("/login/code", data={"code": app.now()}).status_code == 303


def test_without_the_password_nobody_is_asked_for_a_code(site: Site) -> None:
    client = site.client()
    assert client.get("/login/code").headers["location"].startswith("/login?")
    assert client.post("/login/code", data={"code": "123456"}).status_code == 422


def test_its_owner_turns_it_off_with_password_and_code(site: Site) -> None:
    client = site.client("liu")
    app, codes = set_up(client)
    forget_steps(site)
    off = "/me/second-step/off"
    assert client.post(off, data={"password": "wrong", "code": app.now()}).status_code == 422
    assert client.post(off, data={"password": PASSWORD, "code": "000000"}).status_code == 422
    assert is_on(site, "liu")
    assert client.post(off, data={"password": PASSWORD, "code": codes[3]}).status_code == 303
    assert not is_on(site, "liu")


def test_an_administrator_turns_it_off_and_nobody_else_can(site: Site) -> None:
    hers = site.client("liu")
    set_up(hers)
    path = "/people/sessions/second-step-off"
    for client in (hers, *map(site.client, ("chen", "zhao", "sun"))):
        assert client.post(path, data={"login": "liu"}).status_code == 403
    admin = site.client("admin")
    assert "刘晓燕" in admin.get("/people/sessions").text
    assert admin.post(path, data={"login": "liu"}).status_code == 303
    assert admin.post(path, data={"login": "nobody"}).status_code == 404
    assert not is_on(site, "liu")


def test_a_role_that_must_have_one_reaches_nothing_else_before(site: Site) -> None:
    site.app.state.sessions._totp_roles = frozenset({Role.AGENT})
    client = site.client("liu")
    for path in ("/", "/desk", "/calls", "/tickets", "/me"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/me/second-step"), path
    as_program = {"Accept": "application/json"}
    for path in ("/phone/settings", "/desk/duty", "/events", "/banner"):
        assert client.get(path, headers=as_program).status_code == 403, path
    assert client.post("/desk/duty", data={"wanted": "off"}, headers=as_program).status_code == 403
    assert site.client("zhao").get("/calls").status_code == 200
    page = client.get("/me/second-step")
    assert page.status_code == 200
    assert "/calls" not in page.text
    set_up(client)
    assert is_in(client)


def test_who_owes_one_may_leave(site: Site) -> None:
    site.app.state.sessions._totp_roles = frozenset({Role.AGENT})
    client = site.client("liu")
    assert client.post("/logout").status_code == 303
    assert client.get("/me/second-step").headers["location"].startswith("/login")


def is_on(site: Site, login: str) -> bool:
    with site.database.session() as session:
        return totp.is_on(session, site.seed.people[login])
