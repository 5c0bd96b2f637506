"""Train a low-rank adapter of a model with PyTorch and peft (Hu et al. 2021, arXiv:2106.09685).

The encoder is built from the same tensors that the graph is written from, so every model whose layers are known can be
trained, and what is trained is what runs.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from semsearch import threads
from semsearch.embedding import Kind, Vectors
from semsearch.embedding.adapter import Factors
from semsearch.embedding.four_bit import FourBitMatrix
from semsearch.embedding.model_files import ModelFiles
from semsearch.errors import ModelError, extra, reason_of
from semsearch.tuning.structure import Sections

if TYPE_CHECKING:
    from torch import Tensor

RANK = 16
"""The rank of an adapter."""
_SCALE = 20.0
"""The factor of cosines in the loss, as in sentence-transformers."""
_BATCH = 32
"""Pairs of a step."""
_WARMUP = 5
"""The steps in which the rate rises to its full value, where it stays: then k epochs are the first k of more."""
LONGEST = 128
"""Tokens of a text that is trained on: the time of a step grows with the longest one."""

Embed = Callable[[Sequence[str], Kind], Vectors]


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled pairs to train on: `pairs`, int64 [n, 2], of rows of `texts`, and which are duplicates, bool [n]."""

    texts: Sequence[str]
    pairs: NDArray[np.int64]
    positive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def per_epoch(self) -> int:
        """The number of pairs that an epoch trains on: all."""
        return len(self)

    def some(self, rows: NDArray[np.intp]) -> "Examples":
        """Return some of the pairs."""
        return Examples(self.texts, self.pairs[rows], self.positive[rows])

    def all_texts(self) -> Iterator[str]:
        """Yield the texts of the pairs."""
        yield from (self.texts[at] for at in np.unique(self.pairs))


