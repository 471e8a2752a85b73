# SPDX-License-Identifier: Apache-2.0
"""Values for the requantisation benches: every mode, and sums and multipliers that are hard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineconv import golden
from lineconv.layer import ConvLayer, OutputType, Overflow, Rounding

Int64Array = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Uint32Array = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Format:
    """The number format of an output, as layer_t holds it."""

    output_type: OutputType
    rounding: Rounding
    overflow: Overflow
    zero_point: int
    clamp: tuple[int, int]

    @staticmethod
    def random(
        rng: np.random.Generator, output_type: OutputType, rounding: Rounding, overflow: Overflow
    ) -> Format:
        """Any zero point; the full range, a random one, one at an end of the type, one value."""
        base = 0 if output_type is OutputType.UINT8 else -128
        low, high = sorted(rng.integers(0, 256, 2).tolist())
        clamps = [(0, 255), (0, 255), (low, high), (0, low), (high, 255), (low, low), (0, 0)]
        clamp = clamps[rng.integers(len(clamps))]
        zero_point = base + int(rng.choice([0, 127, 128, 255, rng.integers(256)]))
        return Format(
            output_type, rounding, overflow, zero_point, (clamp[0] + base, clamp[1] + base)
        )

    def fields(self) -> dict[str, int]:
        """Values for `layer.pack_layer`."""
        return {
            "output_type": self.output_type,
            "rounding": self.rounding,
            "overflow": self.overflow,
            "output_zero_point": self.zero_point,
            "clamp_min": self.clamp[0],
            "clamp_max": self.clamp[1],
        }

    def requantize(self, sums: Int32Array, multipliers: Uint32Array) -> npt.NDArray[np.uint8]:
        """What golden says, as bytes; one multiplier for each sum."""
        layer = ConvLayer(
            in_channels=1,
            out_channels=sums.size,
            in_height=1,
            in_width=1,
            kernel=(1, 1),
            output=self.output_type,
            rounding=self.rounding,
            overflow=self.overflow,
            y_zero_point=self.zero_point,
            clamp=self.clamp,
        )
        scale = multipliers.ravel().view(np.float32)
        y = golden.requantize(sums.reshape(1, -1, 1, 1), scale, layer)
        return y.reshape(sums.shape).astype(np.uint8)


def hard_pairs(rng: np.random.Generator, count: int) -> tuple[Int32Array, Uint32Array]:
    """About `count` pairs of a sum and the bits of a finite float32 multiplier, shuffled.

    They aim at every rounding of the algorithm: of the sum, of the product and to an integer,
    each at a tie, next to it and where it carries into the next power of two.
    """
    part = count // 9
    pairs = [
        (_sums(rng, part), _any_float(rng, part)),
        (_sums(rng, part), _useful_float(rng, part)),
        (_sums(rng, part), _power_of_two(rng, part)),
        _near_integer_ties(rng, _useful_float(rng, part)),
        _near_integer_ties(rng, _power_of_two(rng, part)),
        (_short_sums(rng, part), _short_float(rng, part)),
        (_long_sums(rng, part), _useful_float(rng, part)),
        (_long_sums(rng, part), _all_ones_float(rng, part)),
        _near_product_ties(rng, part),
    ]
    sums = np.concatenate([pair[0] for pair in pairs])
    multipliers = np.concatenate([pair[1] for pair in pairs])
    order = rng.permutation(sums.size)
    return sums[order].astype(np.int32), multipliers[order].astype(np.uint32)


def _sums(rng: np.random.Generator, count: int) -> Int64Array:
    """Any length, and the neighbours of 0 and of the powers of two."""
    any_length = rng.integers(-(1 << 31), 1 << 31, count) >> rng.integers(0, 32, count)
    corner = (1 << rng.integers(0, 32, count)) + rng.integers(-2, 3, count)
    corner = np.where(rng.random(count) < 0.1, 0, corner) * rng.choice([-1, 1], count)
    return np.clip(np.where(rng.random(count) < 0.5, any_length, corner), -(1 << 31), (1 << 31) - 1)


def _long_sums(rng: np.random.Generator, count: int) -> Int64Array:
    """More than 24 bits, near the middle between two float32 values; half of them all ones."""
    extra = rng.integers(1, 8, count)
    kept = np.where(rng.random(count) < 0.5, (1 << 24) - 1, rng.integers(1 << 23, 1 << 24, count))
    value = (kept << extra) + (1 << extra >> 1) + rng.integers(-1, 2, count)
    signed: Int64Array = value * rng.choice([-1, 1], count)
    return signed


def _short_sums(rng: np.random.Generator, count: int) -> Int64Array:
    return rng.integers(-(1 << 14), 1 << 14, count)


def _float(rng: np.random.Generator, exponent: Uint32Array, fraction: Uint32Array) -> Uint32Array:
    sign = rng.choice(np.array([0, 0, 0, 0, 1], np.uint32), exponent.size)
    bits: Uint32Array = sign << np.uint32(31) | exponent << np.uint32(23) | fraction
    return bits


def _any_float(rng: np.random.Generator, count: int) -> Uint32Array:
    """Zero, subnormal, huge: every exponent but that of infinity, its ends more often."""
    exponent = np.r_[np.arange(255), [0] * 30, [1] * 10, [254] * 10].astype(np.uint32)
    fraction = rng.integers(0, 1 << 23, count, np.uint32) >> rng.integers(0, 24, count, np.uint32)
    return _float(rng, rng.choice(exponent, count), fraction)


def _useful_exponent(rng: np.random.Generator, count: int) -> Uint32Array:
    """2^-33 to 4: results around the output range for some sum."""
    return rng.integers(127 - 33, 127 + 3, count, np.uint32)


def _useful_float(rng: np.random.Generator, count: int) -> Uint32Array:
    return _float(rng, _useful_exponent(rng, count), rng.integers(0, 1 << 23, count, np.uint32))


def _power_of_two(rng: np.random.Generator, count: int) -> Uint32Array:
    return _float(rng, _useful_exponent(rng, count), np.zeros(count, np.uint32))


def _all_ones_float(rng: np.random.Generator, count: int) -> Uint32Array:
    fraction = rng.integers((1 << 23) - 4, 1 << 23, count, np.uint32)
    return _float(rng, _useful_exponent(rng, count), fraction)


def _short_float(rng: np.random.Generator, count: int) -> Uint32Array:
    """12 significant bits: times 14 bits they often end half-way between two float32 values.

    The exponents reach so high that wrapping shows the last bits of the product.
    """
    fraction = rng.integers(0, 1 << 11, count, np.uint32) << np.uint32(12)
    return _float(rng, rng.integers(127 - 14, 127 + 20, count, np.uint32), fraction)


def _near_integer_ties(
    rng: np.random.Generator, multipliers: Uint32Array
) -> tuple[Int64Array, Uint32Array]:
    """Sums whose scaled value is at or next to n or n + 1/2."""
    target = rng.integers(-700, 700, multipliers.size) / 2
    scale = multipliers.view(np.float32).astype(np.float64)
    sums = np.rint(target / np.where(scale == 0, 1, scale))
    sums += rng.integers(-2, 3, multipliers.size)
    return np.clip(sums, -(2.0**31), 2.0**31 - 1).astype(np.int64), multipliers


def _near_product_ties(rng: np.random.Generator, count: int) -> tuple[Int64Array, Uint32Array]:
    """Mantissas whose 48-bit product is at or next to the middle between two float32 values.

    The low bits of the product are chosen; for an odd sum the multiplier follows by division
    modulo 2^24. The exponents are those at which the last bits of the product are seen.
    """
    modulus = 1 << 24
    sums = rng.integers(1 << 23, modulus, 3 * count) | 1
    inverse = sums.copy()
    for _ in range(4):  # each step doubles the number of correct bits, 3 at first
        inverse = inverse * (2 - sums * inverse) % modulus
    middle = rng.choice([1 << 22, 1 << 23, 3 << 22], sums.size)
    mantissa = (middle + rng.integers(-4, 5, sums.size)) * inverse % modulus
    normal = np.flatnonzero(mantissa >> 23)[:count]
    fraction = mantissa[normal].astype(np.uint32) & np.uint32((1 << 23) - 1)
    exponent = rng.integers(127 - 10, 127 + 8, normal.size, np.uint32)
    signed: Int64Array = sums[normal] * rng.choice([-1, 1], normal.size)
    return signed, _float(rng, exponent, fraction)


def hard_layer(
    rng: np.random.Generator, channels: int, pixels: int
) -> tuple[Int32Array, Uint32Array]:
    """Sums (pixels, channels) and multipliers (channels,), most of them with bytes in range."""
    multipliers = np.where(
        rng.random(channels) < 0.2,
        hard_pairs(rng, 16 * channels + 64)[1][:channels],
        _useful_float(rng, channels),
    )
    repeated = np.tile(multipliers, pixels)
    near, _ = _near_integer_ties(rng, repeated)
    sums = np.where(rng.random(repeated.size) < 0.8, near, _sums(rng, repeated.size))
    return sums.astype(np.int32).reshape(pixels, channels), multipliers
