"""bfloat16 on OpenVINO: it reads the float32 graph that runs on ONNX Runtime, which has no bfloat16 on a processor.

bfloat16 has the exponent of float32 and 8 bits of precision (Kalamkar et al. 2019, arXiv:1905.12322). A processor with
AVX512-BF16 multiplies it twice as fast as float32, one with AMX 16 times. Sums and normalisations stay in float32.
"""

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch import threads
from semsearch.embedding import Embedder
from semsearch.errors import extra
from semsearch.files import replacing

_CPU_INFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
_GAIN = 1.2
"""The least ratio of speeds, bfloat16 to float32, for `faster_dtype` to choose bfloat16."""
_SPEEDS = "speeds.json"
_PROBE = ["a cat sat on the mat " * 20] * 8
"""Texts to measure the speed with: about 1,000 tokens, one full batch."""
_ROUNDS = 3


class BFloat16Session:
    """A graph in bfloat16, which `run` computes as an ONNX Runtime session would.

    On a processor without bfloat16 the arithmetic is float32: the vectors of such a session have a cosine of at least
    0.9998 with those of bfloat16 (`benchmarks/encode.py`). Raises `MissingExtra` without OpenVINO, and OpenVINO's own
    `RuntimeError` for a graph that it cannot load.
    """

    def __init__(self, graph: str | bytes) -> None:
        core = _openvino().Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if has_bfloat16() else "f32",
            "INFERENCE_NUM_THREADS": threads.cores(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # two processes would share one core and leave the other idle
        }
        model = core.read_model(io.BytesIO(graph) if isinstance(graph, bytes) else graph)
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._lock = threading.Lock()

    def run(self, _: None, inputs: Mapping[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Return the outputs of the graph."""
        with self._lock:  # a request serves one thread, and uses all cores
            self._request.infer(dict(inputs), share_inputs=True)
            return [np.array(output.data) for output in self._request.output_tensors]


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 itself.

    OpenVINO also names processors that it emulates bfloat16 on. Where the system lists the processor's instructions,
    they decide.
    """
    try:
        with _CPU_INFO.open(encoding="utf-8", errors="replace") as lines:  # each processor has some
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return not _INSTRUCTIONS.isdisjoint(flags.split())


def faster_dtype(folder: Path, load: Callable[[str], Embedder]) -> str:
    """Return "bfloat16" where it is at least `_GAIN` times as fast as float32 here, else "float32".

    `load` returns a model in a dtype. It is measured once a version, processor and number of threads: the result is
    kept in `folder`. Without OpenVINO, or without bfloat16 in the processor, nothing is measured.
    """
    if find_spec("openvino") is None or not has_bfloat16():
        return "float32"
    versions = [f"{name} {version(name)}" for name in ("openvino", "onnxruntime")]
    here = ", ".join([*versions, _processor(), f"{threads.cores()} threads"])
    speeds = _read_speeds(folder / _SPEEDS)
    if here not in speeds:
        speeds[here] = _measured_gain(load)
        with suppress(OSError):  # without a cache it is measured at each start
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / _SPEEDS) as file:
                file.write(json.dumps(speeds, indent=1).encode())
    return "bfloat16" if speeds[here] >= _GAIN else "float32"


def _openvino() -> Any:
    """Import OpenVINO without the package that reports each import to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with extra("fast", "bfloat16"):
        import openvino
    return openvino


def _processor() -> str:
    return str(_openvino().Core().get_property("CPU", "FULL_DEVICE_NAME"))


def _read_speeds(path: Path) -> dict[str, float]:
    """Return what was measured earlier, or nothing where the file is absent or damaged."""
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads(path.read_bytes()).items()
        return {here: gain for here, gain in found if isinstance(gain, float)}
    return {}


def _measured_gain(load: Callable[[str], Embedder]) -> float:
    """Return how many times as fast as float32 bfloat16 is: the best of a few rounds of each, in turn."""
    best: dict[str, float] = {}
    models = {dtype: load(dtype) for dtype in ("float32", "bfloat16")}
    for number in range(_ROUNDS + 1):
        for dtype, model in models.items():
            started = time.perf_counter()
            model.embed(_PROBE)
            if number:  # the first round allocates
                best[dtype] = min(best.get(dtype, float("inf")), time.perf_counter() - started)
    return best["float32"] / best["bfloat16"]
