"""The window's keys: one table for what they do and for the help that shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """What some keys do."""

    command: str
    keys: tuple[str, ...]  # single characters, or names of `_CODES`; the first ones are shown in the help
    help: str


BINDINGS = (
    Binding("next-style", ("n", "Right"), "next style"),
    Binding("previous-style", ("p", "Left"), "previous style"),
    Binding("stronger", ("+", "Up", "="), "stronger"),
    Binding("weaker", ("-", "Down", "_"), "weaker"),
    Binding("wipe", ("b",), "before | after (drag the line)"),
    Binding("wipe-left", ("[",), "move the line left"),
    Binding("wipe-right", ("]",), "move the line right"),
    Binding("masks", ("m",), "show what counts as skin, hair, clothes"),
    Binding("mirror", ("x",), "mirror this preview (never the output)"),
    Binding("snapshot", ("s",), "save a picture"),
    Binding("record", ("r",), "start or stop recording"),
    Binding("full-screen", ("f",), "full screen"),
    Binding("hud", ("i",), "hide or show the status line"),
    Binding("help", ("h", "?", "/"), "this help"),
    Binding("quit", ("q", "Esc"), "quit"),
)

# waitKeyEx gives X11's keysyms on Linux (Qt and GTK), virtual-key codes << 16 on Windows, Cocoa's function-key code
# points on macOS. Only the first column was tried on a real window; letters work everywhere.
_CODES = {
    "Left": (0xFF51, 0x250000, 0xF702),
    "Up": (0xFF52, 0x260000, 0xF700),
    "Right": (0xFF53, 0x270000, 0xF703),
    "Down": (0xFF54, 0x280000, 0xF701),
    "Esc": (27,),
}


def _codes(key: str) -> tuple[int, ...]:
    return _CODES.get(key) or (ord(key), ord(key.upper()))


_COMMANDS = {code: binding.command for binding in BINDINGS for key in binding.keys for code in _codes(key)}


def command_of(code: int) -> str | None:
    """The command for a code of cv2.waitKeyEx; None for a key without one. GTK adds lock-key flags above 16 bits."""
    return _COMMANDS.get(code) or (_COMMANDS.get(code & 0xFFFF) if code > 0 else None)


def help_rows() -> list[tuple[str, str]]:
    """(keys, what they do) for the help overlay: the first two keys of each, letters as they stand on the keyboard."""
    return [("  ".join(map(_label, binding.keys[:2])), binding.help) for binding in BINDINGS]


def _label(key: str) -> str:
    return key.upper() if len(key) == 1 else key
