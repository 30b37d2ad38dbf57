"""Settings: defaults that serve, and faults that name the setting and the remedy."""

import os
from pathlib import Path

import pytest

from hotline.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [name for name in os.environ if name.startswith("HOTLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    return tmp_path


def test_everything_has_a_default_on_this_machine(home: Path) -> None:
    settings = load()
    assert (settings.home, settings.bind, settings.web_port) == (home, "127.0.0.1", 8080)


def test_the_labs_address_is_no_trunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_TRUNK_PEERS", "127.0.0.2,127.0.0.3:5070")
    with pytest.raises(SettingsError, match="lab"):
        load()


def test_a_carrier_of_the_same_kind_of_address_or_of_a_name_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    for bind, peers in (("::", "2001:db8::/32,gw.example.cn:5070"), ("0.0.0.0", "10.0.0.1:5070,10.0.0.0/24")):
        monkeypatch.setenv("HOTLINE_BIND", bind)
        monkeypatch.setenv("HOTLINE_TRUNK_PEERS", peers)
        assert load().trunk_peers == peers


def test_an_empty_setting_is_its_default_but_emptied_addresses_of_the_carrier_are_nobodys(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    defaults = load()
    for name in Settings.model_fields:
        if name != "home":
            monkeypatch.setenv(f"HOTLINE_{name.upper()}", "")
    assert load() == defaults.model_copy(update={"trunk_peers": ""})
    monkeypatch.delenv("HOTLINE_TRUNK_PEERS")
    (home / "hotline.env").write_text("HOTLINE_TRUNK_PEERS=\n")
    assert load().trunk_peers == ""


def test_the_file_in_the_home_is_read_and_the_environment_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "hotline.env").write_text("HOTLINE_WEB_PORT=8181\nHOTLINE_SIP_PORT=5070\n# HOTLINE_X=1\n")
    monkeypatch.setenv("HOTLINE_WEB_PORT", "8282")
    settings = load()
    assert (settings.web_port, settings.sip_port) == (8282, 5070)


def test_a_relative_path_means_the_folder_it_was_given_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTLINE_POLICY", "my/city.toml")
    assert load().policy == tmp_path / "my/city.toml"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("HOTLINE_WEB_PORT", "eighty", "HOTLINE_WEB_PORT=eighty: Input should be a valid integer"),
        ("HOTLINE_WEB_PORT", "70000", "HOTLINE_WEB_PORT=70000: Input should be less than or equal to 65535"),
        ("HOTLINE_WEBPORT", "8080", "HOTLINE_WEBPORT is not a setting (did you mean HOTLINE_WEB_PORT?)"),
        ("HOTLINE_BIND", "localhost", "HOTLINE_BIND=localhost: 'localhost' does not appear to be an IPv4"),
        ("HOTLINE_TRUNK_PEERS", "127.0.0.2; 1", "'127.0.0.2; 1' is no address"),
        ("HOTLINE_DATABASE_URL", "mysql://x", "should begin with postgresql://"),
        ("HOTLINE_LOG_LEVEL", "loud", "should be DEBUG, INFO, WARNING or ERROR"),
        ("HOTLINE_RTP_END", "20000", "HOTLINE_RTP_START=20000 should be below HOTLINE_RTP_END=20000"),
        ("HOTLINE_AGI_PORT", "8080", "HOTLINE_WEB_PORT and HOTLINE_AGI_PORT are both 8080"),
        ("HOTLINE_SIP_PORT", "20500", "HOTLINE_SIP_PORT=20500 lies between"),
        ("HOTLINE_BIND", "::", "HOTLINE_BIND=:: hears IPv6 alone and HOTLINE_TRUNK_PEERS=127.0.0.2 is IPv4"),
        ("HOTLINE_TRUNK_PEERS", "carrier.cn,2001:db8::1", "and HOTLINE_TRUNK_PEERS=2001:db8::1 is IPv6"),
    ],
)
def test_a_bad_setting_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, home: Path, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    (line,) = str(caught.value).splitlines()
    assert complaint in line
    assert line.endswith(f"; correct it in the environment or in {home}/hotline.env")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("TRUNK_CODECS", "g729,alaw", "g729 cannot be spoken here"),
        ("TRUNK_CODECS", ",", "have the other side offer G.711"),
        ("TRUNK_DTMF", "rfc2833", "should be rfc4733, inband, info or auto"),
        ("EXTERNAL_ADDRESS", "gw.example.cn", "not a name"),
        ("EXTERNAL_ADDRESS", "0.0.0.0", "write the router's"),
        ("LOCAL_NETS", "192.168.1.5/16", "write networks such as 192.168.0.0/16"),
        ("ASTERISK_TLS_PORT", "8088", "each needs a port of its own"),
    ],
)
def test_a_trunk_setting_that_cannot_be_is_told_with_what_can(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(f"HOTLINE_{name}", value)
    with pytest.raises(SettingsError, match=f"HOTLINE_{name}.*{remedy}"):
        load()


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_WEB_PORT", "x")
    monkeypatch.setenv("HOTLINE_SIP_PORT", "y")
    monkeypatch.setenv("HOTLINE_SIPPORT", "1")
    with pytest.raises(SettingsError) as caught:
        load()
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["HOTLINE_TRUNK_REGISTER", "HOTLINE_DATABASE_URL"])
def test_a_secret_is_not_repeated_in_the_complaint(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "me:swordfish:there")
    with pytest.raises(SettingsError) as caught:
        load()
    assert "swordfish" not in str(caught.value)


def test_a_database_url_gets_the_driver_that_we_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE_URL", "postgresql://me@host/db")
    assert load().database_url == "postgresql+psycopg://me@host/db"
