"""What is personal is sealed before it is stored; the keys lie in files, outside the database.

A sealed value is `version · key id · [twin ·] nonce · text` (1, 4, [16], 12 bytes; AES-256-GCM). It opens
only in the context it was sealed for (`table.column`), which is authenticated with it, as its twin is. A twin
is HMAC-SHA256 over the value under a key of its own, cut to 16 bytes: the same value has the same twin, and
nobody without the key can tell whose it is. Each purpose has keys of its own, derived by HKDF (RFC 5869).

Nonces are random: one key may seal 2³² values (NIST SP 800-38D, 8.3) before it should be rotated.
"""

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.whole import write_whole

Purpose = Literal["fields", "twins", "files", "journal", "totp"]

ID_BYTES, TWIN_BYTES, NONCE_BYTES, TAG_BYTES, SECRET_BYTES = 4, 16, 12, 16, 32
TWIN_AT = 1 + ID_BYTES  # where a sealed value's twin begins, from 0

_PLAIN, _TWINNED = b"\1", b"\2"  # versions: without and with a twin
_NONCE_AT = {_PLAIN: TWIN_AT, _TWINNED: TWIN_AT + TWIN_BYTES}

LOOK_SECONDS = 5.0  # how often each process looks for new keys
NOTICE = timedelta(seconds=3 * LOOK_SECONDS)  # so long all know a key before anybody seals with it


class VaultError(RuntimeError):
    """A value cannot be sealed or opened; one line that names the key or file, and the remedy."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key. `begins`: when values are sealed with it. A retired one has kept its journal key alone."""

    id: str  # 8 hexadecimal digits
    made: datetime
    begins: datetime
    secret: bytes = b""
    retired: datetime | None = None
    journal: bytes = b""


@dataclass(frozen=True, slots=True)
class Key:
    """A purpose's key, and the id that finds it again."""

    id: str
    secret: bytes


