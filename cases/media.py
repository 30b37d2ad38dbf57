"""What a file is, by its content, and whether tickets take such files. The browser's word counts for nothing.

A short list of our own instead of a library that guesses among hundreds: puremagic 1.30 calls every ZIP a
Word document, and filetype has had no release since 2022. Here a kind is taken or it is not. Content
is told by its beginning and its end; a text by having no byte that texts don't have.
"""

import re
import unicodedata
from dataclasses import dataclass

from cases.errors import Refused

SNIFFED_BYTES = 64 * 1024  # of the beginning, and of the end
LONGEST_NAME = 120

_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_OLE = (
    "application/x-ole-storage"  # Word, Excel and PowerPoint of before 2007, and WPS: alike but for the name
)

ENDINGS: dict[str, tuple[str, ...]] = {
    "image/jpeg": ("jpg", "jpeg", "jfif"),
    "image/png": ("png",),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/bmp": ("bmp",),
    "image/tiff": ("tif", "tiff"),
    "image/heic": ("heic", "heif"),
    "application/pdf": ("pdf",),
    f"{_OOXML}.wordprocessingml.document": ("docx",),
    f"{_OOXML}.spreadsheetml.sheet": ("xlsx",),
    f"{_OOXML}.presentationml.presentation": ("pptx",),
    f"{_ODF}.text": ("odt",),
    f"{_ODF}.spreadsheet": ("ods",),
    f"{_ODF}.presentation": ("odp",),
    _OLE: ("doc", "xls", "ppt", "wps", "et", "dps"),
    "audio/wav": ("wav",),
    "audio/mpeg": ("mp3",),
    "audio/mp4": ("m4a",),
    "audio/aac": ("aac",),
    "audio/ogg": ("ogg", "oga", "opus"),
    "audio/amr": ("amr",),
    "audio/flac": ("flac",),
    "text/plain": ("txt", "csv"),
}

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF....WEBP", "image/webp"),
    (rb"BM.{4}\0\0\0\0", "image/bmp"),
    (rb"II\*\0|MM\0\*", "image/tiff"),
    (rb"....ftyp(heic|heix|heim|heis|mif1|msf1)", "image/heic"),
    (rb"%PDF-\d", "application/pdf"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (rb"RIFF....WAVE", "audio/wav"),
    (rb"ID3[\x02-\x04]|\xff[\xf2\xf3\xfa\xfb]", "audio/mpeg"),
    (rb"....ftyp(M4A |M4B )", "audio/mp4"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "audio/aac"),
    (rb"OggS\0", "audio/ogg"),
    (rb"#!AMR(-WB)?\n", "audio/amr"),
    (rb"fLaC", "audio/flac"),
)
_SIGNATURES = tuple((re.compile(sign, re.DOTALL), kind) for sign, kind in _BEGINNINGS)
_ZIPPED = (
    (b"word/", f"{_OOXML}.wordprocessingml.document"),
    (b"xl/", f"{_OOXML}.spreadsheetml.sheet"),
    (b"ppt/", f"{_OOXML}.presentationml.presentation"),
)


@dataclass(slots=True)
class Sniffer:
    """Fed with a file as it comes, it keeps what it needs to tell what that is."""

    head: bytes = b""
    tail: bytes = b""
    may_be_text: bool = True

    def feed(self, part: bytes) -> None:
        self.head += part[: SNIFFED_BYTES - len(self.head)]
        self.tail = (self.tail + part)[-SNIFFED_BYTES:]
        self.may_be_text = self.may_be_text and _NO_TEXT.search(part) is None

    def kind(self) -> str | None:
        """The media type, one of ENDINGS; None when it is nothing that tickets take."""
        for sign, kind in _SIGNATURES:
            if sign.match(self.head):
                return kind
        if self.head[:4] == b"PK\3\4":
            return self._zipped()
        return "text/plain" if self.may_be_text and self._reads() else None

    def _zipped(self) -> str | None:
        stored = re.match(rb"PK\x03\x04.{22}\x08\0..mimetype(application/[a-z.-]+)", self.head, re.DOTALL)
        if stored:
            kind = stored[1].decode()
            return kind if kind in ENDINGS else None
        names = self.head + self.tail
        if b"[Content_Types].xml" not in names:
            return None
        return next((kind for folder, kind in _ZIPPED if folder in names), None)

    def _reads(self) -> bool:
        """UTF-8 or GB 18030, as texts are here; a character cut at the end of what was looked at is none."""
        for encoding in ("utf-8", "gb18030"):
            try:
                self.head[: SNIFFED_BYTES - 4].decode(encoding)
            except UnicodeDecodeError as error:
                if error.start >= SNIFFED_BYTES - 8:
                    return True
            else:
                return bool(self.head)
        return False


def taken(kind: str | None, name: str) -> str:
    """The media type, if tickets take it and the name says the same. Raises Refused on `file`."""
    ending = name.rpartition(".")[2].lower()
    if kind is None:
        known = any(ending in endings for endings in ENDINGS.values())
        raise Refused({"file": "broken" if known else "kind"})
    if ending not in ENDINGS[kind]:
        raise Refused({"file": "name"})
    return kind


def safe_name(sent: str) -> str:
    """A file's name without folders, control and direction marks, and what some system cannot store."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", sent))[-1]
    name = "".join(each for each in name if unicodedata.category(each)[0] != "C")
    name = _UNSAFE.sub("_", " ".join(name.split())).strip(". ")
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    if _DEVICES.match(name):
        stem = f"_{stem}"
    room = LONGEST_NAME - len(ending) - 1
    return f"{stem[:room].rstrip() or '_'}{dot}{ending[:10]}"
