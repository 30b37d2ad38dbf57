"""A hotline of one's own, from nothing: the first administrator, an agent, her phone, and her log-out."""

import re

import httpx
import pytest

from tests.hotline.city import City, wait_for
from tests.real.phone import Phone, is_refused

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
PASSWORD = "a long night"


def test_from_the_printed_link_to_a_phone_that_leaves_with_its_log_in(city: City) -> None:
    city.environment["HOTLINE_DEMO"] = "no"
    running = city.up()
    wait_for(lambda: "/first/" in running.said or running.process.poll() is not None, "the link")
    link = re.search(r"http://\S+/first/\S+", running.said)
    assert link, running.said
    assert "hotline-demo" not in running.said
    base = f"http://127.0.0.1:{city.ports['WEB_PORT']}"
    ours = {"Origin": base, "Accept": "text/html"}
    form = {"login": "wang", "name": "王芳", "password": PASSWORD, "again": PASSWORD}
    with httpx.Client(headers=ours, timeout=30) as browser:
        assert browser.post(link[0], data=form).status_code == 303
        assert browser.get(f"{base}/people").status_code == 200
        assert browser.get(link[0]).status_code == 404
    assert city.command("people", "first").returncode == 1
    assert "nothing was changed" in city.command("demo").stderr

    adding = ("people", "add", "li", "--name", "李敏", "--extension", "8001")
    assert city.command(*adding, typed=f"{PASSWORD}\n").returncode == 0
    with httpx.Client(base_url=base, headers=ours, timeout=30) as desk:
        assert desk.post("/login", data={"name": "li", "password": PASSWORD}).status_code == 303
        told = desk.get("/phone/settings").json()
        phone = Phone(("127.0.0.1", city.ports["SIP_PORT"]), told["endpoint"], told["secret"])
        phone.register()
        config = "".join(file.read_text() for file in (city.home / "asterisk/etc").glob("*.conf"))
        assert told["secret"] not in config
        assert desk.post("/logout").status_code == 303
    wait_for(lambda: is_refused(phone), "the refusal of a phone whose log-in is over")
    phone.close()

    assert "demo's password" not in city.command("check").stdout
    weak = city.command("people", "add", "agent1", "--name", "张伟", typed="hotline-demo\n")
    assert weak.returncode == 0
    assert "agent1 log in with the demo's password, and this is no demo" in city.command("check").stdout
    assert running.stop() == 0, running.said