class Vault:
    """The ring of keys in a folder; safe to share between threads. New keys are noticed by themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._ring: dict[str, KeyFile] = {}
        self._ciphers: dict[tuple[bytes, Purpose], AESGCM] = {}
        self._twin_keys: dict[str, bytes] = {}
        self._searched: tuple[bytes, ...] = ()
        self._sealing: KeyFile | None = None
        self._look_at = 0.0
        self._look()

    # -- values ---------------------------------------------------------------------------------

    def seal(
        self, purpose: Purpose, context: str, text: bytes, domain: str = "", key_id: str | None = None
    ) -> bytes:
        """`text`, for nobody to read; opens in the same `context` alone.

        `domain`: it is to be found again by the twin that it then carries. `key_id`: not with the key of
        today. Raises VaultError.
        """
        key = self._current() if key_id is None else self._key_file(key_id)
        twin = _twin(self._twin_keys[key.id], domain, text.decode()) if domain else b""
        mark, nonce = bytes.fromhex(key.id), os.urandom(NONCE_BYTES)
        cipher = self._ciphers.get((mark, purpose)) or self._cipher(mark, purpose)
        head = (_TWINNED if domain else _PLAIN) + mark + twin
        return head + nonce + cipher.encrypt(nonce, text, _bound(context, head))

    def open(self, purpose: Purpose, context: str, sealed: bytes) -> bytes:
        """What was sealed. Raises VaultError: its key is missing, or it was changed or moved."""
        at = _NONCE_AT.get(sealed[:1], 0)
        if not at or len(sealed) < at + NONCE_BYTES + TAG_BYTES:
            raise VaultError(f"{context}: what is stored there is not sealed: restore it from a backup")
        cipher = self._ciphers.get((sealed[1:TWIN_AT], purpose)) or self._cipher(sealed[1:TWIN_AT], purpose)
        text_at = at + NONCE_BYTES
        try:
            return cipher.decrypt(sealed[at:text_at], sealed[text_at:], _bound(context, sealed[:at]))
        except InvalidTag:
            raise VaultError(
                f"{context}: a value was changed or moved, or {self._file(key_id_of(sealed))} is not the key "
                "that sealed it: restore the one or the other from a backup"
            ) from None

    def twin(self, domain: str, text: str) -> bytes:
        """What a value is found by that is sealed now; those of one `domain` can be compared."""
        return _twin(self.key("twins").secret, domain, text)

    def twins(self, domain: str, text: str) -> list[bytes]:
        """Every twin that a stored value may have: more than one while keys change."""
        self._look_if_due()
        return [_twin(key, domain, text) for key in self._searched]

    def key(self, purpose: Purpose, key_id: str | None = None, salt: bytes = b"") -> Key:
        """A purpose's key (32 bytes) for uses of one's own: the current one, or that of an id.

        A file's own key has a random `salt`, stored with the file beside the id. The journal's outlives
        its key's retirement. Raises VaultError.
        """
        found = self._current() if key_id is None else self._key_file(key_id, purpose)
        if purpose == "journal" and found.retired:
            return Key(found.id, found.journal)
        return Key(found.id, _derive(found.secret, purpose, salt))

    # -- the ring -------------------------------------------------------------------------------

    def ring(self) -> list[KeyFile]:
        """All keys, retired ones too, oldest first; read from the folder anew."""
        self._look()
        return sorted(self._ring.values(), key=_age)

    @property
    def current(self) -> str:
        """The id of the key that values are sealed with now. Raises VaultError when there is none."""
        return self._current().id

    def make(self, now: datetime, *, first: bool = False) -> None:
        """A new key, which begins when all processes have noticed it. `first`: only if there is none yet."""
        with _alone(self.folder):
            known = self.ring()
            if known and first:
                return
            begins = now + NOTICE if known else now
            made = KeyFile(secrets.token_hex(ID_BYTES), now, begins, secrets.token_bytes(SECRET_BYTES))
            _write(self._file(made.id), made, fresh=True)
        self._look()

    def retire(self, key_id: str, now: datetime) -> None:
        """Forget a key but for the journal's part of it. The caller has seen that nothing needs it."""
        with _alone(self.folder):
            found = self._key_file(key_id)
            if found is self._current():
                raise VaultError(f"key {key_id} is in use: make another first with hotline keys rotate")
            journal = _derive(found.secret, "journal")
            _write(self._file(key_id), replace(found, secret=b"", retired=now, journal=journal))
        self._look()

    def _current(self) -> KeyFile:
        self._look_if_due()
        if self._sealing is None:
            raise VaultError(f"there is no key in {self.folder}: put the key files back from a backup")
        return self._sealing

    def _key_file(self, key_id: str, purpose: Purpose = "fields") -> KeyFile:
        if key_id not in self._ring:
            self._look()
        found = self._ring.get(key_id)
        if found is None:
            raise VaultError(f"key {key_id} is missing: put {self._file(key_id)} back from a backup")
        if found.retired and purpose != "journal":
            raise VaultError(
                f"key {key_id} is retired: put {self._file(key_id)} back as it was before {found.retired:%F}"
            )
        return found

    def _cipher(self, key_id: bytes, purpose: Purpose) -> AESGCM:
        key = self._key_file(key_id.hex())
        made = self._ciphers[key_id, purpose] = AESGCM(_derive(key.secret, purpose))
        return made

    def _look_if_due(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        with suppress(VaultError):  # who runs goes on with the keys it has; the check and the next start tell
            self._look()

    def _look(self) -> None:
        """Read the folder; a key once known is not forgotten. Raises VaultError for a damaged file."""
        with self._lock:
            found = [_read(file) for file in sorted(self.folder.glob("*.json"))]
            ring = self._ring | {each.id: each for each in found}
            if ring != self._ring:
                self._ring, self._ciphers = ring, {}
            in_use = sorted((each for each in ring.values() if not each.retired), key=_age)
            self._twin_keys |= {each.id: _derive(each.secret, "twins") for each in in_use}
            self._searched = tuple(self._twin_keys[each.id] for each in in_use)
            now = datetime.now(UTC)
            begun = [each for each in in_use if each.begins <= now] or in_use[:1]
            self._sealing = begun[-1] if begun else None
            waits = [(each.begins - now).total_seconds() for each in in_use if each.begins > now]
            self._look_at = time.monotonic() + min([LOOK_SECONDS, *waits])

    def _file(self, key_id: str) -> Path:
        return self.folder / f"{key_id}.json"


# -- the one of this process ------------------------------------------------------------------------

_folder: Path | None = None
_installed: Vault | None = None


def install(folder: Path | None) -> None:
    """From now on this process seals and opens with the keys there, read when first needed."""
    global _folder, _installed  # column types have nobody to be handed it by
    if folder != _folder:
        _folder, _installed = folder, None


def installed() -> Vault:
    """This process's vault. Raises VaultError."""
    global _installed  # noqa: PLW0603
    if _installed is None:
        if _folder is None:
            raise VaultError("no keys are loaded: a program that reads the record has to install them first")
        _installed = Vault(_folder)
    return _installed


def key_id_of(sealed: bytes) -> str:
    """The id of the key that a value was sealed with."""
    return sealed[1:TWIN_AT].hex()


# -- parts ------------------------------------------------------------------------------------------


def _twin(key: bytes, domain: str, text: str) -> bytes:
    plain = unicodedata.normalize("NFKC", text).strip()
    return hmac.digest(key, f"{domain}\0{plain}".encode(), hashlib.sha256)[:TWIN_BYTES]


def _bound(context: str, head: bytes) -> bytes:
    """What is authenticated beside the text."""
    return context.encode() + b"\0" + head


def _derive(secret: bytes, purpose: Purpose, salt: bytes = b"") -> bytes:
    wanted = HKDF(SHA256(), SECRET_BYTES, salt or None, f"hotline/{purpose}".encode())
    return wanted.derive(secret)


def _age(key: KeyFile) -> tuple[datetime, str]:
    return key.begins, key.id


def _read(file: Path) -> KeyFile:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise VaultError(f"{file} can be read by others: chmod 600 {file}")
        told = json.loads(file.read_text(encoding="ascii"))
        key = KeyFile(
            id=str(told["id"]),
            made=datetime.fromisoformat(told["made"]),
            begins=datetime.fromisoformat(told["begins"]),
            secret=base64.b64decode(told.get("secret", ""), validate=True),
            retired=datetime.fromisoformat(told["retired"]) if told.get("retired") else None,
            journal=base64.b64decode(told.get("journal", ""), validate=True),
        )
    except OSError as why:
        raise VaultError(
            f"{file} cannot be read ({why.strerror}): give it to the user who runs this"
        ) from why
    except (ValueError, KeyError, TypeError) as why:
        raise VaultError(f"{file} is no key file: put it back from a backup") from why
    whole = key.journal if key.retired else key.secret
    if key.id != file.stem or len(key.id) != 2 * ID_BYTES or len(whole) != SECRET_BYTES:
        raise VaultError(f"{file} is damaged: put it back from a backup")
    return key


def _write(file: Path, key: KeyFile, *, fresh: bool = False) -> None:
    """Whole or not at all, for the owner alone; a `fresh` one never over another."""
    told = {
        "id": key.id,
        "made": key.made.isoformat(),
        "begins": key.begins.isoformat(),
        "retired": key.retired.isoformat() if key.retired else "",
        "secret": base64.b64encode(key.secret).decode(),
        "journal": base64.b64encode(key.journal).decode(),
    }
    write_whole(file, json.dumps(told, indent=1).encode("ascii"), over=not fresh, folders_owner=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the ring meanwhile."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
