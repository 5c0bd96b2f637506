"""Train a cross-encoder on labelled pairs with PyTorch and peft: the model with an adapter in all layers, and a head.

It learns the label and, where all pairs have them, the grade and the kind. Each pair is read in one of its two orders,
by chance. Where the processor computes in bfloat16, training does too; the numbers that are kept are float32.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import Embedder
from semsearch.embedding.cross_encoder import CrossEncoder, CrossEncoderWeights, PairTokens
from semsearch.embedding.onnx import OnnxEmbedder, can_have_other_dtypes
from semsearch.errors import InvalidInput
from semsearch.tuning.lora import Trainer, factors_of, torch_threads

EPOCHS = 6
_RATE, _HEAD_RATE, _DECAY, _WARMUP = 1.5e-3, 1e-3, 0.01, 0.06
_BATCH, _BUCKET = 32, 16
"""Pairs of a step, and the steps whose pairs are sorted by length together: that leaves little padding."""

Doubles = NDArray[np.float64]


class CrossEncoderTrainer(Trainer):
    """Trains cross-encoders of one model.

    `progress` is called with the pairs read so far and all; `total` has to be set to all before training. `compared`
    has the average precision in cross-validation, without and with the cross-encoder, once it is known. Raises
    `InvalidInput` for a model without known layers, `MissingExtra` without the extra `models`, and `ModelError`.
    """

    def __init__(self, embedder: Embedder, progress: Callable[[int, int], None] | None = None) -> None:
        if not isinstance(embedder, OnnxEmbedder) or not can_have_other_dtypes(embedder.files):
            raise InvalidInput(
                f"{embedder.fingerprint.model} cannot have a cross-encoder: only models whose layers semsearch runs"
                " itself can",
                "leave out --cross-encoder; semsearch models lists these models",
            )
        super().__init__(embedder.files, what="--cross-encoder")
        self.tokens: PairTokens = embedder.pair_tokens
        self.reader: Callable[[CrossEncoderWeights], CrossEncoder] = embedder.cross_encoder
        self.total, self._done, self._progress = 0, 0, progress
        self.compared: tuple[float, float] | None = None

    def train_pairs(
        self, pairs: list[tuple[list[int], list[int]]], targets: Doubles, weights: Doubles, *, seed: int = 0
    ) -> CrossEncoderWeights:
        """Return a cross-encoder for pairs of token ids, with targets in [0, 1] [n, k] and their weights [k].

        The first target is the label. The same arguments give the same result on the same machine.
        """
        torch = self._torch
        with torch.random.fork_rng(devices=[]), torch_threads(torch):
            torch.manual_seed(seed)
            model = self._model().train()
            head = self._head(targets.shape[1])
            adapter = [weight for weight in model.parameters() if weight.requires_grad]
            optimizer = torch.optim.AdamW(
                [{"params": adapter, "lr": _RATE}, {"params": [*head.values()], "lr": _HEAD_RATE}],
                weight_decay=_DECAY,
                betas=(0.9, 0.98),
            )
            steps = EPOCHS * math.ceil(len(pairs) / _BATCH)
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer,
                lambda step: min((step + 1) / (_WARMUP * steps), (steps - step) / ((1 - _WARMUP) * steps)),
            )
            known, share = (torch.tensor(one, dtype=torch.float32) for one in (targets, weights))
            lengths = np.array([len(a) + len(b) for a, b in pairs])
            bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
            for rows, turned in _batches(lengths, np.random.default_rng(seed)):
                sides = [
                    pairs[at][::-1] if turn else pairs[at] for at, turn in zip(rows, turned, strict=True)
                ]
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    logits = self._logits(model, head, sides).float()
                losses = torch.nn.functional.binary_cross_entropy_with_logits(
                    logits, known[rows], reduction="none"
                )
                optimizer.zero_grad()
                (losses.mean(dim=0) * share).sum().backward()
                torch.nn.utils.clip_grad_norm_([*adapter, *head.values()], 1.0)
                optimizer.step()
                schedule.step()
                self._tell(len(rows))
            kept = {name: tensor.detach().numpy() for name, tensor in head.items()}
            return CrossEncoderWeights.rounded({**factors_of(model), **kept})

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, max(self.total, self._done))

    def _head(self, outputs: int) -> dict[str, Any]:
        """Return the tensors of a new head; see `semsearch.embedding.cross_encoder.HEAD`."""
        torch, width = self._torch, self._files.encoder.width
        types = self._tensors.get("embeddings.token_type_embeddings.weight")
        segment = types[1] - types[0] if types is not None and len(types) > 1 else np.zeros(width)
        hidden, output = torch.nn.Linear(2 * width, width), torch.nn.Linear(width, outputs)
        return {
            "segment": torch.nn.Parameter(torch.tensor(segment, dtype=torch.float32)),
            "hidden.weight": hidden.weight,
            "hidden.bias": hidden.bias,
            "output.weight": output.weight,
            "output.bias": output.bias,
        }

    def _logits(self, model: Any, head: dict[str, Any], pairs: list[tuple[list[int], list[int]]]) -> Any:
        """Return the logits of the targets, [pairs, targets]; `build_cross_encoder` writes the same as a graph."""
        torch, linear = self._torch, self._torch.nn.functional.linear
        given = {name: torch.from_numpy(one) for name, one in self.tokens.inputs(pairs).items()}
        words = model.base_model.model.embeddings.word_embeddings(given["input_ids"])
        words = words + given["second"][:, :, None] * head["segment"]
        mask = given["attention_mask"]
        x = model(inputs_embeds=words, attention_mask=mask).last_hidden_state
        real = mask[:, :, None].to(x.dtype)
        x = torch.cat([x[:, 0], (x * real).sum(dim=1) / real.sum(dim=1)], dim=1)
        x = torch.nn.functional.dropout(x, 0.1, model.training)
        x = torch.tanh(linear(x, head["hidden.weight"], head["hidden.bias"]))
        x = torch.nn.functional.dropout(x, 0.1, model.training)
        return linear(x, head["output.weight"], head["output.bias"])

    def _adapted(self, model: Any) -> list[str]:
        """Return the names of the linear layers of all layers."""
        return [
            name
            for name, one in model.named_modules()
            if isinstance(one, self._torch.nn.Linear) and re.search(r"layer\.\d+\.", name)
        ]


def _batches(
    lengths: NDArray[np.int64], random: np.random.Generator
) -> Iterator[tuple[list[int], list[bool]]]:
    """Yield the rows of each step of all epochs, in batches of similar lengths, and which pairs to turn round."""
    for _ in range(EPOCHS):
        order, batches = random.permutation(len(lengths)), []
        for start in range(0, len(order), _BATCH * _BUCKET):
            part = order[start : start + _BATCH * _BUCKET]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[at : at + _BATCH] for at in range(0, len(part), _BATCH)]
        for at in random.permutation(len(batches)).tolist():
            yield batches[at].tolist(), (random.random(len(batches[at])) < 0.5).tolist()
