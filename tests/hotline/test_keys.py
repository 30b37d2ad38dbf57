"""`hotline check` on the keys: here, right, and nobody else's to read."""

from datetime import UTC, datetime
from pathlib import Path

from hotline import check
from storage import keyring, vault
from storage.database import Database
from storage.vault import installed


def findings(database: Database) -> list[check.Finding]:
    return list(check._foreseen("keys", lambda: check._keys(database.url)))


def test_the_check_tells_which_key_is_missing_or_open_to_others(
    database: Database, keys: Path, tmp_path: Path
) -> None:
    with database.session() as session:
        keyring.register(session)
    needed = installed().current
    (fine,) = findings(database)
    assert fine.ok and needed in fine.told
    try:
        vault.install(tmp_path)
        installed().make(datetime.now(UTC), first=True)
        (missing,) = findings(database)
        assert not missing.ok and f"key {needed} is missing" in missing.told
        assert f"{needed}.json back from a backup" in missing.remedy
        (file,) = tmp_path.iterdir()
        file.chmod(0o644)
        (opened,) = findings(database)
        assert (opened.ok, opened.remedy) == (False, f"chmod 600 {file}")
    finally:
        vault.install(keys)
