"""Valid text files: LUTs of every format that OpenColorIO reads, recipes, configurations, model cards; and a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib import resources
from typing import Any

from livestyle.models.card import ModelCard
from livestyle.models.segmenter import WEIGHTS

_BAKED = {
    "3dl": ("flame", "lustre"), "clf": ("Academy/ASC Common LUT Format",), "ctf": ("Color Transform Format",),
    "csp": ("cinespace",), "lut": ("houdini",), "cube": ("iridas_cube", "resolve_cube"), "itx": ("iridas_itx",),
    "spi1d": ("spi1d",), "spi3d": ("spi3d",), "cub": ("truelight",),
}  # fmt: skip
"""Ending -> OpenColorIO's names of the formats it can write with it."""

_CDL = (
    "<ColorCorrection id='a'>\n<SOPNode>\n<Slope>1.1 1 0.9</Slope>\n<Offset>0 0.01 0</Offset>\n<Power>1 1 1.1</Power>\n"
    "</SOPNode>\n<SatNode><Saturation>0.9</Saturation></SatNode>\n</ColorCorrection>\n"
)
_POINTS = [(r, g, b) for r in range(3) for g in range(3) for b in range(3)]
_WRITTEN = {
    "cc": _CDL,
    "ccc": f"<ColorCorrectionCollection xmlns='urn:ASC:CDL:v1.2'>\n{_CDL}</ColorCorrectionCollection>\n",
    "cdl": f"<ColorDecisionList xmlns='urn:ASC:CDL:v1.2'>\n<ColorDecision>\n{_CDL}"
    "</ColorDecision>\n</ColorDecisionList>\n",
    "spimtx": "0.6 0.1 0.2 0\n0.3 0.7 0.1 0\n0.1 0.1 0.5 655\n",
    "m3d": "channel 3d\nin 27\nout 4096\nformat lut\nvalues red green blue\n"
    + "".join(f"{at} {r * 2000} {g * 2000} {b * 2000}\n" for at, (r, g, b) in enumerate(_POINTS)),
    "vf": "#Inventor V2.1 ascii\n\ngrid_size 3 3 3\n\nglobal_transform 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n\ndata\n"
    + "".join(f"{r / 2} {g / 2} {b / 2}\n" for r, g, b in _POINTS),
    "look": "<?xml version='1.0'?>\n<look>\n<shaders/>\n<LUT>\n<size>'2'</size>\n<data>'\n"
    + "000000000000803F0000803F" * 8
    + "'</data>\n</LUT>\n</look>\n",
}

LUTS = (*_BAKED, *_WRITTEN, "mga", "icc", "pf")


def luts(kind: str) -> list[bytes]:
    """Valid LUT files with an ending."""
    if kind in _BAKED:
        return [_baked(form) for form in _BAKED[kind]]
    if kind == "mga":
        return [_WRITTEN["m3d"].encode()]
    if kind in ("icc", "pf"):
        return [_profile()]
    return [_WRITTEN[kind].encode()]


def _baked(form: str) -> bytes:
    import PyOpenColorIO as ocio

    baker = ocio.Baker()
    baker.setConfig(_curved_config(ocio))
    baker.setFormat(form)
    baker.setInputSpace("in")
    baker.setTargetSpace("out")
    baker.setCubeSize(4)
    if form in ("cinespace", "houdini", "resolve_cube"):
        baker.setShaperSpace("shaper")
        baker.setShaperSize(16)
    return str(baker.bake()).encode()


def _curved_config(ocio: Any) -> Any:
    """Two spaces and a shaper between them, so that what is baked is not the identity."""
    config = ocio.Config.CreateRaw()
    for name, exponent in (("in", 1.0), ("out", 0.8), ("shaper", 0.5)):
        space = ocio.ColorSpace(name=name)
        space.setTransform(ocio.ExponentTransform([exponent] * 3 + [1.0]), ocio.COLORSPACE_DIR_FROM_REFERENCE)
        config.addColorSpace(space)
    return config


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# ---- recipes and configuration ---------------------------------------------------------------------------------------

