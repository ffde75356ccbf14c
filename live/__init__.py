"""livestyle: photographic styles for cameras, video files and photos; skin and hair stay true."""

if __name__ != "livestyle":
    # The folder `live/` is the package `livestyle`. Imported under its folder's name it would load every class a
    # second time, and `except LivestyleError` would miss errors raised by the other copy.
    raise ImportError(f"import livestyle, not {__name__}: the folder live/ is the package livestyle")

__version__ = "0.1.0"
