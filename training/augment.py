"""Augmentation made for webcams: from close-ups to whole bodies, in every light, before every wall.

Everything is drawn from the generator passed in, so a sample is a pure function of (seed, index).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.training.backdrops import Backdrops
from livestyle.training.classes import BACKGROUND, Members, member_bits, surely
from livestyle.training.reader import Picture

Image = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

_HEAD = member_bits(("hair", "face"))
_SKIN_OR_HAIR = member_bits(("hair", "face", "neck", "arms", "legs"))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly pictures are varied. Probabilities are 0..1."""

    flip: float = 0.5
    rotate: float = 8.0  # standard deviation in degrees, cut at three
    aspect: float = 1.35  # a crop is up to this much wider or higher than square before it is squeezed into one
    aim: float = 0.5  # probability that a crop is centred on the head where labels show it
    paste: float = 0.5  # probability that a person that can be cut out gets another background
    far: float = 0.05  # probability of a crop that shows the picture's people smaller than its set's zoom would
    hands: float = 0.12  # probability of a hand or forearm over head or body, or in a place where nobody is
    groups: float = 0.0  # probability that a picture of people is composed of one to some twenty of them
    disguise: float = 0.06  # probability of clothes or walls in the colours of skin, of hats in those of hair
    surround: float = 0.75  # probability that what lies outside the picture is a backdrop, not its mirror image
    light: float = 0.8  # probability of other exposure, gamma and colour cast
    dark: float = 0.12  # probability of low light with its noise
    grey: float = 0.03
    blur: float = 0.15
    noise: float = 0.25
    jpeg: float = 0.2


def _centre(rng: np.random.Generator, picture: Picture, width: float, height: float, aim: float) -> tuple[float, float]:
    """Where a crop of that size is centred, in pixels of the picture."""
    h, w = picture.members.shape
    if rng.random() < aim:
        small = picture.members[::8, ::8]
        head = surely(small, _HEAD)
        found = np.argwhere(head if head.any() else surely(small, _SKIN_OR_HAIR))
        if len(found):
            y, x = found[rng.integers(len(found))] * 8.0
            return float(x + rng.normal(0, width / 6)), float(y + rng.normal(0, height / 6))
    x = rng.uniform(width / 2, w - width / 2) if width < w else rng.uniform(w - width / 2, width / 2)
    y = rng.uniform(height / 2, h - height / 2) if height < h else rng.uniform(h - height / 2, height / 2)
    return float(x), float(y)


def crop_matrix(
    rng: np.random.Generator, picture: Picture, zoom: tuple[float, float], size: int, how: Augmentation
) -> Matrix:
    """(2, 3) affine map from the (size, size) sample to the picture, for cv2.warpAffine with WARP_INVERSE_MAP."""
    h, w = picture.members.shape
    side = min(h, w) * float(np.exp(rng.uniform(*np.log(zoom))))
    stretch = float(np.exp(rng.uniform(-0.5, 0.5) * np.log(how.aspect)))
    width, height = side * stretch, side / stretch
    x, y = _centre(rng, picture, width, height, how.aim)
    angle = np.deg2rad(float(np.clip(rng.normal(0, how.rotate), -3 * how.rotate, 3 * how.rotate)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = -1.0 if rng.random() < how.flip else 1.0
    linear = turn @ np.diag([mirror * width / size, height / size])
    offset = np.array([x, y]) - linear @ np.array([size / 2 - 0.5, size / 2 - 0.5])
    return np.column_stack([linear, offset])


def _warp(image: Image, matrix: Matrix, size: int, interpolation: int, border: int, value: int = 0) -> Image:
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=border, borderValue=value), np.uint8
    )


def _shrunk(picture: Picture, matrix: Matrix) -> tuple[Image, Matrix]:
    """The pixels at half size where the crop is shrunk by more than two, so that bilinear reading does not alias."""
    if np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 2:
        return picture.pixels, matrix
    half = cv2.resize(picture.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.uint8), matrix / 2


