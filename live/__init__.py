"""livestyle: photographic styles for cameras, video files and photos; skin and hair stay true."""

from typing import TYPE_CHECKING

if __name__ != "livestyle":
    # The folder `live/` is the package `livestyle`. Imported under its folder's name it would load every class a
    # second time, and `except LivestyleError` would miss errors raised by the other copy.
    raise ImportError(f"import livestyle, not {__name__}: the folder live/ is the package livestyle")

if TYPE_CHECKING:
    __version__: str
    """As installed; git's tags decide it when livestyle is built."""
else:

    def __getattr__(name: str) -> str:
        # Read when it is asked for: importlib.metadata takes 20 ms, which every start of the command line would pay.
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("livestyle")