_EVERYTHING = """version = 1
name = "Evening"
description = "Warm and low, with blue shadows."
intensity = 0.9
tone = 0.1
color = -0.2

[curve]
contrast = 0.3
points = [[0, 0], [0.4, 0.5], [1, 1]]
[palette]
warmth = 0.2
[split]
shadows = {hue = 250, amount = 0.3}
balance = 0.1
[[hues]]
hue = 140
saturation = -0.3

[regions]
skin = 0.2
[skin.palette]
warmth = 0.1
"""

RECIPE_KEYS = (
    *("version", "name", "description", "intensity", "tone", "color", "lut", "hue", "amount", "contrast", "points"),
    *("warmth", "width", "balance", "skin", "saturation", "black", "white"),
)
RECIPE_TABLES = (
    *("curve", "palette", "split", "hues", "regions", "skin"),
    *("skin.palette", "hair.curve", "split.shadows"),
)
CONFIG_KEYS = (
    *(
        "style",
        "intensity",
        "tone",
        "color",
        "skin",
        "hair",
        "model",
        "device",
        "sync",
        "max-latency",
        "max-cpu",
        "start",
    ),
    *("duration", "size", "fps", "codec", "crf", "quiet", "mirror", "window", "camera", "virtual-camera", "output"),
    *("nonsense", "config", "inputs", "json"),
)

_CONFIG = """style = "warm"
intensity = 0.5
tone = 0.1
skin = 0.3
device = "cpu"
max-latency = 50
size = "720p"
fps = 25
crf = 20
start = "0:00:00"
codec = "h264"
"""


def recipes() -> list[bytes]:
    """One with every kind of key, and built-in ones."""
    folder = resources.files("livestyle.shaders") / "builtin"
    builtin = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return [_EVERYTHING.encode(), *((folder / name).read_bytes() for name in builtin[:6])]


def configurations() -> list[bytes]:
    """A configuration of options that a photo takes too."""
    return [_CONFIG.encode()]


# ---- models ----------------------------------------------------------------------------------------------------------


def models() -> list[bytes]:
    """A network of a few operations, enough for a reader of models; none without the package onnx."""
    try:
        from onnx import TensorProto, helper
    except ImportError:
        return []
    shape: list[Any] = [1, "h", "w", 3]
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [4, 3, 4, 4], [0.01 * (i % 7) for i in range(192)])
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["scores"], strides=[4, 4], kernel_shape=[4, 4]),
        helper.make_node("Softmax", ["scores"], ["classes"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)]
    outputs = [helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 4, "y", "x"])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return [bytes(model.SerializeToString()), _looping_model()]


def _looping_model() -> bytes:
    """A model with a loop, whose number of rounds a mutation may raise."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        helper.make_tensor("rounds", TensorProto.INT64, [], [2]),
        helper.make_tensor("yes", TensorProto.BOOL, [], [1]),
        helper.make_tensor("weights", TensorProto.FLOAT, [4, 3, 4, 4], [0.01] * 192),
    ]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["scores"], strides=[4, 4], kernel_shape=[4, 4]),
        helper.make_node("Loop", ["rounds", "yes", "scores"], ["looped"], body=body),
        helper.make_node("Softmax", ["looped"], ["classes"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3])]
    outputs = [helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 4, "y", "x"])]
    graph = helper.make_graph(nodes, "loop", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def card_of(model: bytes, name: str) -> bytes:
    """The card of one of `models`, damaged or not: with its checksum."""
    card = ModelCard(
        name=name,
        file=f"{name}.onnx",
        sha256=hashlib.sha256(model).hexdigest(),
        classes=("background", "hair", "face", "clothes"),
        regions={"background": "background", "hair": "hair", "face": "skin", "clothes": "clothes"},
        input_size=(64, 64),
        output_stride=4,
        normalisation="none",
        licence="MIT",
        training_data=("none",),
        provenance="made for a test",
        opset=17,
        parameters=192,
    )
    return json.dumps(asdict(card), indent=2).encode()


def cards(name: str) -> list[bytes]:
    """The card of the small model above, or of a bundled model where that cannot be made."""
    made = models()
    return [card_of(made[0], name)] if made else [(WEIGHTS / "xxsmall.json").read_bytes()]
