"""livestyle with a stand-in for the virtual camera: what would be sent is measured and written as JSON lines.

Run as the program in place of livestyle; CAMPAIGN_LOG names the file. Each line holds the time (`time.time()`), the
share of pixels that are raw (the green that only the source has), of styled ones (what the test's LUT makes: full red,
no green) and the clock that is burnt into the picture. CAMPAIGN_FAIL makes that share of frames fail to be styled,
CAMPAIGN_SEND_FAILS (seconds from, to) makes sending fail for a while, CAMPAIGN_SEND_S (seconds) makes it slow.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyvirtualcam
from campaign.clock import Pixels, read
from pyvirtualcam import camera

STYLED = 0.9  # a share of styled pixels from which on a frame counts as styled; the rest are edges
SIGNATURE = "LUT_3D_SIZE 2\n" + "".join(f"1 0 {green}\n" for _ in (0, 1) for green in (0, 1) for _ in (0, 1))
"""A .cube file that makes red full, green none, and blue what green was: no camera's picture looks like it, and the
burnt-in clock stays readable in blue."""


class WatchedCamera:
    """A back end of pyvirtualcam that measures what it gets."""

    def __init__(self, *, width: int, height: int, fps: float, **_: Any) -> None:
        self._shape = height, width, 3
        self._log = Path(os.environ["CAMPAIGN_LOG"]).open("a", buffering=1)  # noqa: SIM115 - closed by `close`
        self._opened = time.monotonic()
        self._slow = float(os.environ.get("CAMPAIGN_SEND_S", 0))
        fails = os.environ.get("CAMPAIGN_SEND_FAILS", "0,0").split(",")
        self._fails = float(fails[0]), float(fails[1])
        self._write(opened=[width, height, fps])

    def close(self) -> None:
        """Write down that it was closed, and close the log."""
        self._write(closed=True)
        self._log.close()

    def device(self) -> str:
        """The name that pyvirtualcam reports."""
        return "watched"

    def native_fourcc(self) -> int | None:
        """None: it has no pixel format of its own."""
        return None

    def send(self, frame: Any) -> None:
        """Write down what the frame shows; fail or take long where the environment says so."""
        since = time.monotonic() - self._opened
        if self._fails[0] <= since < self._fails[1]:
            raise RuntimeError("error writing frame: Invalid argument")
        self._write(**measured(np.asarray(frame).reshape(self._shape)))
        time.sleep(self._slow)

    def _write(self, **values: Any) -> None:
        self._log.write(json.dumps({"at": time.time(), **values}) + "\n")


def measured(pixels: Pixels) -> dict[str, Any]:
    """Shares of raw and styled pixels of an RGB picture, and its clock."""
    red, green, blue = (pixels[..., at].astype(np.int16) for at in range(3))
    raw = (green > red + 40) & (green > blue + 40)
    styled = (red > 200) & (green < 60)
    black = (red < 30) & (green < 30) & (blue < 30)  # bars beside a picture of another aspect
    shown = max(1, int(np.count_nonzero(~black)))
    return {
        "raw": round(float(np.mean(raw)), 5),
        "styled": round(float(np.count_nonzero(styled & ~black)) / shown, 4),
        "clock": read(pixels[..., 2]),
    }


def _fail_now_and_then(share: float) -> None:
    """Make that share of frames fail to be styled: they must not be sent as they are."""
    from livestyle.stylist import Stylist

    render, rng = Stylist.render, random.Random(1)

    def fail_or_render(self: Stylist, frame: Any) -> Any:
        if rng.random() < share:
            raise RuntimeError("a fault made on purpose")
        return render(self, frame)

    Stylist.render = fail_or_render  # type: ignore[method-assign, unused-ignore]


def main() -> None:
    """The console command of livestyle with this camera as the only one."""
    camera.BACKENDS.clear()
    pyvirtualcam.register_backend("watched", WatchedCamera)
    pyvirtualcam.register_backend = lambda *_, **__: None  # no other one takes its place
    from livestyle.cli.main import main as livestyle

    if share := float(os.environ.get("CAMPAIGN_FAIL", 0)):
        _fail_now_and_then(share)
    livestyle()


if __name__ == "__main__":
    main()
