"""livestyle: photographic styles for cameras, video files and photos; skin and hair stay true."""

from typing import TYPE_CHECKING

if __name__ != "livestyle":
    # The folder `live/` is the package `livestyle`. Imported under its folder's name it would load every class a
    # second time, and `except LivestyleError` would miss errors raised by the other copy.
    raise ImportError(f"import livestyle, not {__name__}: the folder live/ is the package livestyle")

__all__ = [
    "ExactMasks",
    "Frame",
    "LiveMasks",
    "LivestyleError",
    "Report",
    "Stylist",
    "__version__",
    "load_segmenter",
    "load_style",
    "style_file",
    "style_image",
]

if TYPE_CHECKING:
    from livestyle.api import load_segmenter, load_style, style_file, style_image
    from livestyle.errors import LivestyleError
    from livestyle.frame import Frame
    from livestyle.masks.exact import ExactMasks
    from livestyle.masks.live import LiveMasks
    from livestyle.report import Report
    from livestyle.stylist import Stylist

    __version__: str
    """As installed; git's tags decide it when livestyle is built."""
else:
    _HOMES = {
        "ExactMasks": "masks.exact",
        "Frame": "frame",
        "LiveMasks": "masks.live",
        "LivestyleError": "errors",
        "Report": "report",
        "Stylist": "stylist",
        **dict.fromkeys(("load_segmenter", "load_style", "style_file", "style_image"), "api"),
    }

    def __getattr__(name: str) -> object:
        # Imported when asked for: the command line starts without NumPy, and importlib.metadata takes 20 ms.
        from importlib import import_module

        if name == "__version__":
            return import_module("importlib.metadata").version("livestyle")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"livestyle.{_HOMES[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
