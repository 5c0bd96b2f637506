"""Adapt a model to labelled pairs or to the structure of an index, and judge whether the adapted one is better.

Examples that belong together stay together: pairs that share a text, sections of one document. A third is held out. On
the rest the learning rate and the epochs are chosen by cross-validation, and the adapter is trained once more. Its
strength, a factor from 0 to 1 (Wortsman et al. 2022, arXiv:2109.01903), is the largest at which pairs of a public data
set, the guard, lose next to nothing. The result is judged on the held-out examples and on other pairs of the guard. It
is adopted only where cross-validation finds a gain too, the 95% interval of the gain is above 0, and no guard loses
`MOST_LOST` or more.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder, embed_checked
from semsearch.embedding.adapter import Factors, adapted, save_adapter
from semsearch.embedding.model_files import ModelFiles
from semsearch.embedding.onnx import OnnxEmbedder, can_have_other_dtypes, graph_folder
from semsearch.errors import InvalidInput, ModelError
from semsearch.files import temporary_files
from semsearch.tuning import structure
from semsearch.tuning.adapt_tasks import Guard, Task, guards_of, task_of
from semsearch.tuning.lora import LONGEST, Embed, Trainer
from semsearch.tuning.metrics import Estimate
from semsearch.tuning.pairs import PairSet
from semsearch.tuning.structure import Sections

MOST_LOST = 0.005
"""The loss of a guard from which on an adapter is not adopted."""
RATES = (1e-4, 3e-4)
EPOCHS = 2
"""The learning rates and the most epochs that cross-validation compares. A rate of 1e-3 ruined models in trials."""
_FOLDS = 2
_STRENGTHS = (1.0, 0.7, 0.5, 0.35, 0.25)
_Floats = NDArray[np.float64]
_MARGIN = 0.6
"""The share of `MOST_LOST` that a guard may lose where the strength is chosen."""
_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The quality of two models on the same pairs, and the gain, with 95% intervals by a bootstrap over clusters.

    `measure` is "average precision", "rank correlation" where the pairs are graded, or "MRR" of headings and texts.
    """

    name: str
    measure: str
    pairs: int
    before: Estimate
    after: Estimate
    gain: Estimate


