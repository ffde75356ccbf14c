"""Parquet files of pictures in the layout of the `datasets` library: a name, and columns of {bytes, path}."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from livestyle.errors import EncodeError, LivestyleError, SourceError

_ROWS_AT_ONCE = 256


def bytes_of(cell: Any) -> bytes:
    """The file in a cell, which is {bytes, path} or bytes; empty where it holds none."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return bytes(data) if isinstance(data, bytes | bytearray) else b""


def read_parquet(path: Path, columns: Sequence[str], without: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The cells of `columns` and the name of every row; a row without one is called by the file and its number.

    Raises SourceError for a file that lacks one of `columns` or has one of `without`.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        file = pq.ParquetFile(path)
        _check_columns(path, file.schema_arrow.names, columns, without)
        wanted = [name for name in ("name", *columns) if name in file.schema_arrow.names]
        number = 0
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=wanted):
            for row in batch.to_pylist():
                yield {**row, "name": str(row.get("name") or f"{path.stem}_{number}")}
                number += 1
    except ArrowException as error:
        raise SourceError(f"{path} is not a parquet file: {error}.") from error


def _check_columns(path: Path, there: Sequence[str], columns: Sequence[str], without: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in there]:
        raise SourceError(f"{path} has no column {missing[0]}; its columns are {', '.join(there)}.")
    if unwanted := [name for name in without if name in there]:
        raise SourceError(f"{path} has a column {unwanted[0]}, which must not be there.")


def _features(pictures: Sequence[str]) -> bytes:
    """What `datasets` reads to know that the columns are pictures."""
    features = {"name": {"dtype": "string", "_type": "Value"}, **{name: {"_type": "Image"} for name in pictures}}
    return json.dumps({"info": {"features": features}}).encode()


def write_parquet(path: Path, pictures: Sequence[str], rows: Iterator[Mapping[str, Any]]) -> None:
    """Rows with a `name` and the bytes of a file for each of `pictures`; a kill leaves no half file under that name.

    Raises EncodeError for what cannot be written, and what making the rows raises.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("name", pa.string()), *((p, cell) for p in pictures)], {b"huggingface": _features(pictures)})
    draft = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(draft.unlink, missing_ok=True)
            with pq.ParquetWriter(draft, schema) as file:
                while batch := list(islice(rows, _ROWS_AT_ONCE)):
                    file.write_table(pa.table(_columns(batch, pictures), schema=schema))
            os.replace(draft, path)
    except LivestyleError:
        raise  # what reading the rows found, some of which are OSErrors too
    except OSError as error:
        raise EncodeError(f"{path} could not be written: {error}.") from error


def _columns(rows: Sequence[Mapping[str, Any]], pictures: Sequence[str]) -> dict[str, list[Any]]:
    files = {p: [{"bytes": row[p], "path": None} for row in rows] for p in pictures}
    return {"name": [row["name"] for row in rows], **files}
