"""Files of other formats than JSON lines, as they are given in place of one."""

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

ROWS = b'{"id": "q0", "images": ["0.png"]}\n{"id": "q1", "images": ["1.png"]}\n'
TABLE = 'id,images,text\nq0,0.png,"how many, and why?"\nq1,1.png,caption\n'
LZ4 = b"\x04\x22\x4d\x18\x64\x40\xa7"
"""The head of a frame."""
ZSTD = b"\x28\xb5\x2f\xfd\x04\x58"


def tar(form: int) -> bytes:
    """An archive of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        member = tarfile.TarInfo("rows.jsonl")
        member.size = len(ROWS)
        archive.addfile(member, io.BytesIO(ROWS))
    return packed.getvalue()


def version_7() -> bytes:
    """A tar archive as programs wrote it before 1988, without a magic number."""
    head = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    head[257:512] = bytes(255)
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head) + ROWS.ljust(512, b"\0") + bytes(1024)


def zipped(name: str = "rows.jsonl") -> bytes:
    """A zip archive of one file, which is Excel's where the file has Excel's name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, ROWS)
    return packed.getvalue()


def database() -> bytes:
    """An SQLite database of one table."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table rows (id text)")
        return connection.serialize()


def parquet() -> bytes:
    """A Parquet file of two rows."""
    import pyarrow
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": ["q0", "q1"]}), written)
    return written.getvalue()


def text(encoding: str) -> bytes:
    """The rows in another encoding."""
    return ROWS.decode().encode(encoding)


def table(delimiter: str) -> bytes:
    """A table in place of the rows."""
    return TABLE.replace(",", delimiter).encode()


FORMATS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a CSV file": (lambda: table(","), "a CSV file; "),
    "a CSV file with semicolons": (lambda: table(";"), "a CSV file; "),
    "a TSV file": (lambda: table("\t"), "a TSV file; "),
    "a Parquet file": (parquet, "a Parquet file; "),
    "an Excel file": (lambda: zipped("xl/workbook.xml"), "an Excel file; save its sheet as CSV"),
    "an old Excel file": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
                          "an Excel file; save its sheet as CSV"),
    "an OpenDocument file": (lambda: zipped("content.xml"), "OpenDocument file; save its sheet"),
    "an SQLite database": (database, "an SQLite database; .*sqlite3 -header -csv"),
    "a tar archive": (lambda: tar(tarfile.GNU_FORMAT), "a tar archive; unpack it, as `tar -xf`"),
    "a tar archive of version 7": (version_7, "a tar archive; unpack it"),
    "a zip archive": (zipped, "a zip archive; unpack it"),
    "a file compressed by gzip": (lambda: gzip.compress(ROWS), "gzip; unpack it, as `gunzip`"),
    "a file compressed by bzip2": (lambda: bz2.compress(ROWS), "bzip2; unpack it, as `bunzip2`"),
    "a file compressed by xz": (lambda: lzma.compress(ROWS), "xz; unpack it, as `unxz`"),
    "a file compressed by lzma": (lambda: lzma.compress(ROWS, lzma.FORMAT_ALONE), "lzma; unpack"),
    "a file compressed by lz4": (lambda: LZ4, "lz4; unpack it, as `unlz4`"),
    "a file compressed by zstd": (lambda: ZSTD, "zstd; unpack it, as `unzstd`"),
    "a file in UTF-16": (lambda: text("utf-16"), "in UTF-16; convert it to UTF-8.*UTF-16 -t"),
    "a file in UTF-16 without a mark": (lambda: text("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
    "a file in UTF-32": (lambda: text("utf-32"), "in UTF-32; convert it to UTF-8.*UTF-32 -t"),
    "a file in UTF-32 without a mark": (lambda: text("utf-32-le"), "iconv -f UTF-32LE -t UTF-8"),
    "a page of HTML": (lambda: b"<!DOCTYPE html>\n<html>", "page of HTML.*get the file again"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n", "an image; give the file whose rows name it"),
    "a JSON array": (lambda: b"[" + ROWS.replace(b"}\n{", b"},{") + b"]",
                     "a JSON array; give one object a line"),
}  # fmt: skip
"""What is given: its bytes, and words of the message."""
SOME = ("a CSV file", "an Excel file", "an SQLite database", "a tar archive", "a file in UTF-32")


def written(folder: Path, name: str, what: str) -> Path:
    """Writes a file of this format and returns its path."""
    path = folder / name
    path.write_bytes(FORMATS[what][0]())
    return path