@dataclass(frozen=True, slots=True)
class AdaptTrial:
    """The quality in cross-validation of a learning rate and a number of epochs; 0 of both: not trained.

    The quality has its 95% interval.
    """

    rate: float
    epochs: int
    quality: Estimate


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The result of training an adapter. `reason` says why it is not `adopted`, and is empty otherwise.

    `model` is the name of the adapted model. `trained_on` is the number of pairs; `held_out` and `guards` compare it
    with the model before. `rate`, `epochs` and `strength` were chosen, the first two among the `trials`.
    """

    model: str
    adopted: bool
    reason: str
    trained_on: int
    held_out: ModelComparison
    guards: tuple[ModelComparison, ...]
    rate: float
    epochs: int
    strength: float
    trials: tuple[AdaptTrial, ...]


def adapt(
    pairs: PairSet | Sections,
    embedder: Embedder,
    *,
    rule: str | None = None,
    seed: int = 0,
    guard: bool = True,
    rates: Sequence[float] = (),
    epochs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Adaptation, Factors]:
    """Train an adapter of a model on labelled pairs, or on headings and texts; return what came out, and the adapter.

    `rule` says which pairs are duplicates, see `PairSet.default_rule`. Without `guard` the adapter is judged on the
    held-out pairs alone. `progress` is called with the pairs trained on so far, and all. Nothing is saved.

    Raises `InvalidInput` for a model that has no layers to adapt, for too few pairs, and where no guard is on this
    machine; `MissingExtra` without the extra `models`.
    """
    files = files_of(embedder)
    task = task_of(pairs, rule)
    usual = (
        (structure.RATES, structure.EPOCHS, structure.LONGEST)
        if isinstance(pairs, Sections)
        else (RATES, EPOCHS, LONGEST)
    )
    rates, epochs, longest = rates or usual[0], epochs or usual[1], usual[2]
    everything = np.arange(len(task.groups))
    parts = task.folds(everything, 3, seed)
    rest, held = np.flatnonzero(parts != 0), np.flatnonzero(parts == 0)
    inner = task.folds(rest, _FOLDS, seed)
    guards = guards_of(task, rest) if guard else []
    trainer = Trainer(files, longest)
    steps = [task.examples.some(rest[inner != fold]).per_epoch for fold in range(_FOLDS)]
    total = epochs * (len(rates) * sum(steps) + task.examples.some(rest).per_epoch)
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(min(done, total), total)

    trials = _cross_validated(trainer, task, rest, inner, rates, epochs, seed, tell)
    plain, best = trials[0], max(trials[1:], key=lambda trial: trial.quality.value)
    factors = trainer.train(task.examples.some(rest), best.rate, best.epochs, seed=seed, progress=tell)
    if not all(np.isfinite(factor).all() for factor in factors.values()):
        raise ModelError(
            f"training at a rate of {best.rate:g} ruined the model", "use a lower rate, or the usual ones"
        )
    strength = _strength(trainer, embedder, factors, guards)
    factors = _scaled(factors, strength)
    with temporary_files(), tempfile.TemporaryDirectory(prefix="semsearch-") as folder:
        made = adapted(files, save_adapter(Path(folder) / "adapter.safetensors", factors))
        try:
            after = OnnxEmbedder(made, embedder.fingerprint.dtype, embedder.fingerprint.dimension)
            found = _compared(task, held, embedder, after, seed)
            judged = tuple(_compared(one.task, one.judge, embedder, after, seed) for one in guards)
        except BaseException:
            discard_graphs(made)
            raise
    reason = _reason(best.quality.value - plain.quality.value, found, judged)
    if reason:
        discard_graphs(made)
    return (
        Adaptation(
            made.name,
            not reason,
            reason,
            len(rest),
            found,
            judged,
            best.rate,
            best.epochs,
            strength,
            tuple(trials),
        ),
        factors,
    )


def files_of(embedder: Embedder) -> ModelFiles:
    """Return the files of a model whose layers can be adapted. Raises `InvalidInput` for any other."""
    name = embedder.fingerprint.model
    if not isinstance(embedder, OnnxEmbedder) or not can_have_other_dtypes(embedder.files):
        raise InvalidInput(
            f"{name} cannot be adapted: only models whose layers semsearch runs itself can",
            "semsearch models lists them",
        )
    return embedder.files


def discard_graphs(files: ModelFiles) -> None:
    """Remove the graphs of a model from the cache."""
    shutil.rmtree(graph_folder(files), ignore_errors=True)


def _cross_validated(
    trainer: Trainer,
    task: Task,
    rest: NDArray[np.intp],
    inner: NDArray[np.int64],
    rates: Sequence[float],
    epochs: int,
    seed: int,
    tell: Callable[[int], None],
) -> list[AdaptTrial]:
    """Return the mean quality on the folds that were left out: first untrained, then of each rate and epoch."""
    settings = [(0.0, 0), *((rate, epoch + 1) for rate in rates for epoch in range(epochs))]
    quality, drawn = np.zeros(len(settings)), np.zeros((_RESAMPLES, len(settings)))
    for fold in range(_FOLDS):
        left_out = rest[inner == fold]
        values = [task.values(left_out, trainer.embed)]

        def judge(
            epoch: int, embed: Embed, rows: NDArray[np.intp] = left_out, values: list[_Floats] = values
        ) -> None:
            values.append(task.values(rows, embed))

        for rate in rates:
            some = task.examples.some(rest[inner != fold])
            trainer.train(some, rate, epochs, seed=seed, after_epoch=judge, progress=tell)
        # Not a number: the rate has ruined the model.
        quality += np.nan_to_num([task.summary(one, left_out) for one in values]) / _FOLDS
        drawn += np.nan_to_num(_drawn(task, left_out, values, seed)) / _FOLDS
    return [
        AdaptTrial(*setting, _estimate(value, some))
        for setting, value, some in zip(settings, quality, drawn.T, strict=True)
    ]


def _strength(trainer: Trainer, embedder: Embedder, factors: Factors, guards: Sequence[Guard]) -> float:
    """Return the largest strength at which no guard loses much on the pairs to choose on, or the smallest one."""

    def qualities(embed: Embed) -> NDArray[np.float64]:
        return np.array([one.task.summary(one.task.values(one.choose, embed), one.choose) for one in guards])

    if not guards:
        return 1.0
    before = qualities(partial(embed_checked, embedder))
    for strength in _STRENGTHS[:-1]:
        after = qualities(partial(trainer.embed, factors=_scaled(factors, strength)))
        if np.all(before - after < _MARGIN * MOST_LOST):
            return strength
    return _STRENGTHS[-1]


def _scaled(factors: Factors, strength: float) -> Factors:
    return {
        name: factor * np.float32(strength) if name.endswith("B") else factor
        for name, factor in factors.items()
    }


def _compared(
    task: Task, rows: NDArray[np.intp], before: Embedder, after: Embedder, seed: int
) -> ModelComparison:
    """Compare two models on examples."""
    values = [task.values(rows, partial(embed_checked, one)) for one in (before, after)]
    old, new = (task.summary(one, rows) for one in values)
    drawn = _drawn(task, rows, values, seed)
    return ModelComparison(
        task.name,
        task.measure,
        len(rows),
        _estimate(old, drawn[:, 0]),
        _estimate(new, drawn[:, 1]),
        _estimate(new - old, drawn[:, 1] - drawn[:, 0]),
    )


def _drawn(task: Task, rows: NDArray[np.intp], values: Sequence[_Floats], seed: int) -> _Floats:
    """Return the quality by each of some models' values on each bootstrap sample, [samples, models]."""
    groups = task.groups[rows]
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    random = np.random.default_rng(seed)

    found = np.empty((_RESAMPLES, len(values)))
    for at in range(_RESAMPLES):
        some = np.concatenate([members[one] for one in random.integers(len(members), size=len(members))])
        found[at] = [task.summary(one[some], rows[some]) for one in values]
    return found


def _estimate(value: float, drawn: _Floats) -> Estimate:
    low, high = np.nanquantile(drawn, [0.025, 0.975])  # a sample of one class cannot tell
    return Estimate(float(value), float(low), float(high))


def _reason(expected: float, found: ModelComparison, guards: Sequence[ModelComparison]) -> str:
    """Return why an adapter is not adopted, or nothing. `expected` is the gain in cross-validation."""
    if expected <= 0:
        return f"cross-validation finds no gain: {expected:+.3f}"
    if found.gain.low <= 0:
        return f"the gain on held-out pairs may be none: its interval begins at {found.gain.low:+.3f}"
    lost = [one for one in guards if -one.gain.value >= MOST_LOST]
    return f"{lost[0].name} loses {-lost[0].gain.value:.3f}, and {MOST_LOST} is too much" if lost else ""
