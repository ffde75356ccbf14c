"""Composed test sets: fixed, labelled as they look, from people and places that do not train."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from livestyle.errors import UsageError
from livestyle.training import COMPOSED, cli, composed
from livestyle.training.classes import BACKGROUND, CLASSES, REGION_OF, member_bits
from livestyle.training.composed import KINDS, ComposedSet, composed_sets, kinds_named
from livestyle.training.evaluate import evaluate
from livestyle.training.measures import all_hands, visible
from livestyle.training.split import is_validation

PLACE = (30, 60, 160)
IDS = {  # set -> its ids of hair, skin and clothes
    "celebamask": (13, 1, 18),
    "ccp": (19, 41, 45),
    "fashionista": (1, 2, 6),
    "iskin": (0, 1, 0),
}
ARMS = member_bits(["arms"])


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()


def _person(ids: tuple[int, int, int]) -> tuple[str, bytes, bytes]:
    """Somebody of 400 pixels with a head of 60, before black."""
    hair, skin, clothes = ids
    labels, pixels = np.zeros((480, 320), np.uint8), np.zeros((480, 320, 3), np.uint8)
    for box, label, color in (
        ((80, 100, 239, 439), clothes, (180, 30, 40)),
        ((130, 40, 189, 99), hair, (90, 60, 40)),
        ((140, 60, 179, 99), skin, (220, 170, 140)),
    ):
        for image, value in ((labels, label), (pixels, color)):
            cv2.rectangle(image, box[:2], box[2:], value, -1)
    return "", _png(pixels), _png(labels)


def _hand() -> tuple[str, bytes, bytes]:
    """A palm on an arm from below before a blue wall, labelled as the sets of hands are."""
    true, labels = np.zeros((320, 320), np.uint8), np.zeros((320, 320), np.uint8)
    cv2.circle(true, (160, 120), 60, 1, -1)
    cv2.rectangle(true, (130, 120), (190, 319), 1, -1)
    pixels = np.where(true[..., None] > 0, (210, 160, 130), (30, 60, 160))
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    cv2.circle(labels, (160, 120), 75, 2, 20)
    labels[150:, 125:196] = 0
    cv2.circle(labels, (160, 120), 54, 1, -1)
    return "", _png(noisy), _png(labels)


def _save(path: Path, rows: list[tuple[str, bytes, bytes]]) -> None:
    columns = {"name": [row[0] for row in rows]}
    for at, column in ((1, "image"), (2, "mask")):
        columns[column] = [{"bytes": row[at], "path": None} for row in rows]  # type: ignore[misc]
    pq.write_table(pa.table(columns), path)


def _names(pattern: str, validation: bool, count: int) -> list[str]:
    """Names that fall on one side."""
    return [name for k in range(400) if is_validation(name := pattern.format(k)) == validation][:count]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sets that composed pictures are made of, two validation pictures each, and a blue place."""
    folder = tmp_path_factory.mktemp("composed")
    for name, ids in IDS.items():
        _save(folder / f"{name}.parquet", [(title, *_person(ids)[1:]) for title in _names("x{}", True, 2)])
    _save(folder / "hands.parquet", [(f"senz3d_p2_{k}", *_hand()[1:]) for k in range(2)])
    _save(folder / "webcam_hands.parquet", [(f"{person}_1", *_hand()[1:]) for person in _names("p{}", True, 2)])
    place = _png(np.full((90, 90, 3), PLACE, np.uint8))
    (room,) = _names("room{}", True, 1)
    pq.write_table(pa.table({"name": [room], "image": [{"bytes": place, "path": None}]}), folder / "rooms.parquet")
    return folder


@pytest.fixture(scope="module")
def kinds(data: Path) -> dict[str, ComposedSet]:
    """Three pictures of every kind."""
    return {one.described.name: one for one in composed_sets(list(KINDS), [], data, None, limit=3)}


