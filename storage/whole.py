"""Files that are there whole or not at all, also after a power cut."""

import os
import tempfile
from pathlib import Path


def write_whole(
    file: Path, content: bytes, *, mode: int = 0o600, over: bool = True, folders_owner: bool = False
) -> None:
    """Written under another name, then put in its place.

    `over`: in place of an older one; otherwise raises FileExistsError when there is one. `folders_owner`:
    root gives it to whoever has the folder. Raises OSError; then nothing is left of it.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(descriptor, mode)
            if folders_owner and os.geteuid() == 0:
                owner = file.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            out.write(content)
            out.flush()
            os.fsync(descriptor)
        if over:
            part.replace(file)
        else:
            file.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """The names in it are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
