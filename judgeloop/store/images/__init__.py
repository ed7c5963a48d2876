"""The image library: every image by the hash of its bytes, below `images/` in the store.

```
images/<hh>/<hash>               one image, if it is large or was added by itself
images/packs/<hash>.parquet      many small images of one data set
images/indexes/<hash>.parquet    which pack holds an image, for one data set
```

Every object is named by the SHA-256 of its bytes and never changes. Records hold hashes of images
only; only the library needs to know which of these objects holds an image. Other programs read the
packs as Parquet: `datasets.load_dataset("parquet", data_files="STORE/images/packs/*.parquet")`.
"""

from judgeloop.store.images.decode import decode_image
from judgeloop.store.images.library import ImageLibrary

__all__ = ["ImageLibrary", "decode_image"]
