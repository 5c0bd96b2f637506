"""Work on Ray Datasets, inside other pipelines: vectors as a column, and the group of each row."""

from typing import Any

import numpy as np

from semsearch.distributed.batch import RESULT, Batch, Progress
from semsearch.distributed.cluster import Load, connected, require_ray
from semsearch.distributed.work import Work, arrow
from semsearch.embedding import embed_checked
from semsearch.errors import InvalidInput
from semsearch.readers import RowFields
from semsearch.requests import DedupRequest
from semsearch.text import clean

_ROWS = 1024
"""Rows of a batch that a worker embeds at a time."""
_INPUT = "input"


def embed_dataset(
    dataset: Any,
    load: Load,
    *,
    text: str = "text",
    vector: str = "vector",
    workers: int | None = None,
    gpu: bool = False,
) -> Any:
    """Return a Ray Dataset with the vector of each text, a list of float32, as a new column. It is lazy, and streams.

    `load` returns the model, in each of the `workers`, by default one for each processor of the cluster, or for each
    GPU with `gpu`. A text longer than the model's window has the mean of its parts. Raises `InvalidInput` where a
    column is missing or taken.
    """
    names = dataset.schema().names
    if text not in names or vector in names:
        raise InvalidInput(
            f"the data set has the columns {', '.join(names)}",
            f"it needs {text}, and must not have {vector}; name others by text and vector",
        )
    workers = workers or max(1, int(require_ray().cluster_resources().get("GPU" if gpu else "CPU", 1)))
    return dataset.map_batches(
        _Embedding,
        fn_constructor_args=(load, text, vector),
        batch_format="pyarrow",
        batch_size=_ROWS,
        num_cpus=1,
        num_gpus=int(gpu),
        concurrency=(1, workers),
    )


class _Embedding:
    """The embedding of batches in a worker."""

    def __init__(self, load: Load, text: str, vector: str) -> None:
        self._embedder, self._text, self._vector = load(), text, vector

    def __call__(self, table: Any) -> Any:
        """Return a table with the vectors of its texts; a missing text is an empty one."""
        pa = arrow()
        texts = [clean(text or "") for text in table[self._text].to_pylist()]
        vectors = embed_checked(self._embedder, texts)
        offsets = np.arange(len(texts) + 1, dtype=np.int32) * vectors.shape[1]
        column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.ravel(), pa.float32()))
        return table.append_column(self._vector, column)


def dedup_dataset(
    dataset: Any,
    output: str,
    load: Load,
    request: DedupRequest,
    *,
    id: str,
    text: str = "text",
    recall: float = 1.0,
    progress: Progress | None = None,
) -> Any:
    """Return a Ray Dataset with the `id`, the text, and the group, keeper, tier and scores of each row that has text.

    `output` is a new folder or URL that all machines share, for the texts and the work. Ids are unique, and `keeper` is
    one. The other arguments are those of `Batch.dedup`. Raises `InvalidInput` where the folder is not new or a column
    is missing, and the errors of `Batch`.
    """
    ray, pa = require_ray(), arrow()
    names = dataset.schema().names
    if missing := [name for name in (id, text) if name not in names]:
        raise InvalidInput(
            f"the data set has no column {', '.join(missing)}", f"its columns: {', '.join(names)}"
        )
    if "#" in output:
        raise InvalidInput(f"{output} has a #, which separates names from ids", "name another folder")
    if Work(output).names():
        raise InvalidInput(f"{output} is not empty", "name a new folder")
    folder = f"{output.rstrip('/')}/{_INPUT}"
    dataset.select_columns([id, text]).write_parquet(folder)
    batch = Batch(
        [[folder]], f"{output.rstrip('/')}/work", load, fields=RowFields((text,), id), progress=progress
    )
    with connected() as cluster:
        batch.dedup(cluster, request, recall=recall)

    def ids(table: Any) -> Any:
        for column in ("name", "keeper"):
            values = [name and name.partition("#")[2] for name in table[column].to_pylist()]
            table = table.set_column(
                table.schema.get_field_index(column), column, pa.array(values, pa.string())
            )
        return table.drop_columns(["source", "row"]).rename_columns({"name": id})

    found = ray.data.read_parquet(f"{output.rstrip('/')}/work/{RESULT}")
    return found.map_batches(ids, batch_format="pyarrow")