class Trainer:
    """Trains adapters of one model on texts of at most `longest` tokens.

    Raises `MissingExtra` without the extra `models`, and `ModelError`.
    """

    def __init__(self, files: ModelFiles, longest: int = LONGEST, what: str = "adapt") -> None:
        with extra("models", what), warnings.catch_warnings(action="ignore"), _waiting_quietly():
            import peft
            import torch
            import transformers
        self._peft, self._torch, self._transformers = peft, torch, transformers
        self._files = files
        self._tokenizer = Tokenizer.from_str(files.tokenizer().decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(files.window, longest))
        self._tensors = {
            name: tensor.dequantised() if isinstance(tensor, FourBitMatrix) else np.asarray(tensor)
            for name, tensor in files.tensors().items()
        }
        self._dense = [
            (
                torch.tensor(self._tensors[layer.weight]),
                torch.tensor(self._tensors[layer.bias]) if layer.bias else None,
                layer.activation,
            )
            for layer in files.dense
        ]

    def train(
        self,
        examples: Examples | Sections,
        rate: float,
        epochs: int,
        *,
        seed: int = 0,
        after_epoch: Callable[[int, Embed], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Factors:
        """Return the adapter after `epochs` passes over the examples at a learning rate.

        The same arguments give the same adapter on the same machine. `after_epoch` is called with the number of
        epochs done, and what embeds texts with the adapter as it is then. `progress` is called with the number of
        examples done since the last call.
        """
        torch = self._torch
        with torch.random.fork_rng(devices=[]), torch_threads(torch):
            torch.manual_seed(seed)
            model = self._model()
            weights = [weight for weight in model.parameters() if weight.requires_grad]
            optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
            negatives = examples.hard_negatives() if isinstance(examples, Sections) else None
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: min(1.0, (step + 1) / _WARMUP)
            )
            order = np.random.default_rng(seed)
            for epoch in range(epochs):
                shuffled = order.permutation(len(examples))[: examples.per_epoch]
                for start in range(0, len(shuffled), _BATCH):
                    some = shuffled[start : start + _BATCH]
                    if isinstance(examples, Examples):
                        loss = self._order_loss(model, examples.some(some))
                    else:
                        assert negatives is not None
                        loss = self._contrast_loss(model, examples, some, negatives[some])
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    torch.nn.utils.clip_grad_norm_(weights, 1.0)
                    optimizer.step()
                    schedule.step()
                    if progress is not None:
                        progress(len(some))
                if after_epoch is not None:
                    with torch.no_grad():
                        after_epoch(epoch + 1, lambda texts, kind: self._vectors(model, texts, kind).numpy())
            return factors_of(model)

    def embed(self, texts: Sequence[str], kind: Kind, factors: Factors | None = None) -> Vectors:
        """Return unit vectors of texts by the model, with an adapter if there is one, float32 [n, dimension]."""
        torch = self._torch
        with torch.no_grad(), torch.random.fork_rng(devices=[]), torch_threads(torch):
            model = self._model()
            for name, module in model.base_model.model.named_modules():
                if factors is not None and hasattr(module, "lora_A"):
                    module.lora_A["default"].weight.copy_(torch.from_numpy(factors[f"{name}.lora_A"]))
                    module.lora_B["default"].weight.copy_(torch.from_numpy(factors[f"{name}.lora_B"]))
            found: Vectors = self._vectors(model, texts, kind).numpy()
        return found

    def _order_loss(self, model: Any, examples: Examples) -> "Tensor":
        """Return the loss of CoSENT: log(1 + sum(exp(other - duplicate))) over the cosines of all two such pairs."""
        torch = self._torch
        texts = [examples.texts[at] for at in examples.pairs.T.ravel().tolist()]
        left, right = self._vectors(model, texts, "passage").chunk(2)
        cosines = _SCALE * (left * right).sum(dim=1)
        positive = torch.from_numpy(examples.positive)
        apart = cosines[~positive][None, :] - cosines[positive][:, None]
        loss: Tensor = torch.logsumexp(torch.cat([torch.zeros(1), apart.flatten()]), dim=0)
        return loss

    def _contrast_loss(
        self, model: Any, sections: Sections, rows: NDArray[np.intp], negatives: NDArray[np.intp]
    ) -> "Tensor":
        """Return the loss of InfoNCE (van den Oord et al. 2018, arXiv:1807.03748): each heading is to find its text.

        The others are the texts of the batch and one hard negative for each; those of the heading's own group do not
        count, since they may answer it as well.
        """
        torch = self._torch
        some, others = sections.some(rows), sections.some(negatives)
        headings = self._vectors(model, some.headings, "query")
        texts = self._vectors(model, [*some.texts, *others.texts], "passage")
        same = some.groups[:, None] == np.concatenate([some.groups, others.groups])
        same[np.arange(len(rows)), np.arange(len(rows))] = False
        cosines = (_SCALE * headings @ texts.T).masked_fill(torch.from_numpy(same), -torch.inf)
        loss: Tensor = torch.nn.functional.cross_entropy(cosines, torch.arange(len(rows)))
        return loss

    def _vectors(self, model: Any, texts: Sequence[str], kind: Kind) -> "Tensor":
        """Return unit vectors [texts, dimension], computed longest first in batches of little padding."""
        torch = self._torch
        prompt = self._files.prompts.get(kind, "")
        ids = [found.ids for found in self._tokenizer.encode_batch([prompt + text for text in texts])]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        parts = []
        for start in range(0, len(order), 2 * _BATCH):
            rows = [ids[at] for at in order[start : start + 2 * _BATCH]]
            width = max(map(len, rows))
            tokens = torch.zeros(len(rows), width, dtype=torch.long)
            mask = torch.zeros(len(rows), width, dtype=torch.long)
            for at, row in enumerate(rows):
                tokens[at, : len(row)] = torch.tensor(row)
                mask[at, : len(row)] = 1
            parts.append(self._pooled(model(input_ids=tokens, attention_mask=mask).last_hidden_state, mask))
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        vectors: Tensor = torch.cat(parts)[back]
        return vectors

    def _pooled(self, hidden: "Tensor", mask: "Tensor") -> "Tensor":
        torch = self._torch
        real = mask[:, :, None].to(hidden.dtype)
        if self._files.pooling == "cls":
            x = hidden[:, 0]
        elif self._files.pooling == "max":
            x = hidden.masked_fill(real == 0, -1e9).amax(dim=1)
        else:
            x = (hidden * real).sum(dim=1) / real.sum(dim=1)
        for weight, bias, activation in self._dense:
            x = torch.nn.functional.linear(x, weight, bias)
            if activation:
                x = getattr(torch, activation.lower())(x)
        unit: Tensor = torch.nn.functional.normalize(x, dim=1)
        return unit

    def _model(self) -> Any:
        """Return the encoder with its own weights and a new adapter."""
        torch, files = self._torch, self._files
        with warnings.catch_warnings(action="ignore"):
            model = self._encoder()
            wanted = model.state_dict()
            if missing := wanted.keys() - self._tensors.keys():
                raise ModelError(f"the weights of {files.name} have no {min(missing)}")
            try:
                model.load_state_dict(
                    {name: torch.tensor(np.array(self._tensors[name], np.float32)) for name in wanted}
                )
            except RuntimeError as error:
                raise ModelError(f"the weights of {files.name} do not fit: {reason_of(error)}") from error
            config = self._peft.LoraConfig(
                r=RANK, lora_alpha=RANK, lora_dropout=0.0, target_modules=self._adapted(model)
            )
            return self._peft.get_peft_model(model.eval(), config)

    def _adapted(self, model: Any) -> list[str]:
        """Return the names of the linear layers in the upper half of an encoder: a step costs two thirds of all."""
        names = (name for name, one in model.named_modules() if isinstance(one, self._torch.nn.Linear))
        return [
            name
            for name in names
            if (found := re.search(r"layer\.(\d+)\.", name))
            and int(found[1]) >= self._files.encoder.layers // 2
        ]

    def _encoder(self) -> Any:
        """Return an encoder of the shape that the tensors have."""
        encoder, tensors, library = self._files.encoder, self._tensors, self._transformers
        vocabulary = len(tensors["embeddings.word_embeddings.weight"])
        positions = len(tensors["embeddings.position_embeddings.weight"])
        if encoder.architecture == "distilbert":
            return library.DistilBertModel(
                library.DistilBertConfig(
                    vocab_size=vocabulary,
                    dim=encoder.width,
                    n_layers=encoder.layers,
                    n_heads=encoder.heads,
                    hidden_dim=len(tensors["transformer.layer.0.ffn.lin1.weight"]),
                    max_position_embeddings=positions,
                    activation=encoder.activation,
                )
            )
        shape = {
            "vocab_size": vocabulary,
            "hidden_size": encoder.width,
            "num_hidden_layers": encoder.layers,
            "num_attention_heads": encoder.heads,
            "intermediate_size": len(tensors["encoder.layer.0.intermediate.dense.weight"]),
            "max_position_embeddings": positions,
            "hidden_act": encoder.activation,
            "layer_norm_eps": encoder.epsilon,
        }
        if encoder.architecture == "mpnet":
            return library.MPNetModel(library.MPNetConfig(**shape), add_pooling_layer=False)
        shape["type_vocab_size"] = len(tensors["embeddings.token_type_embeddings.weight"])
        if encoder.architecture == "roberta":
            shape["pad_token_id"] = encoder.first_position - 1
            return library.XLMRobertaModel(library.XLMRobertaConfig(**shape), add_pooling_layer=False)
        return library.BertModel(library.BertConfig(**shape), add_pooling_layer=False)


def factors_of(model: Any) -> Factors:
    """Return the two factors of each adapted matrix. The scale of the adapter is 1, since alpha is its rank."""
    found: dict[str, NDArray[np.float32]] = {}
    for name, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            found[f"{name}.lora_A"] = module.lora_A["default"].weight.detach().numpy().copy()
            found[f"{name}.lora_B"] = module.lora_B["default"].weight.detach().numpy().copy()
    return found


@contextmanager
def _waiting_quietly() -> Iterator[None]:
    """Have threads of a library that is loaded in the block sleep while they wait, unless a variable says otherwise.

    Threads that spin take processors from what else runs: on a busy machine 96 pairs took 7.9 s of processor time with
    spinning and 2.8 s without, and 18.5 and 7.1 s of time.
    """
    name = "OMP_WAIT_POLICY"
    given = name in os.environ
    os.environ.setdefault(name, "PASSIVE")
    try:
        yield
    finally:
        if not given:
            del os.environ[name]


@contextmanager
def torch_threads(torch: Any) -> Iterator[None]:
    """Have PyTorch use as many threads as `semsearch.threads` says, in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads.cores() or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
