"""`livestyle-bench masks`: methods side by side on films whose truth is known, and on clips without."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livestyle.cli.parameter_types import Seconds, Size
from livestyle.console.messages import answer
from livestyle.console.terminal import json_text
from livestyle.errors import UsageError

if TYPE_CHECKING:
    from livestyle.bench.masks.compare import Score
    from livestyle.bench.masks.methods import Method
    from livestyle.bench.people import People
    from livestyle.bench.sequences import Film
    from livestyle.protocols import Grade, Segmenter

log = logging.getLogger("livestyle")

QUICK = ("still", "sway", "fast", "cut")
ORACLE = "oracle"


class Words(click.ParamType[list[str]]):
    """Words with commas between."""

    name = "a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """`"raw,ours"` -> ["raw", "ours"]."""
        return value if isinstance(value, list) else [word.strip() for word in str(value).split(",") if word.strip()]


class Rates(Words):
    """Frames a second, with commas between."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """`"15,30"` -> [15, 30]."""
        words = super().convert(value, param, ctx)
        if not words or not all(str(word).isdigit() and 5 <= int(word) <= 240 for word in words):
            self.fail(f"{value!r} is not a list of rates from 5 to 240", param, ctx)
        return [int(word) for word in words]


@click.command()
@click.argument("clips", nargs=-1, metavar="[CLIP]...", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of the labelled sets (see training/README.md): films with real people. Without it they are "
                   "drawn, and the model is `oracle`.")  # fmt: skip
@click.option("--kinds", type=Words(), default=[], help="Kinds of films; all of them if not given.")
@click.option("--rates", type=Rates(), default=[30], show_default="30", help="Frames a second of the films.")
@click.option("--size", type=Size(), default=(1280, 720), show_default="720p", help="Size of the films.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Films of each kind, with other people."
)
@click.option(
    "--model", metavar="NAME|PATH", help="A bundled model, an .onnx file, or `oracle`: the truth, blurred and noisy."
)
@click.option("--live-rate", type=click.FloatRange(1, 60), default=12.0, show_default=True,
              help="Masks a second that the methods get which live on late masks.")  # fmt: skip
@click.option("--methods", type=Words(), default=[], help="Methods to compare; all of them if not given.")
@click.option("-s", "--style", default="vivid", show_default=True, help="The style whose colours are compared.")
@click.option("--start", type=Seconds(), default=0.0, help="Where in a clip to begin.")
@click.option(
    "--seconds", type=Seconds(), default=4.0, show_default=True, help="How much of a clip, or of films (2 to 3 s)."
)
@click.option("--quick", is_flag=True, help="Four kinds at 360p, 1.5 s each: a tenth of the time.")
@click.option("--each", is_flag=True, help="A table for each film too.")
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout instead of tables.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for masks.json, masks.md and a strip of frames for each film.")  # fmt: skip
def masks(clips: tuple[Path, ...], **options: Any) -> None:
    """How steady, tight and timely masks are: livestyle's, those of its stages and those of simpler ways.

    Without CLIP, on films whose truth is known to the pixel; with, on your own videos, without truth.
    """
    from livestyle.bench.masks.methods import methods_named
    from livestyle.current_style import CurrentStyle
    from livestyle.settings import Settings
    from livestyle.system.paths import check_file

    methods = methods_named(options["methods"], options["live_rate"])
    if options["out"] is not None:
        from livestyle.cli.outputs import make_folder

        make_folder(options["out"])
    for path in clips:
        check_file(path)
    grade = CurrentStyle(Settings(style=options["style"])).grade()
    segmenter = _segmenter(options, clips)
    scores: list[Score] = []
    for film in _clips(clips, options) if clips else _films(_people(options["data"]), options):
        scores += _measured(film, methods, segmenter, grade, options["out"])
    _tell(scores, options)


def _segmenter(options: dict[str, Any], clips: Sequence[Path]) -> Segmenter:
    from livestyle.bench.drawn_people import Oracle
    from livestyle.models.segmenter import load_segmenter

    model = options["model"] or (None if options["data"] or clips else ORACLE)
    if model != ORACLE:
        return load_segmenter(model)
    if clips:
        raise UsageError("the model `oracle` needs films whose truth is known", hint="drop it, or drop the clips")
    return Oracle()


def _people(data: Path | None) -> People:
    from livestyle.bench.drawn_people import DrawnPeople
    from livestyle.bench.people import Labelled

    return DrawnPeople() if data is None else Labelled(data)


def _clips(clips: Sequence[Path], options: dict[str, Any]) -> Iterator[Film]:
    from livestyle.bench.masks.clips import read_clip

    for path in clips:
        yield read_clip(path, start=options["start"], seconds=options["seconds"])


def _films(people: People, options: dict[str, Any]) -> Iterator[Film]:
    from livestyle.bench.sequences import kinds_named, make_film

    quick = options["quick"]
    size, seconds = (options["size"], options["seconds"]) if not quick else ((640, 360), 1.5)
    for kind in list(kinds_named(options["kinds"] or (QUICK if quick else ()))):
        for rate in options["rates"]:
            for seed in range(options["seeds"]):
                yield make_film(kind, people, rate=rate, size=size, seed=seed, seconds=seconds)


def _measured(
    film: Film, methods: Sequence[Method], segmenter: Segmenter, grade: Grade, out: Path | None
) -> list[Score]:
    from livestyle.bench.masks.compare import compare
    from livestyle.bench.masks.strips import Strips

    start = time.monotonic()
    strips = None if out is None else Strips(film)
    scores = compare(film, methods, segmenter, grade, strips)
    if strips is not None and out is not None:
        strips.write(out)
    log.info("%s: %d frames, %.0f s", film.name, len(film.moments), time.monotonic() - start)
    return scores


def _tell(scores: list[Score], options: dict[str, Any]) -> None:
    from livestyle.bench.masks.table import as_json

    document = json_text(as_json(scores), indent=1)
    words = _report(scores, each=options["each"])
    answer(document if options["as_json"] else words)
    if options["out"] is not None:
        (options["out"] / "masks.json").write_text(document + "\n", encoding="utf-8")
        (options["out"] / "masks.md").write_text(_report(scores, each=True) + "\n", encoding="utf-8")


def _report(scores: list[Score], *, each: bool) -> str:
    from livestyle.bench.masks.scoring import FIGURES
    from livestyle.bench.masks.table import overall, stages, text
    from livestyle.bench.masks.targets import targets

    rows = overall(scores)
    films = sorted({score.film for score in scores})
    parts = [
        f"## {len(films)} films\n\n{text(rows)}",
        f"Milliseconds of processor time a frame, all cores together (and of the clock):\n{stages(rows)}",
    ]
    if any(score.kind != "clip" for score in scores):
        parts.append("\n".join(target.line() for target in targets(scores)))
    if each:
        parts += [f"## {film}\n\n{text(overall(s for s in scores if s.film == film))}" for film in films]
    parts.append("\n".join(f"{name}: {meaning}" for name, meaning in FIGURES.items()))
    return "\n\n".join(parts)
