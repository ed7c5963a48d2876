"""SHA-256 of bytes and of files, as lower-case hexadecimal text of 64 characters."""

import hashlib
from pathlib import Path


def sha256_bytes(data: bytes) -> str:
    """Hash bytes in memory.

    Args:
        data: The bytes.

    Returns:
        64 hexadecimal characters.
    """
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash a file of any size in constant memory.

    Args:
        path: A file on the local disk.

    Returns:
        64 hexadecimal characters.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