class Told:
    """A model that has been told the labels of every picture and says one class that they allow; or always `says`."""

    classes = CLASSES
    regions = REGION_OF
    input_size = (64, 64)
    device = "cpu"

    def __init__(self, sets: list[ComposedSet], says: str = "") -> None:
        pictures = [one.picture(k) for one in sets for k in range(len(one))]
        self._known = {p.pixels.tobytes(): p.members for p in pictures if p is not None}
        self._says = says

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(C, H, W) of 0 and 1."""
        if self._says:
            members = np.full(pixels.shape[:2], member_bits([self._says]), np.uint8)
        else:
            members = self._known[pixels.tobytes()]
        bits = (members[None] >> np.arange(len(CLASSES), dtype=np.uint8)[:, None, None]) & 1
        return (np.arange(len(CLASSES))[:, None, None] == bits.argmax(0)).astype(np.float32)


def test_a_picture_is_a_function_of_its_kind_and_number(data: Path, kinds: dict[str, ComposedSet]) -> None:
    """Two models that are measured on different days meet the same pictures; another number is another picture."""
    again = {one.described.name: one for one in composed_sets(list(KINDS), [], data, None, limit=2)}
    for name, one in kinds.items():
        first, second, other = one.picture(0), again[name].picture(0), one.picture(1)
        assert first is not None and second is not None and other is not None  # noqa: PT018 (for the type checker)
        np.testing.assert_array_equal(first.pixels, second.pixels)
        np.testing.assert_array_equal(first.members, second.members)
        assert not np.array_equal(first.pixels, other.pixels)


def test_every_kind_shows_what_it_says(kinds: dict[str, ComposedSet]) -> None:
    """Groups have two people or more, in the distance there is one with a head of 12 to 36 pixels (a little more or
    less, as people differ), and hands are there, alone in a place or in motion."""
    for k in range(3):
        group, far, alone, fast = (kinds[name].picture(k) for name in KINDS)
        assert group is not None and group.shown is not None and len(visible(group.shown)) >= 2  # noqa: PT018
        assert far is not None and far.shown is not None and len(visible(far.shown)) == 1  # noqa: PT018
        assert 8 < far.shown.heads[0] < 60
        assert alone is not None and set(np.unique(alone.members)) == {BACKGROUND, ARMS}  # noqa: PT018
        assert fast is not None and (fast.members == ARMS).any()  # noqa: PT018


def test_a_hand_alone_is_where_its_labels_are(kinds: dict[str, ComposedSet]) -> None:
    """Skin is redder than blue walls and grey or textured ones are not all that: where the wall is plain and blue, the
    labels are where the red is, away from the blended edge."""
    seen = 0
    for k in range(3):
        picture = kinds["hands_alone"].picture(k)
        assert picture is not None
        hand = (picture.members == ARMS).astype(np.uint8)
        outside = cv2.dilate(hand, np.ones((9, 9))) == 0
        if not (np.abs(picture.pixels[outside].astype(int) - PLACE) <= 45).all():
            continue  # a texture
        inside = cv2.erode(hand, np.ones((9, 9))) > 0
        assert (picture.pixels[inside][:, 0] > 110).mean() > 0.98
        seen += 1
    assert seen


def test_the_truth_has_recall_1_and_spill_0_and_arms_everywhere_1_and_1(kinds: dict[str, ComposedSet]) -> None:
    """Both ends of the figures are known, through the whole evaluation: IoU, hands, and heads of every height."""
    sets = list(kinds.values())
    true, arms = (evaluate(says or "truth", Told(sets, says), sets, {}) for says in ("", "arms"))
    for name in ("hands_alone", "fast_hands"):
        best, worst = (all_hands(one.tallies[name].hands) for one in (true, arms))
        assert (best.recall, best.spill) == (1, 0)
        assert (worst.recall, worst.spill) == (1, 1)
        assert best.pictures == 3
    for name in ("groups", "far"):
        assert not true.tallies[name].hands
        assert sum(count.people for count in true.tallies[name].heads.values()) >= 3
        for count in true.tallies[name].heads.values():
            assert count.recall("skin") == 1
        assert true.tallies[name].regions["skin"].iou == 1
        assert all(count.recall("hair") in (0, 1) for count in arms.tallies[name].heads.values() if count.truth["hair"])
    assert true.total.pictures == 0, "composed pictures show people of other sets again"
    assert set(true.report()["sets"]["far"]["heads"]) <= {"< 24 px", "24 to 48 px", "> 48 px"}


def test_kinds_whose_sets_are_missing_are_left_out_and_it_is_said(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has no pictures of hands can still measure everything else."""
    for name in (*IDS, "rooms"):
        (tmp_path / f"{name}.parquet").symlink_to(data / f"{name}.parquet")
    with caplog.at_level(logging.WARNING):
        found = composed_sets(list(KINDS), [], tmp_path, None, limit=1)
    assert [one.described.name for one in found] == ["groups", "far"]
    assert "hands_alone is not measured" in caplog.text


def test_the_command_measures_what_it_is_asked_for(finished: Path, data: Path, tmp_path: Path) -> None:
    """Kinds have rows in every table; --every thins out labelled sets and leaves composed ones whole."""
    command = [f"mine={finished}", "--data", str(data), "--sets", "hands", "--kinds", "hands_alone,far"]
    options = ["--every", "2", "--limit", "2", "--input-size", "64x64", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli.evaluate, [*command, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "| hands before people at a webcam (hands) | p2 | 1 |" in done.output
    assert "| hands without a face (hands_alone) | all | 2 |" in done.output
    assert "### Recall by height of heads" in done.output


def test_a_kind_that_there_is_not_is_a_usage_error() -> None:
    """The error names the kinds; none at all is allowed."""
    assert kinds_named("") == []
    assert kinds_named("far,groups") == ["far", "groups"]
    with pytest.raises(UsageError, match="crowds") as caught:
        kinds_named("crowds")
    assert all(name in (caught.value.hint or "") for name in composed.KINDS)
    assert list(composed.KINDS) == list(COMPOSED)
