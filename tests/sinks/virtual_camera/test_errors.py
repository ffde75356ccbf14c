"""What fails around the virtual camera's device is one sentence, as everywhere."""

from __future__ import annotations

import sys

import pytest

from livestyle.errors import VirtualCameraError
from livestyle.sinks.virtual_camera.camera import VirtualCamera


class StuckBackend:
    """A device that opens and cannot be released."""

    def __init__(self, **_: object) -> None:
        self.tried = False

    def close(self) -> None:
        """Fails once: pyvirtualcam tries again when it is collected."""
        if not self.tried:
            self.tried = True
            raise RuntimeError("device is gone")

    def device(self) -> str:
        return "stuck"

    def native_fourcc(self) -> None:
        return None


def test_a_device_that_cannot_be_closed_is_named_once() -> None:
    pyvirtualcam = pytest.importorskip("pyvirtualcam")
    from pyvirtualcam.camera import BACKENDS

    pyvirtualcam.register_backend("stuck", StuckBackend)
    try:
        sink = VirtualCamera((64, 48), rate=30, backend="stuck")
        with pytest.raises(VirtualCameraError, match=r"stuck.*device is gone"):
            sink.close()
        sink.close()
        assert sink.closed
    finally:
        BACKENDS.pop("stuck")


def test_pyvirtualcam_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam.camera", None)  # importing it raises ImportError
    with pytest.raises(VirtualCameraError, match="pyvirtualcam") as caught:
        VirtualCamera((64, 48), rate=30)
    assert "pip install" in caught.value.hint
