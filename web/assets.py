"""Static files of all rooms at /static/<room>/<path>?v=<hash of the content>, kept for ever by browsers."""

import hashlib
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse

router = APIRouter()
FOR_EVER = "public, max-age=31536000, immutable"


class StaticFolders:
    """Addresses and files of the rooms' `static/` folders."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = {name: folder.resolve() for name, folder in folders.items()}
        self._hashes: dict[Path, tuple[int, str]] = {}
        self._addressed: dict[str, Path] = {}  # what pages asked for and was there

    def file(self, path: str) -> Path | None:
        """The file of `<room>/<path>`; None when there is none or it lies outside the folder."""
        room, _, rest = path.partition("/")
        folder = self.folders.get(room)
        if folder is None or "\0" in rest:
            return None
        file = (folder / rest).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None

    def hash(self, file: Path) -> str:
        """The first 12 hex digits of its SHA-256, computed again when the file changes."""
        changed = file.stat().st_mtime_ns
        known = self._hashes.get(file)
        if known is None or known[0] != changed:
            known = (changed, hashlib.sha256(file.read_bytes()).hexdigest()[:12])
            self._hashes[file] = known
        return known[1]

    def address(self, path: str) -> str:
        """The address to write into a page; without a hash while the file is not built yet."""
        file = self._addressed.get(path) or self.file(path)
        if file is None:
            return f"/static/{path}"
        self._addressed[path] = file
        return f"/static/{path}?v={self.hash(file)}"


@router.get("/static/{path:path}", include_in_schema=False)
def static_file(request: Request, path: str, v: str = "") -> FileResponse:
    """The file; immutable only under the hash it has now."""
    folders: StaticFolders = request.app.state.renderer.static
    file = folders.file(path)
    if file is None:
        raise HTTPException(404)
    cache = FOR_EVER if v == folders.hash(file) else "no-cache"
    return FileResponse(file, headers={"Cache-Control": cache})
