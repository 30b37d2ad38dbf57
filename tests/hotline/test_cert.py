"""Certificates: what is made, what is renewed, what is refused; and what each is worth to OpenSSL."""

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotline.cert import LOOPBACK, MOST_DAYS, CertError, Keeper

NOW = datetime.now(UTC)
NAMES = ["hotline.example.cn", "192.168.1.5"]


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_a_certificate_of_our_own_is_good_for_its_names_under_its_authority(keeper: Keeper) -> None:
    held = keeper.make(NAMES, 100, NOW)
    assert held.ours
    assert set(held.names) == {*NAMES, *LOOPBACK}
    for wanted in (["-verify_hostname", NAMES[0]], ["-verify_ip", NAMES[1]]):
        verified = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(keeper.ca)]
        subprocess.run([*verified, *wanted, str(keeper.server)], check=True, capture_output=True)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(keeper.server)


def test_keys_are_for_the_servers_user_alone(keeper: Keeper) -> None:
    keeper.make(NAMES, 100, NOW)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in keeper.folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.pem": 0o600}
    assert b"PRIVATE" not in keeper.ca.read_bytes()


def test_run_again_the_names_and_the_authority_stay_and_the_certificate_is_new(keeper: Keeper) -> None:
    first, authority = keeper.make(NAMES, 10, NOW), keeper.fingerprint()
    second = keeper.make([], 100, NOW)
    assert second.names == first.names
    assert second.ends_at > first.ends_at
    assert second.der != first.der
    assert keeper.fingerprint() == authority


def test_without_a_name_it_is_for_this_machine(keeper: Keeper) -> None:
    held = keeper.make([], 10, NOW)
    assert set(LOOPBACK) < set(held.names)


def test_the_authority_signs_for_private_addresses_and_below_its_names_only(keeper: Keeper) -> None:
    keeper.make(NAMES, 10, NOW)
    assert "desk.hotline.example.cn" in keeper.make(["desk.hotline.example.cn", "10.1.2.3"], 10, NOW).names
    for stranger in ("bank.example.com", "203.0.113.9"):
        with pytest.raises(CertError, match=rf"may not sign for {stranger}.*--new-ca"):
            keeper.make([stranger], 10, NOW)
    authority = keeper.fingerprint()
    assert "bank.example.com" in keeper.make(["bank.example.com"], 10, NOW, new_ca=True).names
    assert keeper.fingerprint() != authority


@pytest.mark.parametrize("name", ["", "two words", "a_b", "-a.cn", "http://a.cn", "a.cn:8080", "中文"])
def test_what_is_no_name_is_refused(keeper: Keeper, name: str) -> None:
    with pytest.raises(CertError, match="is no host name or address"):
        keeper.make([name], 10, NOW)


@pytest.mark.parametrize("days", [0, MOST_DAYS + 1])
def test_a_life_that_browsers_refuse_is_refused(keeper: Keeper, days: int) -> None:
    with pytest.raises(CertError, match=f"at most {MOST_DAYS}"):
        keeper.make(NAMES, days, NOW)


def test_it_says_that_it_has_ended_ends_soon_or_has_not_begun(keeper: Keeper) -> None:
    held = keeper.make(NAMES, 100, NOW)
    assert held.fault(NOW) == ""
    assert "ends on" in held.fault(NOW + timedelta(days=80))
    assert "ended on" in held.fault(NOW + timedelta(days=101))
    assert "begins only" in held.fault(NOW - timedelta(days=1))


def test_nothing_is_held_where_there_is_nothing(keeper: Keeper) -> None:
    assert keeper.held() is None
    assert keeper.fingerprint() == ""


def _parts(keeper: Keeper, folder: Path) -> tuple[Path, Path]:
    """The server's certificate and key as an operator has them: in two files."""
    pem = keeper.server.read_text()
    begin = pem.index("-----BEGIN CERTIFICATE")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_text(pem[begin:])
    key.write_text(pem[:begin])
    return cert, key


@pytest.fixture
def brought(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and key that somebody else's authority made."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Keeper(elsewhere)
    other.make(["desk.example.org"], 100, NOW)
    return _parts(other, elsewhere)


def test_the_operators_own_is_taken_and_not_overwritten_by_ours(
    keeper: Keeper, brought: tuple[Path, Path]
) -> None:
    assert not keeper.take(*brought, NOW).ours
    held = keeper.held()
    assert held
    assert held.covers("desk.example.org")
    assert "--take" in held.renewal
    with pytest.raises(CertError, match="one that you brought"):
        keeper.make([], 100, NOW)
    assert keeper.make(NAMES, 100, NOW).ours


def test_a_key_of_another_certificate_is_refused(
    keeper: Keeper, brought: tuple[Path, Path], tmp_path: Path
) -> None:
    keeper.make(NAMES, 100, NOW)
    _, key = _parts(keeper, tmp_path)
    before = keeper.server.read_bytes()
    with pytest.raises(CertError, match="do not belong together"):
        keeper.take(brought[0], key, NOW)
    assert keeper.server.read_bytes() == before


def test_one_out_of_date_is_refused(keeper: Keeper, brought: tuple[Path, Path]) -> None:
    with pytest.raises(CertError, match="take one that is now"):
        keeper.take(*brought, NOW + timedelta(days=200))


def test_an_authoritys_certificate_names_nothing_and_is_refused(keeper: Keeper, tmp_path: Path) -> None:
    keeper.make(NAMES, 100, NOW)
    with pytest.raises(CertError, match="names no host"):
        keeper.take(keeper.ca, keeper.ca_key, NOW)


def test_a_key_with_a_password_is_refused_by_that_word(
    keeper: Keeper, brought: tuple[Path, Path], tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    lock = ["openssl", "pkcs8", "-topk8", "-in", str(brought[1]), "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(lock, check=True, capture_output=True)
    with pytest.raises(CertError, match="password"):
        keeper.take(brought[0], locked, NOW)


def test_a_file_whose_halves_do_not_fit_is_told_as_such(keeper: Keeper, brought: tuple[Path, Path]) -> None:
    keeper.make(NAMES, 100, NOW)
    pem = keeper.server.read_text()
    keeper.server.write_text(pem[: pem.index("-----BEGIN CERT")] + brought[0].read_text())
    with pytest.raises(CertError, match="do not belong together"):
        keeper.held()
    assert keeper.make(NAMES, 100, NOW).ours


def test_a_wildcard_covers_one_level_of_names(keeper: Keeper) -> None:
    held = keeper.make(["*.example.cn"], 10, NOW)
    assert held.covers("desk.example.cn")
    assert not held.covers("a.desk.example.cn")
    assert not held.covers("example.cn")
