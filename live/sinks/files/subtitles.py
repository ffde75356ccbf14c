"""Text subtitles from one codec's packets to another's. Words and line breaks are kept, styling is not."""

from __future__ import annotations

import re
import struct

TEXT_CODECS = {"subrip", "srt", "text", "webvtt", "mov_text", "ass", "ssa"}

# The header that FFmpeg's mov_text encoder needs to write its default style.
ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\nPlayResX: 384\r\nPlayResY: 288\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
    b"Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, "
    b"MarginL, MarginR, MarginV, Encoding\r\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def convert_text(data: bytes, source: str, target: str) -> bytes:
    """The packet `data` of codec `source` as a packet of codec `target`; b"" where nothing is shown."""
    text = _words(data, source)
    if not text:
        return b""
    encoded = text.encode()
    if target == "mov_text":
        encoded = encoded[:65535]
        return struct.pack(">H", len(encoded)) + encoded
    return encoded


def _words(data: bytes, codec: str) -> str:
    if codec == "mov_text":
        length = int.from_bytes(data[:2], "big")
        return data[2 : 2 + length].decode(errors="replace")
    text = data.rstrip(b"\0").decode(errors="replace")
    if codec in ("ass", "ssa"):
        text = re.sub(r"\{[^}]*\}", "", text.split(",", 8)[-1]).replace("\\N", "\n").replace("\\n", "\n")
    return re.sub(r"</?[A-Za-z][^>]*>", "", text).strip()
