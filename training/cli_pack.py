"""The command livestyle-pack: labelled sets, or pictures without people, written again for training."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from livestyle.errors import UsageError
from livestyle.training import SETS
from livestyle.training.messages import speaking

_LABELLED_ONLY = ("set_names", "teacher", "strict")
_PLACES_ONLY = ("smallest", "each", "leave_out", "without_people")


def _check_options(places: bool) -> None:
    """Refuse options that belong to the other kind of packing. Raises UsageError."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
        if given and option.name in (_LABELLED_ONLY if places else _PLACES_ONLY):
            raise UsageError(f"{option.opts[0]} {'does not go' if places else 'goes'} with --places.")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--sets", "set_names", default=",".join(SETS), show_default=True, help="Sets by name or .toml file, with commas."
)
@click.option("--side", type=click.IntRange(32), default=384, show_default=True, help="Pixels of a short side at most.")
@click.option("--quality", type=click.IntRange(1, 100), default=85, show_default=True, help="Of the WebP pictures.")
@click.option(
    "--teacher",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Model (.onnx) that fills in hair, face and neck where labels leave them open; "
    "OUT then also gets the sets' descriptions.",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad row instead of leaving it out.")
@click.option(
    "--places", is_flag=True, help="DATA holds pictures without people, at any depth; OUT is one parquet file of them."
)
@click.option(
    "--smallest", type=click.IntRange(1), default=128, show_default=True, help="Of places: pixels of a short side."
)
@click.option("--each", type=click.IntRange(1), help="Of places: at most so many from each folder directly in DATA.")
@click.option(
    "--leave-out",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of places: a text file of names not to take, a pattern (* ? []) on each line.",
)
@click.option(
    "--without-people",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of places: model (.onnx) that leaves out, and names, pictures on which it sees hair or skin.",
)
@speaking
def pack(
    data: Path,
    out: Path,
    set_names: str,
    side: int,
    quality: int,
    teacher: Path | None,
    strict: bool,
    places: bool,
    smallest: int,
    each: int | None,
    leave_out: Path | None,
    without_people: Path | None,
) -> None:
    """Write the sets of the folder DATA again into OUT, with smaller pictures, for slow disks and lines.

    Names stay, and with them what trains and what validates. 384 pixels are enough to train at 256 with the crops of
    the built-in sets; fewer cost sharpness in close-ups.

    With --places, pictures without people for data.places: what is too small or looks like one before is left out,
    and cut-outs are laid over other pictures.
    """
    _check_options(places)
    if places:
        _pack_places(data, out, side, quality, smallest, each or 0, leave_out, without_people)
    else:
        _pack_sets(data, out, set_names, side, quality, teacher, strict)


def _pack_sets(
    data: Path, out: Path, set_names: str, side: int, quality: int, teacher: Path | None, strict: bool
) -> None:
    from livestyle.models.segmenter import load_segmenter
    from livestyle.training.pack import pack_set
    from livestyle.training.reader import BadRows
    from livestyle.training.sets import find_set, set_path
    from livestyle.training.teach import taught, with_taught_labels

    if not data.is_dir() or out.is_file():
        raise UsageError(f"{out if data.is_dir() else data} is not a folder.")
    total = 0
    model = load_segmenter(str(teacher), device="cpu") if teacher else None
    for name in set_names.split(","):
        described, bad = find_set(name), BadRows(strict)
        change = functools.partial(taught, described=described, model=model) if model else None
        result = pack_set(described, data, out, side=side, quality=quality, bad=bad, change=change)
        if model:
            text = with_taught_labels(set_path(name).read_text(encoding="utf-8"))
            (out / f"{described.name}.toml").write_text(text, encoding="utf-8")
        bad.report(described.name)
        sizes = f"{result.before / 1e6:.1f} MB -> {result.after / 1e6:.1f} MB"
        click.echo(f"{described.name}: {result.pictures} pictures, {sizes}")
        total += result.after
    click.echo(f"{total / 1e6:.1f} MB in all")


def _patterns(path: Path | None) -> list[str]:
    """The lines of a file that are neither empty nor a comment (#)."""
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _pack_places(
    data: Path,
    out: Path,
    side: int,
    quality: int,
    smallest: int,
    each: int,
    leave_out: Path | None,
    without_people: Path | None,
) -> None:
    from livestyle.models.segmenter import load_segmenter
    from livestyle.training.pack_places import Choice, pack_places
    from livestyle.training.places import PARQUET

    if out.suffix.lower() != PARQUET:
        raise UsageError(f"{out} is not a {PARQUET} file.", hint="With --places, OUT is the file to write.")
    model = load_segmenter(str(without_people), device="cpu") if without_people else None
    choice = Choice(smallest, each, _patterns(leave_out), model)
    result = pack_places(data, out, choice, side=side, quality=quality)
    click.echo(f"{out}: {result.pictures} pictures, {out.stat().st_size / 1e6:.1f} MB")
    for reason, number in sorted(result.left_out.items()):
        click.echo(f"left out, {reason}: {number}")
