"""The embedder against sentence-transformers, and against chromadb's default embedding function.

The script measures parity (the cosine of our vectors with those of sentence-transformers), agreement with people
(STS-B, SICK), throughput, the share of the machine's float32 matrix-product peak that each reaches, and how much a
vector depends on the other texts of its batch. bfloat16 is measured where the processor has it.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import BATCH, Report, Timing, arguments, interleave, need, talk, weights_folder
from numpy.typing import NDArray

from semsearch.embedding import count_tokens, graph, load_embedder
from semsearch.embedding.openvino import has_bfloat16
from semsearch.embedding.weights import default_files
from semsearch.tuning.agreement import Agreement, agreement
from semsearch.tuning.pairs import load_pairs
from semsearch.types import LabelledPair

PASSAGE_TOKENS = 200
PRODUCT = 4096
LAYERS, WIDTH, INNER, SPECIAL_TOKENS = 6, 384, 1536, 2
PEER = "sentence-transformers"
SHORT_PEER = "sentence-transformers bfloat16"
OTHER_TYPES = {SHORT_PEER, "bfloat16", "int8"}
ALONE = 500
"""Texts that are embedded alone, to compare them with the same in batches."""
PUBLISHED = {
    "STS-B test": {"pearson": 0.827, "spearman": 0.820},
    "SICK": {"pearson": 0.840, "spearman": 0.777},
}
"""The published figures of all-MiniLM-L6-v2, to three digits."""
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def flops(lengths: NDArray[np.int64]) -> float:
    """Return the floating-point operations of the matrix products for texts of some lengths in tokens, without padding.

    A token costs 2 x 6 layers x (4 x 384^2 for query, key, value and output + 2 x 384 x 1,536 for the two inner
    products) = 21.2 million, and 6 x 4 x L x 384 for its attention to the L tokens of its text. As usual, this leaves
    out embedding look-up, normalisation and GELU, so that no implementation can reach the whole peak.
    """
    token = 2 * LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER)
    return float((lengths * (token + LAYERS * 4 * lengths * WIDTH)).sum())


def cut_passages(corpus: Path, count: int) -> list[str]:
    """Return the first `PASSAGE_TOKENS` tokens of `count` abstracts that are long enough, cut between two tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    room = PASSAGE_TOKENS - SPECIAL_TOKENS

    def passages() -> Iterator[str]:
        with corpus.open(encoding="utf-8") as file:
            for line in file:
                text = json.loads(line)["text"]
                offsets = tokenizer.encode(text, add_special_tokens=False).offsets
                if len(offsets) >= room:
                    yield text[: offsets[room - 1][1]]

    return list(islice(passages(), count))


def chroma_function(folder: Path) -> tuple[Encode, str]:
    """Return chromadb's default embedding function and the name of the graph that it runs.

    Its own model is a download. Without the download, the same class runs on our float32 graph, cut before the pooling,
    which the class does in NumPy. Our graph is fused by hand; chromadb lets its session fuse its graph.
    """
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    own = ONNXMiniLM_L6_V2.DOWNLOAD_PATH / ONNXMiniLM_L6_V2.EXTRACTED_FOLDER_NAME
    graph = "its own graph"
    if not (own / "model.onnx").exists():
        graph = "our graph"
        _lay_out(folder / ONNXMiniLM_L6_V2.EXTRACTED_FOLDER_NAME)

    class Function(ONNXMiniLM_L6_V2):
        DOWNLOAD_PATH = ONNXMiniLM_L6_V2.DOWNLOAD_PATH if graph == "its own graph" else folder

    function = Function()
    return (lambda texts: np.array(function(list(texts)))), graph


def _lay_out(folder: Path) -> None:
    """Write the files that chromadb looks for, with our graph as `model.onnx`: segments in, last hidden state out."""
    import onnx

    folder.mkdir()
    for file in weights_folder().iterdir():
        if file.suffix in {".json", ".txt"}:
            shutil.copy(file, folder)
    model = graph.build(default_files(), "float32")
    nodes = model.graph.node
    last = max(at for at, node in enumerate(nodes) if node.op_type.endswith("LayerNormalization"))
    shape = ["batch", "tokens"]
    hidden = onnx.helper.make_tensor_value_info(
        nodes[last].output[0], onnx.TensorProto.FLOAT, [*shape, WIDTH]
    )
    segments = onnx.helper.make_tensor_value_info("token_type_ids", onnx.TensorProto.INT64, shape)
    del nodes[last + 1 :]
    model.graph.output.pop()
    model.graph.output.append(hidden)
    model.graph.input.append(segments)
    onnx.save(model, folder / "model.onnx")


