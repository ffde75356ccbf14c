"""Class probabilities, weights by plane and weights by pixel: what turns one into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from livestyle.frame import REGIONS, Picture, PixelWeights, PlaneWeights, Probabilities
from livestyle.protocols import Segmenter

FACE = "face"
"""The class by which a model names faces, where it tells them from other skin."""


def segment(segmenter: Segmenter, picture: Picture) -> PlaneWeights:
    """The region weights that `segmenter` gives a picture."""
    return region_weights(segmenter(picture), segmenter.classes, segmenter.regions)


def region_weights(probabilities: Probabilities, classes: Sequence[str], regions: Mapping[str, str]) -> PlaneWeights:
    """(C, h, w) class probabilities summed to (R, h, w) weights in the order of livestyle.frame.REGIONS."""
    belongs = np.array([[regions[name] == region for name in classes] for region in REGIONS], np.float32)
    return PlaneWeights(np.asarray(np.tensordot(belongs, probabilities, axes=1), np.float32))


def with_faces(probabilities: Probabilities, classes: Sequence[str], regions: Mapping[str, str]) -> Probabilities:
    """(C, h, w) class probabilities summed to (R + 1, h, w): REGIONS, and last the faces, which skin then lacks."""
    weights = region_weights(probabilities, classes, regions)
    faces = np.zeros_like(weights[:1])
    if FACE in classes:
        faces = probabilities[classes.index(FACE)][np.newaxis]
        weights[REGIONS.index(regions[FACE])] -= faces[0]
    return Probabilities(np.concatenate((weights, faces)))


def by_pixel(weights: PlaneWeights) -> PixelWeights:
    """(R, h, w) -> (h, w, R), contiguous."""
    return PixelWeights(np.ascontiguousarray(weights.transpose(1, 2, 0), np.float32))


def by_plane(weights: PixelWeights) -> PlaneWeights:
    """(h, w, R) -> (R, h, w), contiguous."""
    return PlaneWeights(np.ascontiguousarray(weights.transpose(2, 0, 1), np.float32))
