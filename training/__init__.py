"""Fine-tuning of the segmentation models. Nothing in the product imports this package."""

SETS = (
    "ccp",
    "celebamask",
    "fasseg",
    "eg1800",
    "figaro1k",
    "lfw_hair",
    "celeb1k_hair",
    "sfa",
    "iskin",
    "hands",
    "webcam_hands",
    "fashionista",
    "picsart",
)
"""The built-in data sets from which a run learns, and on which models are measured, unless others are named."""

COMPOSED = ("groups", "far", "hands_alone", "fast_hands")
"""The kinds of composed pictures on which models are measured, unless others are named."""
