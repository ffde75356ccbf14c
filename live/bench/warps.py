"""How a layer lies in a frame: the known warp between the two, both ways."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.layers import Layer, Plane
from livestyle.bench.motions import Pose

Field = npt.NDArray[np.float32]

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; the last two are not part of it."""

_ROUNDS = 8  # in which the bending is undone; it changes by less than a tenth of a pixel over its own length


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """A layer as it stands in a frame of `frame` (width, height)."""

    layer: Layer
    pose: Pose  # in the frame: what the camera does is in it
    frame: tuple[int, int]

    def reach(self) -> Box:
        """The part of the frame that the layer can cover: where its corners come to lie, and how far it is bent."""
        width, height = self.frame
        cos, sin = self._turned(self.pose.scale)
        x = np.array([-0.5, 0.5, -0.5, 0.5]) * self.layer.size[0]
        y = np.array([-1.0, -1.0, 0.0, 0.0]) * self.layer.size[1]
        room = 2 + height * (1.4 * abs(self.pose.lean) + abs(self.pose.nod) + abs(self.pose.jaw))
        right = cos * x - sin * y + width / 2 + self.pose.x * height
        down = sin * x + cos * y + height * (1 + self.pose.y)
        first = np.clip(np.floor([right.min() - room, down.min() - room]), 0, self.frame).astype(int)
        last = np.clip(np.ceil([right.max() + room, down.max() + room]), 0, self.frame).astype(int)
        return int(first[0]), int(first[1]), int(last[0]), int(last[1])

    def from_frame(self, box: Box) -> Field:
        """(h, w, 2): where in the layer each pixel in the `box` of the frame looks.

        Bending is a displacement that is smooth over the layer and largest at its top (lean), around the face (nod)
        and at the mouth (jaw).
        """
        (x0, y0), (left, top, end, bottom) = self._foot(), box
        cos, sin = self._turned(1 / self.pose.scale)
        right = np.arange(left, end, dtype=np.float32) - np.float32(x0)
        down = (np.arange(top, bottom, dtype=np.float32) - np.float32(y0))[:, np.newaxis]
        x = cos * right + sin * down + np.float32((self.layer.size[0] - 1) / 2)
        y = -sin * right + cos * down + np.float32(self.layer.size[1] - 1)
        across, down = self._bending(x, y)
        return np.dstack([x - across, y - down])

    def to_frame(self) -> Field:
        """(H, W, 2): where in the frame each pixel of the layer is, inside of it or not."""
        width, height = self.layer.size
        wanted = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x, y = wanted
        for _ in range(_ROUNDS):
            across, down = self._bending(x, y)
            x, y = wanted[0] + across, wanted[1] + down
        x, y = x - np.float32((width - 1) / 2), y - np.float32(height - 1)
        (x0, y0), (cos, sin) = self._foot(), self._turned(self.pose.scale)
        return np.dstack([cos * x - sin * y + np.float32(x0), sin * x + cos * y + np.float32(y0)])

    def _foot(self) -> tuple[float, float]:
        """Where in the frame the middle of the layer's lower edge is."""
        width, height = self.frame
        return (width - 1) / 2 + self.pose.x * height, height - 1 + self.pose.y * height

    def _turned(self, scale: float) -> tuple[np.float32, np.float32]:
        angle = np.deg2rad(self.pose.angle)
        return np.float32(np.cos(angle) * scale), np.float32(np.sin(angle) * scale)

    def _bending(self, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """How far to the right and down what belongs to these places of the layer is moved."""
        pose, unit = self.pose, self.frame[1]
        if not (pose.lean or pose.nod or pose.jaw):
            return np.zeros_like(x), np.zeros_like(y)
        u, v = x / self.layer.size[0] - 0.5, y / self.layer.size[1]
        head = np.clip(1.15 - v, 0, 1) ** 2
        face = np.exp(-((u / 0.28) ** 2) - ((v - 0.45) / 0.28) ** 2)
        mouth = np.exp(-((u / 0.15) ** 2) - ((v - 0.68) / 0.1) ** 2)
        across, down = pose.lean * unit * head, unit * (pose.nod * face + pose.jaw * mouth)
        return np.asarray(across, np.float32), np.asarray(down, np.float32)


def taken(values: npt.NDArray[np.float32] | npt.NDArray[np.uint8], field: Field, border: int) -> Field:
    """`values` at the places of `field`, float32."""
    return np.asarray(cv2.remap(values, field, None, cv2.INTER_LINEAR, borderMode=border), np.float32)