def encode_short(model: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the unit vectors of a model of sentence-transformers in bfloat16, which NumPy does not have."""
    vectors = model.encode(list(texts), batch_size=BATCH, convert_to_tensor=True).float().numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # its own length is 1 to three digits


def best_product(square: NDArray[np.float32], clock: Callable[[], float]) -> float:
    """Return the seconds of one product of two square float32 matrices, the best of three."""
    seconds = []
    for _ in range(3):
        started = clock()
        square @ square
        seconds.append(clock() - started)
    return min(seconds)


def texts_of(pairs: Sequence[LabelledPair]) -> list[str]:
    """Return the distinct texts of some pairs."""
    return list(dict.fromkeys(text for pair in pairs for text in (pair.text_a, pair.text_b)))


def parity(report: Report, runs: Mapping[tuple[str, str], Timing]) -> None:
    """Compare each vector with the one of sentence-transformers, by cosine."""
    rows = []
    for (name, kind), run in runs.items():
        if name == PEER:
            continue
        cosines = np.einsum("ij,ij->i", run.result, runs[PEER, kind].result[: len(run.result)])
        worst, mean = float(cosines.min()), float(cosines.mean())
        report.figures.setdefault("parity", {}).setdefault(kind, {})[name] = {"worst": worst, "mean": mean}
        rows.append((kind, name, f"{len(cosines):,}", f"{worst:.7f}", f"{mean:.7f}"))
        if name in ("float32", "bfloat16"):
            least = {"float32": 0.9999, "bfloat16": 0.999}[name]
            report.bar(f"worst cosine, {name}, {kind}", worst, ">=", least)
    report.table(f"cosine to {PEER}", ("texts", "encoder", "number", "worst", "mean"), rows)


def correlations(
    report: Report, sets: Mapping[str, Sequence[LabelledPair]], encoders: Mapping[str, Encode], complete: bool
) -> None:
    """Compare the cosine with people's scores by Pearson and Spearman. Published figures are for complete sets."""
    found: dict[str, dict[str, Agreement]] = {}
    moved: dict[str, dict[str, float]] = {}
    for name, pairs in sets.items():
        texts = texts_of(pairs)
        row = {text: at for at, text in enumerate(texts)}
        left, right = np.array([(row[pair.text_a], row[pair.text_b]) for pair in pairs]).T
        exact: NDArray[np.float64] | None = None
        for model, encode in encoders.items():
            talk(f"correlation: {model}, {name}")
            vectors = encode(texts)
            cosines = np.einsum("ij,ij->i", vectors[left], vectors[right], dtype=np.float64)
            exact = cosines if exact is None else exact
            moved.setdefault(name, {})[model] = float(np.abs(cosines - exact).max())
            found.setdefault(name, {})[model] = agreement(cosines, [float(pair.score or 0) for pair in pairs])
    report.figures["correlation"] = {
        name: {model: asdict(row) for model, row in by_model.items()} for name, by_model in found.items()
    }
    report.figures["cosine_moved"] = moved
    report.table(
        f"agreement with people, and the most that the cosine of a pair differs from {PEER}",
        ("data set", "model", "pairs", "Pearson", "Spearman", "moved"),
        [
            (
                name,
                model,
                f"{row.n:,}",
                f"{row.pearson:.4f}",
                f"{row.spearman:.4f}",
                f"{moved[name][model]:.4f}",
            )
            for name, by_model in found.items()
            for model, row in by_model.items()
        ],
    )
    for name, targets in PUBLISHED.items() if complete else ():
        for measure, target in targets.items():
            distance = abs(getattr(found[name]["float32"], measure) - target)
            report.bar(f"{name} {measure.title()}, float32, away from {target}", distance, "<", 0.001)
    loss = abs(found["SICK"]["int8"].pearson - found["SICK"]["float32"].pearson)
    report.bar("SICK Pearson, int8, away from float32", loss, "<=", 0.002)
    if "bfloat16" in found["STS-B test"]:
        loss = abs(found["STS-B test"]["bfloat16"].pearson - found["STS-B test"]["float32"].pearson)
        report.bar("STS-B Pearson, bfloat16, away from float32", loss, "<=", 0.001)


def throughput(
    report: Report,
    runs: Mapping[tuple[str, str], Timing],
    lengths: Mapping[str, NDArray[np.int64]],
    peak: float,
) -> None:
    """Report the texts per second of each encoder, and its share of the machine's `peak` in FLOP/s."""
    report.figures["peak_gflops"] = peak / 1e9
    for kind, tokens in lengths.items():
        rate_of = {name: len(run.result) / run.median for (name, of), run in runs.items() if of == kind}
        work = flops(tokens) / len(tokens)
        figures = {
            name: {
                "texts": len(runs[name, kind].result),
                "seconds": runs[name, kind].seconds,
                "texts_per_second": rate,
                "ratio": rate / rate_of[PEER],
                # Products of other types have other peaks.
                "share_of_peak": rate * work / peak if name not in OTHER_TYPES else None,
            }
            for name, rate in rate_of.items()
        }
        ceiling = peak / work / rate_of[PEER]
        report.figures.setdefault("throughput", {})[kind] = figures
        report.figures.setdefault("ratio_at_peak", {})[kind] = ceiling
        rows = [
            (
                name,
                f"{row['texts']:,}",
                f"{row['texts_per_second']:,.1f}",
                f"{row['ratio']:.2f}",
                "-" if row["share_of_peak"] is None else f"{row['share_of_peak']:.0%}",
            )
            for name, row in figures.items()
        ]
        report.table(
            f"{kind}, {tokens.mean():.0f} tokens and {work / 1e9:.2f} GFLOP each on average;"
            f" float32 peak {peak / 1e9:.0f} GFLOP/s (NumPy, {PRODUCT}^3)",
            ("encoder", "texts", f"{kind}/s", f"x {PEER}", "of peak"),
            [*rows, ("float32 at its peak", "", f"{peak / work:,.1f}", f"{ceiling:.2f}", "100%")],
        )
        report.bar(f"float32 / {PEER}, {kind}", rate_of["float32"] / rate_of[PEER], ">=", 2.5)
        if "bfloat16" in rate_of:
            report.bar(f"bfloat16 / {PEER}, {kind}", rate_of["bfloat16"] / rate_of[PEER], ">=", 4)
        if kind == "sentences":
            report.bar(f"int8 / {PEER}, {kind}", rate_of["int8"] / rate_of[PEER], ">=", 4)


def batches(report: Report, encoders: Mapping[str, Encode], texts: Sequence[str]) -> None:
    """Compare vectors of texts that were embedded together with those of the same texts alone."""
    rows = []
    for name, encode in encoders.items():
        together, alone = encode(texts), np.concatenate([encode([text]) for text in texts])
        worst = float(np.einsum("ij,ij->i", together, alone).min())
        differ = int(np.sum(np.abs(together - alone).max(axis=1) > 1e-6))
        report.figures.setdefault("alone", {})[name] = {"differ": differ, "worst": worst}
        rows.append((name, f"{len(texts):,}", f"{differ:,}", f"{worst:.7f}"))
    report.table("texts alone and in batches", ("encoder", "texts", "differ", "worst cosine"), rows)


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument(
        "--sentences",
        type=int,
        metavar="N",
        help="SICK sentences for parity and throughput (default: all distinct)",
    )
    parser.add_argument(
        "--passages", type=int, default=300, metavar="N", help="passages of 200 tokens (default 300)"
    )
    parser.add_argument(
        "--pairs", type=int, metavar="N", help="pairs of each set for the correlations (default: all)"
    )
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="compare the time of the processor, for a busy machine, with OMP_NUM_THREADS=1",
    )
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    sets = {
        name: load_pairs(str(need(options.data / file))).pairs
        for name, file in (("STS-B test", "stsb/stsb-en-test.csv"), ("SICK", "sick/SICK.txt"))
    }
    texts = {
        "sentences": texts_of(sets["SICK"])[: options.sentences],
        "passages": cut_passages(need(options.data / "scifact" / "corpus.jsonl"), options.passages),
    }
    report = Report("encode", options)

    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(weights_folder()), device="cpu")
    exact = load_embedder()
    ours: dict[str, Encode] = {"float32": exact.embed, "int8": load_embedder(dtype="int8").embed}
    encoders: dict[str, Encode] = {PEER: lambda texts: model.encode(list(texts), batch_size=BATCH)}
    if has_bfloat16():
        short = SentenceTransformer(str(weights_folder()), device="cpu").bfloat16()
        ours["bfloat16"] = load_embedder(dtype="bfloat16").embed
        encoders[SHORT_PEER] = partial(encode_short, short)
    encoders |= ours
    products: list[float] = []
    square = np.random.default_rng(0).random((PRODUCT, PRODUCT), np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        chroma, graph = chroma_function(Path(temporary))
        tasks: dict[tuple[str, str], Callable[[], Any]] = {
            ("peak", "product"): lambda: products.append(best_product(square, clock))
        }
        for kind, rows in texts.items():
            for name, encode in encoders.items():
                tasks[name, kind] = partial(encode, rows)
            # It pads every text to 256 tokens. Its rate does not depend on the texts, so a few are enough.
            tasks[f"chromadb, {graph}", kind] = partial(chroma, rows[:BATCH])
        for encode in (*encoders.values(), chroma):
            encode(texts["sentences"][:BATCH])
        runs = interleave(tasks, options.repeats, clock)
    del runs["peak", "product"]
    parity(report, runs)
    judged = {name: pairs[: options.pairs] for name, pairs in sets.items()}
    correlations(report, judged, encoders, complete=judged == sets)
    lengths = {kind: count_tokens(exact, rows)[0] + SPECIAL_TOKENS for kind, rows in texts.items()}
    throughput(report, runs, lengths, 2 * PRODUCT**3 / min(products))
    batches(report, ours, texts["sentences"][:ALONE])
    report.close()


if __name__ == "__main__":
    main()
