# SPDX-License-Identifier: Apache-2.0
"""Trains `lenet` on the digits of scikit-learn: `python -m lineconv.zoo.train_digits`.

NumPy only, a few seconds on one core. The same seed gives the same network on the same
machine; another BLAS may sum in another order. Writes digits.npz beside this file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lineconv.zoo.classic import lenet
from lineconv.zoo.digits import WEIGHTS, accuracy, lenet_digits, parameters, split

Array = npt.NDArray[np.float32]

EPOCHS = 20
BATCH = 32
LEARNING_RATE = 2e-3
SEED = 0


def conv(x: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """3x3 convolution with padding 1, and the windows (N, H, W, C, 3, 3) it was computed from."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows: Array = sliding_window_view(padded, (3, 3), axis=(2, 3))  # type: ignore[call-overload]
    windows = windows.transpose(0, 2, 3, 1, 4, 5)
    y = np.tensordot(windows, w, axes=((3, 4, 5), (1, 2, 3))) + b
    return y.transpose(0, 3, 1, 2), windows


def conv_input_gradient(w: Array, grad: Array) -> Array:
    """It is a convolution too, with flipped weights."""
    flipped = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return conv(grad, flipped, np.zeros(len(flipped), np.float32))[0]


def conv_parameter_gradients(windows: Array, grad: Array) -> tuple[Array, Array]:
    """Gradients of weights and bias."""
    return np.tensordot(grad, windows, axes=((0, 2, 3), (0, 1, 2))), grad.sum((0, 2, 3))


def max_pool(x: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """2x2 pooling, and which inputs were the largest of their window."""
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2)
    y = windows.max((3, 5), keepdims=True)
    return y[:, :, :, 0, :, 0], windows == y


def max_pool_gradient(largest: npt.NDArray[np.bool_], grad: Array) -> Array:
    """The gradient goes to the largest inputs; equal ones share it."""
    share: Array = (largest / largest.sum((3, 5), keepdims=True)).astype(np.float32)
    n, c, h, _, w, _ = largest.shape
    return (share * grad[:, :, :, None, :, None]).reshape(n, c, 2 * h, 2 * w)


def loss_gradients(p: dict[str, Array], x: Array, labels: npt.NDArray[np.intp]) -> dict[str, Array]:
    """Gradients of the mean cross-entropy for the parameters of `lenet`."""
    z1, windows1 = conv(x, p["conv1.weight"], p["conv1.bias"])
    a1, largest1 = max_pool(np.maximum(z1, 0))
    z2, windows2 = conv(a1, p["conv2.weight"], p["conv2.bias"])
    a2, largest2 = max_pool(np.maximum(z2, 0))
    flat = a2.reshape(len(x), -1)
    z3 = flat @ p["fc1.weight"].T + p["fc1.bias"]
    a3 = np.maximum(z3, 0)
    logits = a3 @ p["fc2.weight"].T + p["fc2.bias"]

    exp = np.exp(logits - logits.max(1, keepdims=True))
    grad = exp / exp.sum(1, keepdims=True)
    grad[np.arange(len(x)), labels] -= 1
    grad /= np.float32(len(x))
    g = {"fc2.weight": grad.T @ a3, "fc2.bias": grad.sum(0)}
    grad = (grad @ p["fc2.weight"]) * (z3 > 0)
    g |= {"fc1.weight": grad.T @ flat, "fc1.bias": grad.sum(0)}
    grad = max_pool_gradient(largest2, (grad @ p["fc1.weight"]).reshape(a2.shape)) * (z2 > 0)
    g["conv2.weight"], g["conv2.bias"] = conv_parameter_gradients(windows2, grad)
    grad = max_pool_gradient(largest1, conv_input_gradient(p["conv2.weight"], grad)) * (z1 > 0)
    g["conv1.weight"], g["conv1.bias"] = conv_parameter_gradients(windows1, grad)
    return g


def train() -> dict[str, Array]:
    """Adam (Kingma and Ba 2015) with a learning rate that falls to zero along a cosine."""
    x, labels, _, _ = split()
    p = parameters(lenet(seed=SEED))
    mean = {name: np.zeros_like(value) for name, value in p.items()}
    square = {name: np.zeros_like(value) for name, value in p.items()}
    rng = np.random.default_rng(SEED)
    steps, step = EPOCHS * (len(x) // BATCH), 0
    for _ in range(EPOCHS):
        for batch in rng.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for name, g in loss_gradients(p, x[batch], labels[batch]).items():
                mean[name] += np.float32(0.1) * (g - mean[name])
                square[name] += np.float32(0.001) * (g * g - square[name])
                unbiased = square[name] / np.float32(1 - 0.999**step)
                change = mean[name] / np.float32(1 - 0.9**step) / (np.sqrt(unbiased) + 1e-8)
                p[name] -= np.float32(rate) * change
    return p


def main() -> None:
    """Train, report, write."""
    p = train()
    np.savez_compressed(WEIGHTS, **p)
    x, labels, x_test, labels_test = split()
    model = lenet_digits()
    print(
        f"{WEIGHTS.name}: training set {accuracy(model, x, labels):.2%} of {len(x)} images, ",
        end="",
    )
    print(f"test set {accuracy(model, x_test, labels_test):.2%} of {len(x_test)}")


if __name__ == "__main__":
    main()
