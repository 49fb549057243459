"""Films as WebM, of pictures that are compressed one by one.

A lossy WebP picture is a key frame of VP8, the codec of WebM, in an envelope of its own (RFC 6386
and 9649). Here such frames change their envelope, for one of EBML elements (RFC 8794): an id, how
many bytes follow, and these. The ids are Matroska's (RFC 9559), of which WebM is a part.
"""

import io
import struct
from collections.abc import Sequence

from PIL import Image

_TAGS, _TAG, _SIMPLE, _NAME, _TEXT = 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_SEGMENT = 0x18538067
_QUALITY = 50  # of a frame, from 0 to 100


def encode(pictures: Sequence[Image.Image], moments: Sequence[int], about: bytes) -> bytes:
    """A file of N pictures of one size, RGB, shown from one of N + 1 moments, ms, to the next."""
    frames = [_key_frame(picture) for picture in pictures]
    width, height = pictures[0].size
    head = [(0x4282, b"webm"), (0x4287, 2), (0x4285, 2)]  # its kind, and versions that read it
    video = [(0xB0, width), (0xBA, height)]
    track = [(0xD7, 1), (0x73C5, 1), (0x9C, 0), (0x83, 1), (0x86, b"V_VP8"), (0xE0, video)]
    of_time = [(0x2AD7B1, 1_000_000), (0x4489, float(moments[-1]))]  # ns in a unit, units in all
    programs = [(0x4D80, b"ganlib"), (0x5741, b"ganlib")]
    note = [(_NAME, b"COMMENT"), (_TEXT, about)]
    clusters = [
        (0x1F43B675, [(0xE7, start), (0xA3, b"\x81\0\0\x80" + frame)])  # track 1, a key frame
        for start, frame in zip(moments[:-1], frames, strict=True)
    ]
    segment = [
        (0x1549A966, of_time + programs),
        (0x1654AE6B, [(0xAE, track)]),
        (_TAGS, [(_TAG, [(0x63C0, []), (_SIMPLE, note)])]),
        *clusters,
    ]
    return _element(0x1A45DFA3, head) + _element(_SEGMENT, segment)


def note(film: bytes) -> str:
    """The text that `encode` has written `about` a film, or "" where there is none."""
    for name in (_SEGMENT, _TAGS, _TAG, _SIMPLE):
        film = dict(_elements(film)).get(name, b"")
    found = dict(_elements(film))
    text = found.get(_TEXT, b"") if found.get(_NAME) == b"COMMENT" else b""
    return text.decode(errors="replace")


def _key_frame(picture):
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, method=6)
    packed = file.getvalue()  # RIFF, its size, WEBP, "VP8 ", the frame's size, the frame
    return packed[20 : 20 + int.from_bytes(packed[16:20], "little")]


def _element(name, value):
    if isinstance(value, list):
        value = b"".join(_element(*part) for part in value)
    elif isinstance(value, float):
        value = struct.pack(">d", value)
    elif isinstance(value, int):
        value = value.to_bytes(max(1, -(-value.bit_length() // 8)), "big")
    size = (1 << 56 | len(value)).to_bytes(8, "big")
    return name.to_bytes(-(-name.bit_length() // 8), "big") + size + value


def _elements(data):
    """Pairs of an id and what is in it, as far as a file goes that may be cut, or none of these."""
    at = 0
    while at < len(data):
        length = 9 - data[at].bit_length()  # a leading bit says how many bytes the id has
        name, at = int.from_bytes(data[at : at + length], "big"), at + length
        if at >= len(data):
            return
        length = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
        at += length
        yield name, data[at : at + size]
        at += size
