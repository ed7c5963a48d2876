"""The image library: every image by the hash of its bytes, below `images/` in the store.

```
images/<hh>/<hash>        one image, where it is large or was added alone
images/packs/<hash>       many small images of one data set, one after the other
images/indexes/<hash>     where each image of one data set's packs lies
```

Every object is named by the SHA-256 of its bytes and never changes. Records hold hashes of images
only; in which of these objects an image lies is nobody's business but the library's. Not covered:
resizing, which is the processor's business.
"""

from judgeloop.store.images.decode import decode_image
from judgeloop.store.images.library import ImageLibrary

__all__ = ["ImageLibrary", "decode_image"]
