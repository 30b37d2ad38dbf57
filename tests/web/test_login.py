"""Logging in and out over real HTTP, and what other sites cannot do with our cookie."""

import httpx
import pytest

from tests.web.site import PASSWORD, Site
from web.login import local_path


def test_a_wrong_password_keeps_the_name_and_says_what_to_do(site: Site) -> None:
    answer = site.client().post("/login", data={"name": "zhang", "password": "nope"})
    assert answer.status_code == 422
    assert 'value="zhang"' in answer.text
    assert "账号或密码不对" in answer.text
    assert "nope" not in answer.text


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(site: Site) -> None:
    answer = site.client().post("/login", data={"name": "liu", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert cookie.startswith(f"hotline_session_{httpx.URL(site.url).port}=")


def test_logging_in_leads_back_to_where_one_was(site: Site) -> None:
    client = site.client()
    asked = client.get("/tickets?kind=help")
    assert asked.status_code == 303
    login = asked.headers["location"]
    page = client.get(login)
    assert 'value="/tickets?kind=help"' in page.text


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/x", "/\\evil.example", "/logout", "x", "//["]
)
def test_the_way_back_is_never_another_site(wanted: str) -> None:
    assert local_path(wanted) == "/"


def test_logging_out_ends_the_session(site: Site) -> None:
    client = site.client("liu")
    assert client.get("/calls").status_code == 200
    assert client.post("/logout").status_code == 303
    assert client.get("/calls").status_code == 303


def test_an_act_from_another_site_is_refused(site: Site) -> None:
    client = site.client("liu")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": site.url},
    ):
        answer = client.post("/logout", headers=headers)
        assert answer.status_code == 403, headers
        assert "没有执行" in answer.text
    assert client.get("/calls").status_code == 200


def test_a_program_without_a_session_is_told_so_in_json(site: Site) -> None:
    answer = site.client().get("/calls", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "error.session"


def test_an_ended_session_leaves_the_typed_words_where_they_are(site: Site) -> None:
    headers = {"HX-Request": "true", "HX-Target": "main"}
    answer = site.client().post("/tickets/1", data={"content": "x"}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-retarget"] == "#notice"
    assert "<main" not in answer.text


def test_each_person_has_her_own_language_and_the_shell_changes_in_place(site: Site) -> None:
    client = site.client("zhao")
    answer = client.post("/me/language", data={"language": "en"}, headers={"HX-Request": "true"})
    assert 'hx-swap-oob="outerHTML"' in answer.text
    assert "My settings" in answer.text
    assert "hotline:language" in answer.headers["hx-trigger"]
    assert "Recordings" in client.get("/recordings").text
    client.post("/me/language", data={"language": "zh"})
    assert "录音" in client.get("/recordings").text
    refused = client.post("/me/language", data={"language": "fr"})
    assert refused.status_code == 422


def test_a_role_is_told_kindly_that_a_page_is_not_hers(site: Site) -> None:
    answer = site.client("liu").get("/recordings")
    assert answer.status_code == 403
    assert "不对您的岗位开放" in answer.text


def test_two_desks_on_one_machine_do_not_share_a_cookie(site: Site) -> None:
    client = site.client("liu")
    name = next(iter(client.cookies.keys()))
    other = httpx.Client(base_url=site.url, cookies={name + "0": client.cookies[name]})
    assert other.get("/calls", headers={"Accept": "text/html"}).status_code == 303