def composite(pixels: Image, backdrop: Image, alpha: Image) -> Image:
    """`pixels` over `backdrop`, (H, W, 3), as far as `alpha` (H, W) covers: 255 all, 0 nothing."""
    weight = alpha[..., None].astype(np.uint16)
    return ((pixels * weight + backdrop * (255 - weight)) // 255).astype(np.uint8)


def framed(
    rng: np.random.Generator,
    picture: Picture,
    zoom: tuple[float, float],
    size: int,
    backdrops: Backdrops,
    how: Augmentation,
) -> tuple[Image, Members]:
    """A (size, size, 3) view of a picture and its labels, possibly before another background."""
    far = rng.random() < how.far
    if far:
        zoom = (zoom[1], 2 * zoom[1])
    matrix = crop_matrix(rng, picture, zoom, size, how)
    cut = picture.cutout is not None and rng.random() < how.paste
    surround = cut or far or rng.random() < how.surround  # mirror images would tile a small picture
    border = cv2.BORDER_CONSTANT if surround else cv2.BORDER_REFLECT_101
    source, scaled = _shrunk(picture, matrix)
    pixels = _warp(source, scaled, size, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE if surround else border)
    members = _warp(picture.members, matrix, size, cv2.INTER_NEAREST, border, BACKGROUND)
    if not surround:
        return pixels, members
    inside = picture.cutout if cut and picture.cutout is not None else np.full(picture.members.shape, 255, np.uint8)
    alpha = _warp(inside, matrix, size, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    if alpha.all() and not cut:
        return pixels, members
    if cut:
        alpha = np.asarray(cv2.blur(alpha, (3, 3)), np.uint8)
    return composite(pixels, backdrops.draw(rng, size), alpha), np.where(alpha < 128, np.uint8(BACKGROUND), members)


def _curve(rng: np.random.Generator, gamma: float, gain: float) -> Image:
    """(256, 1, 3) tone curves, a little different for each channel: exposure, gamma and colour cast in one."""
    x = np.linspace(0, 1, 256)[:, None, None]
    cast = np.exp(rng.normal(0, 0.08, 3)) * gain
    lift = rng.normal(0, 0.02, 3)
    return np.asarray(np.clip(255 * (np.power(x, gamma) * cast + lift), 0, 255), np.uint8)


def _saturation(rng: np.random.Generator) -> Matrix:
    """(3, 3) matrix that scales colourfulness and turns hue by a few degrees about the grey axis."""
    scale, angle = float(np.exp(rng.normal(0, 0.25))), float(rng.normal(0, 0.06))
    grey = np.full((3, 3), 1 / 3)
    skew = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    return grey + scale * (np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * skew)


def _noisy(rng: np.random.Generator, pixels: Image, sigma: float) -> Image:
    coarse = rng.standard_normal((pixels.shape[0], pixels.shape[1], 3), dtype=np.float32)
    return np.clip(pixels + sigma * coarse, 0, 255).astype(np.uint8)


def _jpeg(rng: np.random.Generator, pixels: Image) -> Image:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _blurred(rng: np.random.Generator, pixels: Image) -> Image:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 2.0))), np.uint8)
    length = int(rng.integers(3, 8))
    return np.asarray(cv2.blur(pixels, (length, 1) if rng.random() < 0.5 else (1, length)), np.uint8)


def lit(rng: np.random.Generator, pixels: Image, how: Augmentation) -> Image:
    """The pixels as another camera in other light would have given them. (H, W, 3) uint8 RGB."""
    dark = rng.random() < how.dark
    if rng.random() < how.light or dark:
        pixels = np.asarray(cv2.transform(pixels, _saturation(rng)), np.uint8)
        gain = float(rng.uniform(0.2, 0.5)) if dark else float(np.exp(rng.normal(0, 0.18)))
        pixels = np.asarray(cv2.LUT(pixels, _curve(rng, float(np.exp(rng.normal(0, 0.22))), gain)), np.uint8)
    if rng.random() < how.grey:
        pixels = np.repeat(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, axis=2)
    if rng.random() < how.blur:
        pixels = _blurred(rng, pixels)
    if dark or rng.random() < how.noise:
        pixels = _noisy(rng, pixels, float(rng.uniform(2, 12)))
    if rng.random() < how.jpeg:
        pixels = _jpeg(rng, pixels)
    return pixels
