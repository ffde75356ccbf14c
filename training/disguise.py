"""Clothes and walls in the colours of skin, hats in the colours of hair: colour alone must not decide."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.training.backdrops import SKIN_TONES
from livestyle.training.classes import BACKGROUND, Members, member_bits, region_bits, surely

Image = npt.NDArray[np.uint8]

HAIR_TONES = np.array(
    [[24, 21, 20], [52, 38, 30], [92, 64, 44], [186, 152, 104], [142, 78, 44], [158, 152, 148]], np.float32
)
"""RGB of black, dark brown, brown, fair, red and grey hair."""

NEAR_SKIN = np.array([[232, 96, 40], [206, 84, 58], [240, 150, 70], [226, 130, 120], [170, 60, 40]], np.float32)
"""RGB of orange, terracotta, apricot, coral and rust: hues of skin, more colourful than any."""

_DISGUISES = (  # (how often, what is recoloured, into which tones)
    (0.25, region_bits("clothes"), SKIN_TONES),
    (0.25, region_bits("clothes"), NEAR_SKIN),
    (0.3, BACKGROUND, SKIN_TONES),
    (0.2, member_bits(["accessories"]), HAIR_TONES),
)


def disguised(rng: np.random.Generator, pixels: Image, members: Members) -> Image:
    """The (H, W, 3) pixels with clothes, background or accessories recoloured; light and folds and labels stay."""
    chosen = int(np.searchsorted(np.cumsum([share for share, _, _ in _DISGUISES])[:-1], rng.random(), side="right"))
    _, bits, tones = _DISGUISES[chosen]
    where = surely(members, bits)
    return pixels if where.mean() < 0.01 else _recolored(rng, pixels, where, tones)


def in_skin_tones(rng: np.random.Generator, pixels: Image) -> Image:
    """The (H, W, 3) pixels, on which nobody is, in a colour of skin: wood, sand and plaster have it too."""
    return _recolored(rng, pixels, np.ones(pixels.shape[:2], bool), SKIN_TONES)


def _recolored(
    rng: np.random.Generator, pixels: Image, where: npt.NDArray[np.bool_], tones: npt.NDArray[np.float32]
) -> Image:
    tone = tones[rng.integers(len(tones))] + rng.normal(0, 12, 3)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # A black shirt's folds are a few levels deep: without the floor they would become stripes of noise.
    shade = np.clip(grey / max(float(grey[where].mean()), 40.0), 0.3, 1.8)
    alpha = cv2.blur(where.astype(np.float32), (3, 3))[..., None] * float(rng.uniform(0.75, 1.0))
    return np.asarray(np.clip(pixels + alpha * (shade[..., None] * tone - pixels), 0, 255), np.uint8)
