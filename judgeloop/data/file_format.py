"""Recognizes files that are not JSON Lines by their content, and says how to convert them."""

from __future__ import annotations

import csv
import io
import re
import tarfile
import zipfile
from codecs import BOM_UTF8
from collections.abc import Container
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from judgeloop.schema.errors import DataError

_LOOKED_AT = 2**20
"""Bytes at the beginning of a file from which its format is recognized."""
_ROWS_COMPARED = 5


_THEN = ", then"
_FIELDS = "docs/data.md"
_OF_BENCHMARKS = (".csv", ".json", ".parquet")


class Rows(StrEnum):
    """What the rows of a file are."""

    QUESTIONS = "questions"
    """`judgeloop convert` writes them."""
    BENCHMARK = "benchmark"
    PAIRS = "pairs"
    """Gold pairs, or pairs to judge."""


class Format(NamedTuple):
    """A format that is not JSON lines."""

    name: str
    """Completes the phrase "it is ..."."""
    remedy: str = ""
    """How to make it a file of lines; empty where its rows must be rewritten. It ends in `_THEN`
    where another step follows."""
    ending: str = ""
    """File name suffix with which `judgeloop convert` reads it."""


CSV, TSV = Format("a CSV file", "", ".csv"), Format("a TSV file", "", ".tsv")
PARQUET = Format("a Parquet file", "", ".parquet")
_INSIDE = "and give the JSONL file in it"
TAR = Format("a tar archive", f"unpack it, as `tar -xf` does, {_INSIDE}", ".tar")
JSON_ARRAY = Format("a JSON array", "give one object a line, as `jq -c '.[]'` makes them", ".json")
JSON_OBJECTS = Format(
    "a file of objects that go over several lines", "write one per line, as `jq -c .` makes them"
)
OLD_MAC = Format("a file of lines that end in CR alone", "end them in LF, as `tr '\\r' '\\n'` does")
_EXCEL = Format("an Excel file", "save its sheet as CSV in UTF-8, then")
_TABLES = "write its rows as CSV or JSONL"


def _packed(by: str, command: str) -> Format:
    return Format(f"compressed by {by}", f"unpack it, as `{command}` does")


def _encoded(name: str) -> Format:
    code = name.partition(" ")[0]
    return Format(f"in {name}", f"convert it to UTF-8, as `iconv -f {code} -t UTF-8` does")


_MAGIC = (
    (b"\x1f\x8b", _packed("gzip", "gunzip")),
    (b"BZh", _packed("bzip2", "bunzip2")),
    (b"\xfd7zXZ", _packed("xz", "unxz")),
    (b"\x5d\x00\x00", _packed("lzma", "unlzma")),
    (b"\x28\xb5\x2f\xfd", _packed("zstd", "unzstd")),
    (b"\x04\x22\x4d\x18", _packed("lz4", "unlz4")),
    (b"\x02\x21\x4c\x18", _packed("lz4", "unlz4")),
    (b"\x1f\x9d", _packed("compress", "uncompress")),
    (b"7z\xbc\xaf\x27\x1c", Format("a 7z archive", f"unpack it, as `7z x` does, {_INSIDE}")),
    (b"Rar!\x1a\x07", Format("a RAR archive", f"unpack it, as `unrar x` does, {_INSIDE}")),
    (b"PAR1", PARQUET),
    (b"ARROW1", Format("an Arrow file", "write its rows as Parquet or JSONL")),
    (b"Obj\x01", Format("an Avro file", _TABLES)),
    (b"\x89HDF\r\n\x1a\n", Format("an HDF5 file", _TABLES)),
    (b"SQLite format 3\x00", Format(
        "an SQLite database", "write its table as CSV, as `sqlite3 -header -csv` does, then")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _EXCEL),
    (b"%PDF-", Format("a PDF", _TABLES)),
    (b"\x89PNG\r\n\x1a\n", Format("an image", "give the file whose rows name it")),
    (b"\xff\xd8\xff", Format("an image", "give the file whose rows name it")),
    (b"\xff\xfe\x00\x00", _encoded("UTF-32")),
    (b"\x00\x00\xfe\xff", _encoded("UTF-32")),
    (b"\xff\xfe", _encoded("UTF-16")),
    (b"\xfe\xff", _encoded("UTF-16")),
    (b"{\x00\x00\x00", _encoded("UTF-32LE without a byte order mark")),
    (b"\x00\x00\x00{", _encoded("UTF-32BE without a byte order mark")),
    (b"{\x00", _encoded("UTF-16LE without a byte order mark")),
    (b"\x00{", _encoded("UTF-16BE without a byte order mark")),
)  # fmt: skip
"""Prefixes of files; a longer prefix comes before its own prefix."""
_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html|head|\?xml|svg)\b", re.IGNORECASE)


