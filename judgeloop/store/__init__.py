"""The store, which holds everything that a loop writes, by key, in a folder or an S3 bucket.

```python
store = open_store("s3://bucket/judgeloop")
store.write("judge/3f2a/manifest.json", data)
```
"""

from judgeloop.store.address import is_path, open_store
from judgeloop.store.base import MissingObjectError, Store, checked_key
from judgeloop.store.checksums import sha256_bytes, sha256_file
from judgeloop.store.folder import FolderStore
from judgeloop.store.folders import (
    FileChecksum,
    download_folder,
    folder_checksums,
    stored_checksums,
    upload_folder,
)
from judgeloop.store.s3 import S3Store

__all__ = [
    "FileChecksum",
    "FolderStore",
    "MissingObjectError",
    "S3Store",
    "Store",
    "checked_key",
    "download_folder",
    "folder_checksums",
    "is_path",
    "open_store",
    "sha256_bytes",
    "sha256_file",
    "stored_checksums",
    "upload_folder",
]
