"""The list of staff."""

from tests.web.site import STAFF, Site


def test_who_manages_people_sees_all_of_them_and_nothing_of_the_cases(site: Site) -> None:
    client = site.client("admin")
    text = client.get("/people").text
    for login, name, _, extension in STAFF:
        assert login in text
        assert name in text
        assert (extension or "") in text
    for path in ("/calls", "/tickets", "/recordings"):
        assert client.get(path).status_code == 403


def test_nobody_else_sees_the_list(site: Site) -> None:
    assert site.client("liu").get("/people").status_code == 403
