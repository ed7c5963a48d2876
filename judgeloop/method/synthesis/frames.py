"""Removes the frame of a description, such as "In the image there is"."""

from __future__ import annotations

import re

_EN = r"(?:image|picture|photo(?:graph)?|pic|scene)"
_FRAMES = tuple(
    re.compile(rf"\A[\s\"'“]*(?:{pattern})", re.IGNORECASE)
    for pattern in (
        rf"(?:in|within)\s+(?:the|this)\s+{_EN}\s*,?\s+",
        rf"(?:the|this)\s+{_EN}\s+(?:shows|depicts|displays|features|presents|captures|contains)\s+",
        r"(?:there\s+(?:is|are)|(?:we|you|i|one)\s+(?:can\s+)?sees?|it\s+(?:shows|depicts))\s+",
        r"(?:auf|in)\s+(?:dem|diesem)\s+(?:bild|foto)\s+(?:(?:ist|sind|sieht\s+man|gibt\s+es)\s+)?",
        r"(?:das|dieses)\s+(?:bild|foto)\s+zeigt\s+|es\s+gibt\s+",
        r"(?:dans|sur)\s+(?:l['’]|cette\s+|la\s+)(?:image|photo)\s*,?\s+"
        r"(?:(?:il\s+y\s+a|on\s+voit|on\s+peut\s+voir)\s+)?",
        r"(?:l['’]|cette\s+|la\s+)(?:image|photo)\s+(?:montre|représente)\s+|il\s+y\s+a\s+",
        r"en\s+(?:la|esta)\s+(?:imagen|foto)\s*,?\s+"
        r"(?:(?:hay|se\s+ven?|se\s+puede\s+ver|se\s+observa|podemos\s+ver)\s+)?",
        r"(?:la|esta)\s+(?:imagen|foto)\s+muestra\s+|hay\s+",
        r"n(?:a|esta)\s+(?:imagem|foto)\s*,?\s+(?:há\s+)?|(?:a|esta)\s+(?:imagem|foto)\s+mostra\s+",
        r"nell['’]\s?immagine\s*,?\s+(?:(?:c['’]\s?è|ci\s+sono)\s+)?|l['’]immagine\s+mostra\s+",
        r"на\s+(?:этом\s+)?(?:изображении|картинке|фото(?:графии)?|снимке)\s+"
        r"(?:(?:изображен[аоы]?|виден|видн[аоы]|показан[аоы]?)\s+)?",
        r"(?:在)?(?:这|這|该|該|此)?(?:张|張|幅)?(?:图|圖|图片|圖片|图像|圖像|照片|画面|畫面)"
        r"(?:中|里|裡|裏|上|显示|顯示|展示|描绘|描繪|呈现|呈現)(?:显示|顯示|展示)?(?:了|着|著)?"
        r"(?:有|是|我们可以看到|我們可以看到|可以看到|能看到)?[,，:：]?",
        r"(?:この)?(?:画像|写真)(?:の中)?(?:には|では|は|に|で)[、,]?",
        r"(?:이\s?)?(?:이미지|사진)(?:\s?속)?(?:에는|에서는|에|은|는)\s*",
    )
)
MAX_FRAMES = 2
"""One in another: "In the image, there is"."""


def without_frame(text: str) -> str:
    """Returns a description without the frame that it begins with.

    A frame only says that this is a picture, which both answers are about; one that says more
    ("this painting shows") stays, and so does a text that is nothing but a frame.
    """
    for _ in range(MAX_FRAMES):
        for frame in _FRAMES:
            match = frame.match(text)
            if match and any(char.isalnum() for char in text[match.end() :]):
                text = text[match.end() :]
                break
        else:
            break
    return text
