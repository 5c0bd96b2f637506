"""The routes of `/api/v1` for texts that need not be in the index: embed them, and compare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from semsearch import serialize
from semsearch.answers import ComparisonAnswer, TriageFound
from semsearch.classification.rules import parse_rules
from semsearch.classification.triage import PROMISE, triage
from semsearch.embedding import Kind, Token, tokens_of
from semsearch.errors import InvalidInput, extra
from semsearch.server.context import API, Context
from semsearch.server.embeddings import Models, json_of_vectors, public_name, require_sizes
from semsearch.server.operations import Operation

with extra("server", "the server"):
    from starlette.responses import Response
    from starlette.routing import Route

MOST_COMPARED = 50
"""Texts of one matrix."""
MOST_LABELS = 200
"""Different labels of one call: the time of training grows with them."""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to embed.

    Args:
        texts: The texts.
        kind: What they are, for models that embed questions and passages differently.
        tokens: Whether to show the tokens of each text.
    """

    texts: Sequence[str]
    kind: Kind = "passage"
    tokens: bool = True


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """Texts to compare with each other, at most 50."""

    texts: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.texts) > MOST_COMPARED:
            raise InvalidInput(
                f"there are {len(self.texts):,} texts, of at most {MOST_COMPARED}", "send fewer of them"
            )


class MatrixAnswer(TypedDict):
    """The cosine of each text with each, a row for each text."""

    similarities: list[list[float]]


class EmbedAnswer(TypedDict):
    """The unit vector of each text, and its tokens unless they were not asked for."""

    model: str
    dimensions: int
    vectors: list[list[float]]
    tokens: NotRequired[list[list[Annotated[dict[str, Any], Token]]]]


@dataclass(frozen=True, slots=True)
class TextsRequest:
    """Two texts to compare."""

    a_text: str
    b_text: str

    def __post_init__(self) -> None:
        require_sizes((self.a_text, self.b_text))


@dataclass(frozen=True, slots=True)
class TriageRequest:
    """Texts to label, and examples.

    Args:
        texts: The texts to label.
        examples: The texts that have labels.
        labels: The label of each example.
        promise: The share of the sure labels of texts like the examples that shall be right.
        rules: Rules that decide first, in TOML as in a file of rules, but without `pattern`.
    """

    texts: Sequence[str]
    examples: Sequence[str]
    labels: Sequence[str]
    promise: float = PROMISE
    rules: str = ""

    def __post_init__(self) -> None:
        require_sizes((*self.texts, *self.examples, *self.labels, *filter(None, [self.rules])))
        if len(set(self.labels)) > MOST_LABELS:
            raise InvalidInput(f"there are {len(set(self.labels)):,} labels, of at most {MOST_LABELS}")
        if len(self.examples) != len(self.labels):
            raise InvalidInput(f"there are {len(self.examples):,} examples and {len(self.labels):,} labels")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    texts = _Texts(context)
    operations = [
        Operation("POST", f"{API}/embed", texts.embed),
        Operation("POST", f"{API}/matrix", texts.matrix),
        Operation("POST", f"{API}/compare", texts.compare, heavy=True),
        Operation("POST", f"{API}/triage", texts.triage, heavy=True),
    ]
    return [operation.route(context) for operation in operations]


class _Texts:
    """Embed and compare texts from outside. Nothing of them is kept."""

    def __init__(self, context: Context) -> None:
        self._context, self._models = context, Models(context)

    async def embed(self, request: EmbedRequest) -> Annotated[Response, EmbedAnswer]:
        """Return the vector of each text, and its tokens, of which the model may not know some."""
        found = await self._models.embed(request.texts, request.kind)
        embedder = await self._models.embedder()

        def answer() -> Response:
            shown: dict[str, Any] = {
                "model": public_name(embedder.fingerprint.model),
                "dimensions": embedder.fingerprint.dimension,
                "vectors": list(found.vectors),
            }
            if request.tokens:
                shown["tokens"] = [
                    [token._asdict() for token in tokens_of(embedder, text)] for text in request.texts
                ]
            return json_of_vectors(shown)

        return await self._context.call_heavy(answer)

    async def matrix(self, request: MatrixRequest) -> MatrixAnswer:
        """Return the cosine of each text with each."""
        vectors = (await self._models.embed(request.texts)).vectors
        return {"similarities": (vectors @ vectors.T).clip(-1, 1).tolist()}

    def compare(self, request: TextsRequest) -> ComparisonAnswer:
        """Return how similar two texts are, whether they count as near-duplicates and why, and where they differ."""
        return serialize.comparison_json(self._context.index.compare_texts(request.a_text, request.b_text))

    def triage(self, request: TriageRequest) -> TriageFound:
        """Label texts by examples, and say of which labels to be sure. A name is the position of a text, from 0."""
        examples = zip(request.examples, request.labels, strict=True)
        rules = parse_rules(request.rules.encode(), "rules", patterns=False) if request.rules else None
        embedder = self._context.index.embedder
        return serialize.triage_json(
            triage(examples, request.texts, promise=request.promise, rules=rules, embedder=embedder)
        )
