"""What is sealed opens with its key, in its place, and nowhere else."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import vault as vaults
from storage.vault import NOTICE, Vault, VaultError, key_id_of

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "keys")
    made.make(LONG_AGO, first=True)
    return made


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault(tmp_path_factory.mktemp("ring"))
    made.make(LONG_AGO, first=True)
    return made


@given(text=st.binary(max_size=300), context=st.text(max_size=20))
def test_what_is_sealed_opens_again_and_never_looks_the_same_twice(
    ring: Vault, text: bytes, context: str
) -> None:
    once, twice = (ring.seal("fields", context, text) for _ in range(2))
    assert once != twice
    assert ring.open("fields", context, once) == ring.open("fields", context, twice) == text


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_found_out(ring: Vault, place: int, flip: int) -> None:
    sealed = bytearray(ring.seal("fields", "call.number", b"+8613812345678", "number"))
    sealed[place % len(sealed)] ^= flip
    with pytest.raises(VaultError):
        ring.open("fields", "call.number", bytes(sealed))


def test_a_value_moved_to_another_column_or_purpose_does_not_open(vault: Vault) -> None:
    sealed = vault.seal("fields", "ticket.caller_name", b"Wang Min")
    with pytest.raises(VaultError, match=r"ticket.accused: a value was changed or moved"):
        vault.open("fields", "ticket.accused", sealed)
    with pytest.raises(VaultError):
        vault.open("totp", "ticket.caller_name", sealed)


@pytest.mark.parametrize(
    "stored", [b"", b"plain text of an older hotline", b"\1", b"\2" + bytes(40), b"\0" * 60]
)
def test_what_is_not_sealed_is_told_in_one_line(vault: Vault, stored: bytes) -> None:
    with pytest.raises(VaultError) as told:
        vault.open("fields", "call.number", stored)
    assert "\n" not in str(told.value)


def test_equal_values_have_equal_twins_and_carry_them(vault: Vault) -> None:
    twin = vault.twin("number", "+8613812345678")
    assert twin == vault.twin("number", " ＋８６13812345678 ") and len(twin) == 16
    assert vault.twins("number", "+8613812345678") == [twin]
    assert twin in vault.seal("fields", "call.number", b"+8613812345678", "number")
    assert twin != vault.twin("name", "+8613812345678") and twin != vault.twin("number", "+8613812345679")


def test_each_purpose_and_file_has_a_key_of_its_own(vault: Vault) -> None:
    purposes: list[vaults.Purpose] = ["fields", "twins", "files", "journal", "totp"]
    secrets = {vault.key(purpose).secret for purpose in purposes}
    secrets |= {vault.key("files", salt=bytes([n]) * 16).secret for n in (1, 2, 3)}
    assert len(secrets) == 8 and all(len(secret) == 32 for secret in secrets)
    again = Vault(vault.folder)
    assert again.key("files", vault.current, b"salt") == vault.key("files", salt=b"salt")


def test_the_first_key_is_made_once_however_many_ask(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    threads = [
        threading.Thread(target=lambda: Vault(folder).make(datetime.now(UTC), first=True)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    before = file.read_bytes()
    Vault(folder).make(datetime.now(UTC), first=True)
    assert [each.read_bytes() for each in folder.iterdir()] == [before]


def test_a_new_key_seals_only_when_everybody_has_had_time_to_notice_it(vault: Vault) -> None:
    (old,) = vault.ring()
    vault.make(datetime.now(UTC))
    assert vault.current == old.id
    assert len(vault.twins("number", "12345")) == 2  # but it is looked for from now on


def test_another_process_opens_and_finds_what_a_newer_key_sealed(vault: Vault) -> None:
    other = Vault(vault.folder)
    old = vault.seal("fields", "call.number", b"12345", "number")
    vault.make(datetime.now(UTC) - 2 * NOTICE)
    new = vault.seal("fields", "call.number", b"12345", "number")
    assert key_id_of(new) == vault.current != key_id_of(old)
    assert [other.open("fields", "call.number", each) for each in (old, new)] == [b"12345"] * 2
    twins = other.twins("number", "12345")
    assert [twin in value for twin, value in zip(twins, (old, new), strict=True)] == [True, True]


def test_a_retired_key_opens_nothing_more_and_still_proves_the_journal(vault: Vault) -> None:
    old = vault.current
    sealed, journal = vault.seal("fields", "call.number", b"12345"), vault.key("journal")
    with pytest.raises(VaultError, match="is in use"):
        vault.retire(old, datetime.now(UTC))
    vault.make(datetime.now(UTC) - 2 * NOTICE)
    vault.retire(old, datetime.now(UTC))
    again = Vault(vault.folder)
    assert again.key("journal", old) == journal and again.current != old
    assert len(again.twins("number", "12345")) == 1
    with pytest.raises(VaultError, match=f"{old} is retired"):
        again.open("fields", "call.number", sealed)
    with pytest.raises(VaultError, match=f"{old} is retired"):
        again.key("files", old)


def test_a_missing_or_wrong_key_gives_one_clear_line(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("fields", "call.number", b"12345")
    nobody = Vault(tmp_path / "none")
    with pytest.raises(VaultError, match=r"there is no key in .*none"):
        nobody.seal("fields", "call.number", b"12345")
    nobody.make(LONG_AGO, first=True)
    with pytest.raises(VaultError, match=f"key {vault.current} is missing: put .*{vault.current}.json back"):
        nobody.open("fields", "call.number", sealed)
    (file,) = nobody.folder.iterdir()
    wrong = json.loads(file.read_text()) | {"id": vault.current}
    file.with_name(f"{vault.current}.json").write_text(json.dumps(wrong))
    file.with_name(f"{vault.current}.json").chmod(0o600)
    with pytest.raises(VaultError, match="is not the key that sealed it") as told:
        nobody.open("fields", "call.number", sealed)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: file.write_text("{"), "is no key file"),
        (lambda file: file.write_text(file.read_text()[:-60] + '"x"}'), "is no key file|is damaged"),
        (lambda file: file.rename(file.with_name("00000000.json")), "is damaged"),
        (lambda file: file.chmod(0o640), "can be read by others: chmod 600"),
    ],
)
def test_a_damaged_or_open_key_file_is_told_by_name(vault: Vault, damage: object, told: str) -> None:
    (file,) = vault.folder.iterdir()
    damage(file)  # type: ignore[operator]
    with pytest.raises(VaultError, match=told):
        Vault(vault.folder)


def test_who_runs_goes_on_with_its_keys_when_the_folder_is_lost(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = vault.folder.iterdir()
    sealed = vault.seal("fields", "call.number", b"12345")
    file.unlink()
    monkeypatch.setattr(vaults.time, "monotonic", lambda: 10.0**9)
    assert vault.open("fields", "call.number", sealed) == b"12345"
    assert vault.open("fields", "call.number", vault.seal("fields", "call.number", b"1")) == b"1"


def test_without_installed_keys_nothing_is_read_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaults, "_folder", None)
    monkeypatch.setattr(vaults, "_installed", None)
    with pytest.raises(VaultError, match="no keys are loaded"):
        vaults.installed()


def test_a_key_begins_after_its_notice(vault: Vault) -> None:
    now = datetime.now(UTC)
    vault.make(now)
    assert vault.ring()[-1].begins - now == NOTICE > timedelta(0)
