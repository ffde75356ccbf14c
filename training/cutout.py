"""Telling a person from uniform surroundings, for sets whose labels do not."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Region = npt.NDArray[np.bool_]

BLACK_BELOW = 10  # of 255: cut-outs on black carry JPEG noise of a few levels
WHITE_SPREAD = 14  # of 255: how far a studio's white wanders from its colour in the corners


def _like_surroundings(pixels: npt.NDArray[np.uint8], kind: str) -> Region:
    if kind == "black":
        return np.asarray(pixels.max(axis=2) < BLACK_BELOW)
    corners = np.concatenate([pixels[:4, :6].reshape(-1, 3), pixels[:4, -6:].reshape(-1, 3)])
    away = np.abs(pixels.astype(np.int16) - np.median(corners, axis=0).astype(np.int16)).max(axis=2)
    return np.asarray(away < WHITE_SPREAD)


def _touching_border(region: Region) -> Region:
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    outer = np.zeros(count, bool)
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        outer[edge] = True
    outer[0] = False
    return np.asarray(outer[parts])


def flooded(pixels: npt.NDArray[np.uint8], unlabelled: Region, kind: str) -> Region:
    """(H, W) bool: what can be reached from the border over unlabelled pixels of the surroundings' colour.

    `kind` is "black" or "white". (H, W, 3) RGB in.
    """
    return _touching_border(_like_surroundings(pixels, kind) & unlabelled)


def islands(region: Region, largest: float = 0.02) -> Region:
    """The parts of `region` that do not touch the border and cover less than `largest` of the picture each."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < largest * region.size
    small[0] = False
    return np.asarray(small[parts]) & ~_touching_border(region)
