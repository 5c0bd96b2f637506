"""Read the rows of Parquet files, and copy such files without some rows. pyarrow, an extra, is loaded where needed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from semsearch.errors import UnreadableSource, extra
from semsearch.files import opened

_BATCH = 1_000
_LEAST, _RATIO = 1_000_000_000, 100
"""A file may unpack to so many bytes, or to so many times its size."""


def rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Yield the number of each row, from 1, and its values: nested ones are lists and dicts, dates are theirs.

    Raises `OSError`, `MissingExtra`, and `UnreadableSource` for a file that is damaged or unpacks to too much.
    """
    number = 0
    with _reading(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            for values in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield number, values


def names(path: Path) -> list[str]:
    """Return the names of the columns. Raises the errors of `rows`."""
    with _reading(path) as file:
        return list(file.schema_arrow.names)


def copy(
    path: Path,
    to: BinaryIO,
    *,
    keep: Callable[[int], bool],
    columns: Mapping[str, Callable[[int], str]],
) -> int:
    """Write the rows for which `keep` is true, with the schema and compression of the file; return their number.

    `columns` of text, which the file does not have, are added. Raises the errors of `rows`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = kept = 0
    with _reading(path) as file:
        schema = file.schema_arrow
        for name in columns:
            schema = schema.append(pa.field(name, pa.string()))
        codec = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
        with pq.ParquetWriter(to, schema, compression="NONE" if codec == "UNCOMPRESSED" else codec) as writer:
            for batch in file.iter_batches(batch_size=_BATCH * 10):
                numbers = range(number + 1, number + 1 + len(batch))
                number += len(batch)
                chosen = [one for one in numbers if keep(one)]
                part = batch.take(pa.array([one - numbers.start for one in chosen], pa.int64()))
                for name, value in columns.items():
                    part = part.append_column(name, pa.array([value(one) for one in chosen], pa.string()))
                writer.write_batch(part.cast(schema) if part.schema != schema else part)
                kept += len(chosen)
    return kept


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    with extra("parquet", "a Parquet file"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    with opened(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            groups = range(file.metadata.num_row_groups)
            unpacked = sum(file.metadata.row_group(at).total_byte_size for at in groups)
            most = max(_LEAST, _RATIO * path.stat().st_size)
            if max(unpacked, file.metadata.num_rows) > most:
                raise UnreadableSource(f"Parquet file that unpacks to more than {most:,} bytes")
            yield file
        except (pa.ArrowException, EOFError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise UnreadableSource(f"broken Parquet file ({' '.join(str(error).split())[:200]})") from error
