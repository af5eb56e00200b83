"""EfficientNet-Lite0 as a list of layers, and its weights with batch normalisation folded into the convolutions."""

from dataclasses import dataclass

import numpy as np

SIZE = 224
EPSILON = 1e-3
STAGES = [  # repeats, kernel, stride, expansion, output channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


@dataclass
class Conv:
    """One convolution: `relu6` bounds its output to 0..6, `adds` names the layer whose output is added after it."""

    name: str
    weight: np.ndarray
    bias: np.ndarray
    pads: list
    stride: int = 1
    groups: int = 1
    relu6: bool = True
    adds: str = ""


def layers(weights):
    """The convolutions in order, all in float64; each reads the one before it."""
    size = SIZE
    last = "stem"
    out = [_conv(weights, last, "_conv_stem", "_bn0", size, stride=2)]
    size //= 2
    block = 0
    for repeats, kernel, first_stride, expansion, _channels in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            key, name, before = f"_blocks.{block}.", f"block{block}", last
            if expansion != 1:
                out.append(_conv(weights, f"{name}.expand", key + "_expand_conv", key + "_bn0", size))
            out.append(_conv(weights, f"{name}.depthwise", key + "_depthwise_conv", key + "_bn1", size, stride, True))
            size = -(-size // stride)
            last = f"{name}.project"
            out.append(_conv(weights, last, key + "_project_conv", key + "_bn2", size))
            out[-1].relu6 = False
            if repeat > 0:
                out[-1].adds = before
            if out[-1].weight.shape[0] != _channels:
                raise ValueError(f"{last} has {out[-1].weight.shape[0]} channels, expected {_channels}")
            block += 1
    out.append(_conv(weights, "head", "_conv_head", "_bn1", size))
    return out


def classifier(weights):
    return weights["_fc.weight"].astype(np.float32), weights["_fc.bias"].astype(np.float32)


def _conv(weights, name, conv, norm, size, stride=1, depthwise=False):
    kernel = weights[conv + ".weight"].astype(np.float64)
    gamma, beta, mean, var = (
        weights[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gamma / np.sqrt(var + EPSILON)
    return Conv(
        name,
        kernel * gain[:, None, None, None],
        beta - mean * gain,
        _same(size, kernel.shape[2], stride),
        stride,
        len(kernel) if depthwise else 1,
    )


def _same(size, kernel, stride):
    """TensorFlow's SAME padding: what is odd goes to the bottom and the right."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return [total // 2, total // 2, total - total // 2, total - total // 2]