TO_UTF8 = "convert the file, as `iconv -f LATIN1 -t UTF-8` does where it is in Latin-1"
"""What to do about a text in another encoding."""


def not_utf8(error: UnicodeDecodeError) -> str:
    """Says where a text is not UTF-8, and what to do."""
    found = error.object[error.start]
    return f"byte {error.start + 1} of the line is {found:#04x}, which is not UTF-8; {TO_UTF8}"


def refuse_other_formats(
    file: Path, place: str, rows: Rows, read_as_well: Container[Format] = ()
) -> None:
    """Refuses a file that is not JSON Lines as a whole, and says what to do.

    Args:
        file: It exists.
        place: Names it in the message.
        rows: What its rows should be.
        read_as_well: Other formats that are read too.

    Raises:
        DataError: It is of another format.
    """
    found = other_format(file)
    if found is not None and found not in read_as_well:
        raise DataError(f"{place}: it is {found.name}; {_remedy(found, place, rows)}")


def other_format(file: Path) -> Format | None:
    """Returns the format of a file; None where it may be JSON Lines."""
    with file.open("rb") as opened:
        head = opened.read(_LOOKED_AT)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zipped(file)
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if _is_tar(file, head):
        return TAR
    return _of_text(head.removeprefix(BOM_UTF8))


def _remedy(found: Format, place: str, rows: Rows) -> str:
    name = place.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    named = f"{stem}{found.ending}"
    further = found.remedy.endswith(_THEN)
    if rows is Rows.BENCHMARK and found.ending in _OF_BENCHMARKS:
        return f"name it {named}"
    if rows is not Rows.QUESTIONS:
        anew = f"write its rows as JSONL, one object a line, with the fields that {_FIELDS} names"
        return f"{found.remedy} {anew}" if further else found.remedy or anew
    if further:
        return f"{found.remedy} `judgeloop convert {stem}.csv --out FOLDER` writes it as JSONL"
    if not found.ending:
        return found.remedy
    renamed = "" if named == name else f"name it {named}, and "
    convert = f"{renamed}`judgeloop convert {named} --out FOLDER` writes it as JSONL"
    return f"{found.remedy}, or {convert}" if found.remedy else convert


def _zipped(file: Path) -> Format:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return _EXCEL
    if "content.xml" in names:
        return Format("an OpenDocument file", "save its sheet as CSV in UTF-8, then")
    if any(name.endswith((".npy", "data.pkl")) for name in names):
        return Format("a file of arrays (NumPy or PyTorch)", _TABLES)
    return Format("a zip archive", f"unpack it, {_INSIDE}")


def _is_tar(file: Path, head: bytes) -> bool:
    if head[257:262] == b"ustar":
        return True
    if len(head) < tarfile.BLOCKSIZE or b"\0" not in head[: tarfile.BLOCKSIZE]:
        return False
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _of_text(head: bytes) -> Format | None:
    text = head.lstrip()
    if text.startswith(b"["):
        return JSON_ARRAY
    if text.split(b"\n", 1)[0].strip() == b"{":
        return JSON_OBJECTS
    if _PAGE.match(text):
        return Format("a page of HTML or XML", "get the file again: a server answered with a page")
    if b"\r" in text.strip() and b"\n" not in text:
        return OLD_MAC
    return _table(text)


def _table(text: bytes) -> Format | None:
    """Recognizes a text table: its first rows have as many fields, two or more, and no JSON."""
    lines = text.splitlines()
    if not lines or any(line.lstrip().startswith(b"{") for line in lines):
        return None
    try:
        said = text.decode()
    except UnicodeDecodeError as error:
        said = text[: error.start].decode()
    for found, delimiter in ((TSV, "\t"), (CSV, ","), (CSV, ";")):
        try:
            reader = csv.reader(io.StringIO(said, newline=""), delimiter=delimiter, strict=True)
            widths = {
                len(row) for row, _ in zip(reader, range(_ROWS_COMPARED), strict=False) if row
            }
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1:
            return found
    return None
