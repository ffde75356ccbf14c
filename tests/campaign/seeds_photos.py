"""Valid photos of every format, each with something of its own: depth, palette, profile, EXIF, layers, compression."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms
from tests_media import scene

from livestyle.media.pyav import cv2

_SIZE = (48, 32)
_EXIF = Image.Exif()
_EXIF[0x0112], _EXIF[0x010F], _EXIF[0x0132] = 6, "maker", "2024:01:02 03:04:05"
_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photos(kind: str) -> list[bytes]:
    """Valid files of one of PHOTOS; none where this Pillow cannot write it."""
    try:
        return _MAKERS[kind]()
    except (KeyError, OSError):
        return []


def _picture(mode: str = "RGB", index: int = 0) -> Image.Image:
    image = Image.fromarray(scene(index, _SIZE))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(scene(index + 3, _SIZE)[..., 0]))
    return image.convert(mode)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _each(form: str, modes: Sequence[str], **options: Any) -> list[bytes]:
    return [_saved(_picture(mode), form, **options) for mode in modes]


def _deep(suffix: str, channels: int = 3) -> bytes:
    pixels = scene(0, _SIZE, np.uint16)[..., [2, 1, 0, 0][:channels]]
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(pixels))[1])


def _png() -> list[bytes]:
    full = _saved(_picture(), "PNG", exif=_EXIF, icc_profile=_PROFILE, dpi=(72, 72))
    return [full, _deep(".png"), _deep(".png", 4), *_each("PNG", ("RGBA", "LA", "L", "P", "1"))]


def _jpg() -> list[bytes]:
    full = _saved(_picture(), "JPEG", exif=_EXIF, icc_profile=_PROFILE, quality=80)
    return [full, _saved(_picture(), "JPEG", progressive=True), *_each("JPEG", ("L", "CMYK"), quality=60)]


def _webp() -> list[bytes]:
    moving = _saved(_picture(), "WEBP", save_all=True, append_images=[_picture(index=2)], duration=100)
    full = _saved(_picture("RGBA"), "WEBP", exif=_EXIF, icc_profile=_PROFILE, lossless=True)
    return [full, _saved(_picture(), "WEBP", quality=50), moving]


def _tif() -> list[bytes]:
    ways = [_saved(_picture(), "TIFF", compression=way, icc_profile=_PROFILE)
            for way in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")]  # fmt: skip
    pages = _saved(_picture(), "TIFF", save_all=True, append_images=[_picture(index=2)])
    big = _saved(_picture(), "TIFF", big_tiff=True)
    return [*ways, pages, big, _deep(".tif"), *_deep_tif(), *_each("TIFF", ("RGBA", "L", "CMYK", "1", "F"))]


def _deep_tif() -> list[bytes]:
    """16 bits in tiles, in planes, with alpha multiplied in, as CMYK, and white as zero."""
    deep = scene(0, _SIZE, np.uint16)
    four = np.dstack([deep, deep[..., :1]])
    ways: list[tuple[Any, dict[str, Any]]] = [
        (deep, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "predictor": 2}),
        (deep.transpose(2, 0, 1).copy(), {"photometric": "rgb", "planarconfig": "separate", "bigtiff": True}),
        (four, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        (four, {"photometric": "separated", "rowsperstrip": 4}),
        (deep[..., 0], {"photometric": "miniswhite", "byteorder": ">"}),
    ]
    made = []
    for samples, options in ways:
        file = io.BytesIO()
        tifffile.imwrite(file, samples, **options)
        made.append(file.getvalue())
    return made


def _heic() -> list[bytes]:
    """A tiled one with EXIF data and a profile, a deep one, a transparent one."""
    made = []
    deep = np.ascontiguousarray(scene(0, _SIZE, np.uint16))
    for image, options in (
        (pillow_heif.from_pillow(_picture()), {"exif": _EXIF.tobytes(), "icc_profile": _PROFILE, "tile_size": 16}),
        (pillow_heif.from_bytes("RGB;16", _SIZE, deep.tobytes()), {"bit_depth": 10}),
        (pillow_heif.from_pillow(_picture("RGBA")), {}),
    ):
        file = io.BytesIO()
        image.save(file, quality=60, **options)
        made.append(file.getvalue())
    return made


def _gif() -> list[bytes]:
    """Still ones only: moving ones are videos."""
    return [_saved(_picture("P"), "GIF"), _saved(_picture("P"), "GIF", transparency=3, comment=b"a comment")]


_MAKERS: dict[str, Callable[[], list[bytes]]] = {
    "png": _png,
    "jpg": _jpg,
    "webp": _webp,
    "tif": _tif,
    "heic": _heic,
    "gif": _gif,
    "bmp": lambda: _each("BMP", ("RGB", "L", "P", "1")),
    "avif": lambda: [*_each("AVIF", ("RGB", "RGBA"), speed=10), _saved(_picture(), "AVIF", exif=_EXIF, speed=10)],
    "jp2": lambda: [*_each("JPEG2000", ("RGB", "RGBA", "L")), _saved(_picture(), "JPEG2000", irreversible=True)],
}


PHOTOS = tuple(_MAKERS)


def tiny_photo() -> bytes:
    """A small valid PNG, for runs in which something else is damaged."""
    return _saved(_picture(), "PNG")


def hald() -> list[bytes]:
    """HALD pictures: LUTs as PNG, of 8 and 16 bits."""
    level = 3
    axis = np.linspace(0, 1, level * level)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = np.stack([red, green**1.2, blue], axis=-1).reshape(level**3, level**3, 3)
    deep = cv2.imencode(".png", np.round(table[..., ::-1] * 65535).astype(np.uint16))[1]
    shallow = cv2.imencode(".png", np.round(table[..., ::-1] * 255).astype(np.uint8))[1]
    return [bytes(shallow), bytes(deep)]
