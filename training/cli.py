"""The commands of the training code but for pack: train, evaluate, export and plot."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import click

from livestyle.errors import UsageError
from livestyle.training import COMPOSED, SETS
from livestyle.training.messages import speaking

log = logging.getLogger("livestyle")


def _overridden(text: str, changes: tuple[str, ...]) -> str:
    """A settings text in which SECTION.NAME=VALUE changes have replaced values. Raises UsageError."""
    import tomllib

    from livestyle.training.settings import literal

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The settings are not TOML: {error}.") from error
    for change in changes:
        name, _, value = change.partition("=")
        section, _, key = name.strip().partition(".")
        if not key or not value:
            raise UsageError(f"--set {change} is not SECTION.NAME=VALUE.")
        try:
            parsed = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            parsed = value
        given.setdefault(section, {})[key] = parsed
    return "\n".join(f"[{s}]\n" + "\n".join(f"{k} = {literal(v)}" for k, v in t.items()) for s, t in given.items())


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--set", "changes", multiple=True, metavar="SECTION.NAME=VALUE", help="Change a setting of the file.")
@click.option("--fresh", is_flag=True, help="Start again even if the run's folder has a checkpoint.")
@click.option("--strict", is_flag=True, help="Stop at the first bad row instead of counting it.")
@speaking
def train(settings: Path, changes: tuple[str, ...], fresh: bool, strict: bool) -> None:
    """Train as SETTINGS (a TOML file) says; goes on from the last checkpoint of the run's folder.

    SIGTERM and SIGUSR1 end the run after a checkpoint with exit code 75, Ctrl-C with 130.
    """
    from livestyle.training.settings import parse_settings

    chosen = parse_settings(_overridden(settings.read_text(encoding="utf-8"), changes), str(settings))
    from livestyle.training.train import Trainer

    trainer = Trainer(chosen, strict=strict)
    if not fresh:
        trainer.resume()
    finished = trainer.train()
    trainer.close()
    if not finished:
        log.info("Stopped after a checkpoint; the same command goes on from it.")
        if trainer.interrupted:
            raise SystemExit(130)
        raise SystemExit(75)  # EX_TEMPFAIL of sysexits.h: try again, which is what the sbatch files do


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (
        width.isdigit() and height.isdigit() and int(width) % 32 == int(height) % 32 == 0 and int(width) and int(height)
    ):
        raise UsageError(f"{text} is not an input size.", hint="Write WIDTHxHEIGHT in multiples of 32: 256x256.")
    return int(width), int(height)


def _named(text: str) -> tuple[str, Path]:
    name, found, path = text.partition("=")
    path = path if found else text
    if not Path(path).exists():
        raise UsageError(f"There is no model {path}.")
    return (name if found else Path(path).stem), Path(path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]MODEL...")
@click.option(
    "--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the sets."
)
@click.option(
    "--sets", "set_names", default=",".join(SETS), show_default=True, help="Sets by name or .toml file, with commas."
)
@click.option(
    "--kinds",
    default=",".join(COMPOSED),
    show_default=True,
    help='Kinds of composed pictures, with commas; "" for none. Those whose sets the data folder lacks are left out.',
)
@click.option(
    "--places",
    type=click.Path(exists=True, path_type=Path),
    help="Pictures without people behind composed ones: a folder or a parquet file; of it those that do not train. "
    "rooms.parquet in the data folder, or textures, otherwise.",
)
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Only every n-th picture of --sets."
)
@click.option(
    "--as-photos", is_flag=True, help="Measure each model once more as photos are segmented, with closer looks."
)
@click.option("--peer", "peers", multiple=True, metavar="KIND=FILE", help="Measure pan=FILE or mediapipe=FILE beside.")
@click.option("--limit", type=click.IntRange(1), help="Pictures of each set at most.")
@click.option("--input-size", default="256x256", show_default=True, help="For checkpoints: what the network sees.")
@click.option("--strict", is_flag=True, help="Stop at the first bad row instead of counting it.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for evaluation.json, tables.md and figures."
)
@speaking
def evaluate(
    models: tuple[str, ...],
    data: Path,
    set_names: str,
    kinds: str,
    places: Path | None,
    every: int,
    as_photos: bool,
    peers: tuple[str, ...],
    limit: int | None,
    input_size: str,
    strict: bool,
    out: Path | None,
) -> None:
    """Measure MODELS on validation pictures: .onnx files, transformers folders, or folders of runs.

    The last MODEL is the one whose worst pictures are drawn.
    """
    from livestyle.training.as_photos import AsPhotos
    from livestyle.training.composed import composed_sets, kinds_named
    from livestyle.training.evaluate import pictures_without_people
    from livestyle.training.export import open_model
    from livestyle.training.peers import open_peer
    from livestyle.training.reader import open_sets
    from livestyle.training.sets import find_set
    from livestyle.training.side_by_side import measured, write
    from livestyle.training.tables import everything

    size = _size(input_size)
    with tempfile.TemporaryDirectory() as scratch:
        opened = [open_peer(text) for text in peers]
        for k, (name, path) in enumerate(map(_named, models)):
            opened.append((name, open_model(path, Path(scratch) / str(k), size)))
            if as_photos:
                opened.append((f"{name} on photos", AsPhotos(opened[-1][1])))
        sets = open_sets(
            [find_set(name) for name in set_names.split(",")], data, validation=True, strict=strict, limit=limit
        )
        composed = composed_sets(kinds_named(kinds), sets, data, places, limit)
        evaluations = measured(opened, [*sets, *composed], pictures_without_people(sets), every)
        text = everything(evaluations, [*sets, *composed])
        click.echo(text)
        if out:
            write(out, text, evaluations, opened, [*sets, *composed])


@click.command(name="export", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", required=True, help="Name of the model; the files are NAME.onnx and NAME.json.")
@click.option(
    "--input-size", default="256x256", show_default=True, help="WIDTHxHEIGHT that the network sees, multiples of 32."
)
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML: licence, training_data, provenance, figures.",
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Also keep the finished weights here.")
@click.option(
    "--blend",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Average the weights with those of this checkpoint of the same network, from which CHECKPOINT was trained on.",
)
@click.option(
    "--share", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Of CHECKPOINT in that average."
)
@click.option(
    "--int8", is_flag=True, help="Also quantise; the file is kept only if it is faster and costs under 0.5 points."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the sets, for parity and int8.",
)
@speaking
def export(
    checkpoint: Path,
    out: Path,
    name: str,
    input_size: str,
    facts: Path | None,
    folder: Path | None,
    blend: Path | None,
    share: float,
    int8: bool,
    data: Path | None,
) -> None:
    """Convert CHECKPOINT (a run's folder or a transformers folder) to a model file and its card in OUT."""
    from livestyle.training.blend import blend as blend_weights
    from livestyle.training.export import as_folder, export_model, parity, quantise

    size = _size(input_size)
    if int8 and not data:
        raise UsageError("--int8 needs --data: pictures to calibrate and to compare with.")
    with tempfile.TemporaryDirectory() as scratch:
        finished = folder or Path(scratch) / "checkpoint"
        if blend:
            blend_weights(checkpoint, blend, share, finished)
            checkpoint = finished
        source = as_folder(checkpoint, finished)
        card = export_model(source, out, name, size, facts)
        size_mb = (out / card.file).stat().st_size / 1e6
        click.echo(f"{out / card.file}: {size_mb:.1f} MB, opset {card.opset}, sha256 {card.sha256}")
        if data:
            click.echo(f"Largest difference from torch on real pictures: {parity(source, out / card.file, data):.2g}")
        if int8 and data:
            click.echo(quantise(out / card.file, data))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
@speaking
def plot(run: Path, picture: Path) -> None:
    """Draw the learning curves of RUN (a run's folder) into PICTURE (.png, .svg or .pdf)."""
    from livestyle.training.figures import losses

    losses(run / "log.csv", picture)
