"""A matrix of four-bit numbers with a scale for each 32 of a row, as model files and ONNX Runtime store it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Numbers of a row that share a scale."""
ZERO = 8
"""The stored number that stands for 0."""


@dataclass(frozen=True, slots=True, eq=False)
class FourBitMatrix:
    """The matrix `(number - ZERO) * scale`, [rows, columns].

    `packed` is uint8 [rows, columns / 2]: two numbers a byte, the first one in the low bits. `scales` is float16 or
    float32 [rows, columns / BLOCK].
    """

    packed: NDArray[np.uint8]
    scales: NDArray[np.float16] | NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the matrix."""
        return self.packed.shape[0], self.packed.shape[1] * 2

    def dequantised(self) -> NDArray[np.float32]:
        """Return the matrix in float32, [rows, columns]."""
        numbers = np.stack([self.packed & 15, self.packed >> 4], axis=-1).reshape(len(self.packed), -1, BLOCK)
        values = (numbers.astype(np.float32) - ZERO) * self.scales.astype(np.float32)[..., None]
        return values.reshape(self.shape)


def stacked(matrices: list[FourBitMatrix]) -> FourBitMatrix:
    """Return matrices of equally many columns as one, below each other."""
    return FourBitMatrix(
        np.concatenate([matrix.packed for matrix in matrices]),
        np.concatenate([matrix.scales for matrix in matrices]),
    )
