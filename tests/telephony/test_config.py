"""Rendering: what is refused and why, what is written, what to reload. How Asterisk takes it: tests/real."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hotline.settings import CHECKOUT
from telephony.config import (
    ConfigFacts,
    Folders,
    Guests,
    Nat,
    Phone,
    PublishedLine,
    QueueFacts,
    Tls,
    Trunk,
    needs_restart,
    reload_commands,
    render,
)

TEMPLATES = CHECKOUT / "asterisk-config"
PHONE = {
    "endpoint": "e00a1b2c3",
    "extension": "801",
    "name": "李敏",
    "kind": "browser",
    "digest": "",
}


def facts(home: Path, **changes: Any) -> ConfigFacts:
    names = ("config", "modules", "data", "lib", "spool", "log", "run", "recordings", "music")
    values: dict[str, Any] = {
        "folders": Folders(**{name: home / name for name in names}, cel_file=home / "cel.csv"),
        "ami_secret": "ami-secret",
        "ami_phones_secret": "phones-secret",
        "trunk": Trunk(peers=("127.0.0.2",)),
        "lines": (PublishedLine(number="962299", queue="main"),),
        "queues": (QueueFacts(name="main"),),
    }
    return ConfigFacts(**values | changes)


def phone(**changes: Any) -> Phone:
    return Phone(**PHONE | changes)


def rendered(home: Path, name: str, **changes: Any) -> str:
    render(TEMPLATES, home / "etc", facts(home, **changes))
    return (home / "etc" / name).read_text()


def section(text: str, name: str, kind: str) -> str:
    """The body of the pjsip section of that name and type."""
    for body in re.findall(rf"^\[{name}\](.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL):
        if f"type = {kind}" in body or f"({kind})" in body:
            return str(body)
    raise AssertionError(f"no {kind} {name}")


def test_files_are_private_and_only_changed_ones_are_written_again(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    first = render(TEMPLATES, etc, facts(tmp_path))
    assert {path.name for path in first} >= {"asterisk.conf", "pjsip.conf", "extensions.conf", "queues.conf"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in etc.iterdir()} == {0o600}
    assert render(TEMPLATES, etc, facts(tmp_path)) == []
    changed = render(TEMPLATES, etc, facts(tmp_path, phones=(phone(),)))
    assert [path.name for path in changed] == ["extensions.conf", "pjsip.conf"]
    assert reload_commands(changed) == ["dialplan reload", "module reload res_pjsip.so"]
    assert needs_restart(changed) == []


def test_a_changed_port_needs_a_restart(tmp_path: Path) -> None:
    render(TEMPLATES, tmp_path / "etc", facts(tmp_path))
    changed = render(TEMPLATES, tmp_path / "etc", facts(tmp_path, rtp_start=30000, rtp_end=30100))
    assert [path.name for path in needs_restart(changed)] == ["rtp.conf"]


def test_without_a_certificate_asterisks_http_is_plain_and_on_this_machine_alone(tmp_path: Path) -> None:
    text = rendered(tmp_path, "http.conf", bind="0.0.0.0")
    assert "bindaddr = 127.0.0.1\n" in text
    assert "tls" not in text


@pytest.mark.parametrize(("bind", "at"), [("0.0.0.0", "0.0.0.0:8089"), ("fd00::2", "[fd00::2]:8089")])
def test_with_a_certificate_browser_phones_are_served_under_tls_where_the_hotline_listens(
    tmp_path: Path, bind: str, at: str
) -> None:
    text = rendered(tmp_path, "http.conf", bind=bind, tls=Tls(port=8089, file=tmp_path / "server.pem"))
    assert f"tlsbindaddr = {at}\n" in text
    assert text.count(f" = {tmp_path}/server.pem\n") == 2
    assert reload_commands([tmp_path / "http.conf"]) == ["module reload http"]


def test_browsers_voices_go_to_the_address_that_the_hotline_listens_on(tmp_path: Path) -> None:
    text = rendered(tmp_path, "pjsip.conf", bind="0.0.0.0")
    assert "bind = 0.0.0.0:8088\n" in section(text, "ws", "transport")
    six = rendered(tmp_path, "pjsip.conf", bind="fd00::5")
    assert "bind = [fd00::5]:5060\n" in section(six, "udp", "transport")


def test_a_router_before_us_is_told_to_phones_trunk_and_browsers(tmp_path: Path) -> None:
    nat = Nat(external="203.0.113.5", local_nets=("10.0.0.0/8", "192.168.0.0/16"), hosts=("10.0.0.2",))
    text = rendered(tmp_path, "pjsip.conf", nat=nat)
    for name in ("udp", "tcp"):
        transport = section(text, name, "transport")
        assert "external_signaling_address = 203.0.113.5\nexternal_media_address = 203.0.113.5\n" in transport
        assert "local_net = 10.0.0.0/8\nlocal_net = 192.168.0.0/16\n" in transport
    rtp = (tmp_path / "etc/rtp.conf").read_text()
    assert "[ice_host_candidates]\n10.0.0.2 => 203.0.113.5,include_local_address\n" in rtp
    assert "external" not in rendered(tmp_path, "pjsip.conf")
    assert "ice_host_candidates" not in (tmp_path / "etc/rtp.conf").read_text()


def test_trunk_and_phones_speak_the_same_codecs_and_the_trunk_its_own_key_presses(tmp_path: Path) -> None:
    trunk = Trunk(peers=("127.0.0.2",), codecs=("ulaw",), dtmf="info")
    text = rendered(tmp_path, "pjsip.conf", trunk=trunk)
    assert "allow = ulaw\n" in section(text, "trunk", "endpoint")
    assert "allow = ulaw\n" in text.partition("[staff](!)")[2].partition("\n[")[0]
    assert "dtmf_mode = info\n" in section(text, "trunk", "endpoint")


def test_nothing_is_written_when_a_template_fails(tmp_path: Path) -> None:
    broken = tmp_path / "templates"
    broken.mkdir()
    (broken / "a.conf.j2").write_text("fine\n")
    (broken / "b.conf.j2").write_text("{{ nobody_set_this }}\n")
    with pytest.raises(Exception, match="nobody_set_this"):
        render(broken, tmp_path / "etc", facts(tmp_path))
    assert not list((tmp_path / "etc").glob("*"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "李敏\n[evil]"),
        ("name", "a;b"),
        ("name", "[general]"),
        ("name", 'x" <911>'),
        ("name", "${SHELL(id)}"),
        ("name", "a\u2028b"),
        ("endpoint", "trunk"),
        ("endpoint", "e00a1b2c3\n"),
        ("extension", "80x"),
        ("extension", "801\n"),
        ("digest", "a secret"),
        ("digest", "0" * 32 + "\n"),
        ("digest", "0" * 31 + "G"),
        ("kind", "fax"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field_without_showing_it(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=rf"\b{field}\b") as refused:
        phone(**{field: value})
    assert "secret" not in str(refused.value)


@given(st.text(max_size=30))
def test_no_accepted_name_can_change_the_shape_of_the_files(name: str) -> None:
    try:
        accepted = phone(name=name).name
    except ValidationError:
        return
    assert len(f"{accepted}".splitlines()) <= 1
    assert not set(accepted) & set(';[]"<>{}$')


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"phones": (phone(), phone(endpoint="e00000001"))}, "extension"),
        ({"phones": (phone(), phone(extension="802"))}, "endpoint"),
        ({"lines": (PublishedLine(number="962299", queue="elsewhere"),)}, "elsewhere"),
        ({"lines": ()}, "lines"),
        ({"queues": ()}, "queues"),
        ({"rtp_start": 20000, "rtp_end": 20001}, "rtp_end"),
        ({"bind": "127.0.0.1\nbind=0.0.0.0"}, "bind"),
        ({"ami_secret": "x\ny"}, "ami_secret"),
        ({"sip_port": 0}, "sip_port"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        facts(tmp_path, **changes)


def test_names_that_asterisk_keeps_for_itself_are_refused_for_queues() -> None:
    with pytest.raises(ValidationError, match="keeps that name"):
        QueueFacts(name="general")


def test_a_folder_whose_name_would_break_the_dialplan_is_refused(tmp_path: Path) -> None:
    for bad in (Path("relative"), tmp_path / "a,b", tmp_path / "a)b", tmp_path / "a;b"):
        with pytest.raises(ValidationError, match="recordings"):
            Folders(**facts(tmp_path).folders.model_dump() | {"recordings": bad})


def test_a_line_is_reachable_in_the_forms_a_carrier_may_deliver(tmp_path: Path) -> None:
    assert PublishedLine(number="962299", queue="main").dialled("0816") == [
        "962299",
        "0816962299",
        "+86816962299",
    ]
    long = PublishedLine(number="07715500102", queue="main")
    assert long.dialled("0771") == ["5500102", "07715500102", "+867715500102"]
    text = rendered(tmp_path, "extensions.conf", area_code="0816")
    assert text.count("Goto(hotline-inbound,s,1)") == 3


def test_the_trunk_by_address(tmp_path: Path) -> None:
    text = rendered(tmp_path, "pjsip.conf", trunk=Trunk.of("127.0.0.2, 10.1.2.3:5070, 10.9.0.0/24", ""))
    assert section(text, "trunk", "identify").count("match = ") == 3
    assert "match = 10.1.2.3\n" in text
    assert "contact = sip:10.1.2.3:5070\n" in text
    assert "10.9.0.0/24" not in section(text, "trunk", "aor")
    assert "type = registration" not in text
    assert "res_pjsip_outbound_registration" not in (tmp_path / "etc/modules.conf").read_text()


def test_the_trunk_by_registration(tmp_path: Path) -> None:
    text = rendered(tmp_path, "pjsip.conf", trunk=Trunk.of("", "sw1:pa:ss@carrier.example:5062"))
    assert "server_uri = sip:carrier.example:5062" in section(text, "trunk", "registration")
    assert "password = pa:ss" in section(text, "trunk-register", "auth")
    assert "match = carrier.example\n" in section(text, "trunk", "identify")
    assert "res_pjsip_outbound_registration.so" in (tmp_path / "etc/modules.conf").read_text()


def test_a_browsers_secret_is_in_no_file(tmp_path: Path) -> None:
    text = rendered(tmp_path, "pjsip.conf", phones=(phone(),))
    assert "auth = e00a1b2c3-1,e00a1b2c3-2\n" in section(text, "e00a1b2c3", "browser")
    assert "type = auth" not in text
    assert "auth = astdb,hotline\n" in (tmp_path / "etc/sorcery.conf").read_text()


def test_a_hardware_phone_has_the_digest_of_its_secret_and_without_one_is_let_in_nowhere(
    tmp_path: Path,
) -> None:
    text = rendered(tmp_path, "pjsip.conf", phones=(phone(kind="hardware", digest="0a" * 16),))
    assert "auth = e00a1b2c3-1\n" in section(text, "e00a1b2c3", "hardware")
    assert f"password_digest = MD5:{'0a' * 16}\n" in section(text, "e00a1b2c3-1", "auth")
    assert "realm = hotline\n" in section(text, "e00a1b2c3-1", "auth")
    text = rendered(tmp_path, "pjsip.conf", phones=(phone(kind="hardware"),))
    assert "auth = e00a1b2c3-1\n" in section(text, "e00a1b2c3", "hardware")
    assert "type = auth" not in text


def test_nothing_that_the_trunk_reaches_dials_out_of_the_trunk(tmp_path: Path) -> None:
    text = rendered(tmp_path, "extensions.conf", phones=(phone(),))
    contexts = dict(re.findall(r"^\[([\w-]+)\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL))
    seen, todo = set(), ["from-trunk"]
    while todo:
        name = todo.pop()
        seen.add(name)
        todo += [other for other in contexts if f"{other}," in contexts[name] and other not in seen]
    assert {"hotline-inbound", "hotline-queue", "hotline-head", "hotline-parted"} <= seen
    assert not seen & {"transfer", "from-staff", "hotline-outward", "hotline-handover", "hotline-barge"}
    assert all("@trunk" not in contexts[name] for name in seen)
    assert [name for name in contexts if "12345" in contexts[name]] == ["transfer", "hotline-outward"]
    patterns = re.findall(r"^exten => _.*\n same => n,(.*)$", contexts["from-trunk"], re.MULTILINE)
    assert patterns == ["Goto(hotline-refused,s,1)"] * 2


def test_the_manager_listens_on_loopback_with_no_right_to_commands(tmp_path: Path) -> None:
    text = rendered(tmp_path, "manager.conf")
    assert "bindaddr = 127.0.0.1" in text
    rights = re.findall(r"^(?:read|write) = (.*)$", text, re.MULTILINE)
    assert not {"command", "config", "all", "dialplan", "system"} & set(rights[1].split(","))
    assert "command" not in rights[0]


def test_guests_are_known_by_the_relays_secret_alone_and_only_where_they_are_let_in(tmp_path: Path) -> None:
    guests = Guests(secret="relay-secret", call_seconds=90)
    pjsip = rendered(tmp_path, "pjsip.conf", guests=guests)
    assert "endpoint_identifier_order = ip,header,username\n" in pjsip
    guest = section(pjsip, "guest", "endpoint")
    for line in (
        "identify_by = header",
        "context = from-guest",
        "allow_transfer = no",
        "allow_subscribe = no",
    ):
        assert f"\n{line}\n" in guest
    assert "match_header = X-Hotline-Guest: relay-secret\n" in section(pjsip, "guest", "identify")
    dialplan = (tmp_path / "etc/extensions.conf").read_text()
    assert "[from-guest]\nexten => 962299,1," in dialplan
    assert "HOTLINE_LIMIT=90" in dialplan
    closed = rendered(tmp_path, "pjsip.conf")
    assert "endpoint_identifier_order = ip,username\n" in closed
    assert "guest" not in closed
    assert "[from-guest]" not in (tmp_path / "etc/extensions.conf").read_text()
