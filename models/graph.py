"""Write the layers as ONNX: in fp32, or in int8 with quantise/dequantise pairs set by calibrated ranges.

Every number is an elementwise float64 result rounded once, so that each machine writes the very same bytes.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import lite0

OPSET, IR = 17, 8
TOP = 127  # the largest stored weight
PAIR = 128  # 255 x 128 is below 2^15


class _Graph:
    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, name, value):
        self.constants.setdefault(name, np.ascontiguousarray(value))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def classify(self, last, weights):
        """Pooled features, and ImageNet's logits from them."""
        matrix, bias = lite0.classifier(weights)
        pooled = self.node("GlobalAveragePool", [last], "pooled")
        features = self.node("Flatten", [pooled], "features", axis=1)
        inputs = [features, self.constant("classifier.weight", matrix), self.constant("classifier.bias", bias)]
        self.node("Gemm", inputs, "logits", transB=1)

    def serialise(self, name):
        def tensor(label, *shape):
            return helper.make_tensor_value_info(label, TensorProto.FLOAT, ["n", *shape])

        graph = helper.make_graph(
            self.nodes,
            name,
            [tensor("image", 3, lite0.SIZE, lite0.SIZE)],
            [tensor("features", 1280), tensor("logits", 1000)],
            [numpy_helper.from_array(value, label) for label, value in self.constants.items()],
        )
        model = helper.make_model(
            graph, producer_name="eyeshine", ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def _attributes(layer):
    k = layer.weight.shape[2]
    return dict(kernel_shape=[k, k], strides=[layer.stride] * 2, pads=layer.pads, group=layer.groups)


def fp32(weights, taps=False):
    """The network as bytes. With `taps` it gives, in place of its outputs, what calibration has to see."""
    graph, last = _Graph(), "image"
    low, high = graph.constant("zero", np.float32(0)), graph.constant("six", np.float32(6))
    ends, seen = {}, []
    for layer in lite0.layers(weights):
        weight = graph.constant(f"{layer.name}.weight", layer.weight.astype(np.float32))
        bias = graph.constant(f"{layer.name}.bias", layer.bias.astype(np.float32))
        last = graph.node("Conv", [last, weight, bias], f"{layer.name}.conv", **_attributes(layer))
        if layer.relu6:
            last = graph.node("Clip", [last, low, high], f"{layer.name}.out")
        seen.append((layer.name, last))
        if layer.adds:
            last = graph.node("Add", [last, ends[layer.adds]], f"{layer.name}.sum")
            seen.append((f"{layer.name}+", last))
        ends[layer.name] = last
    graph.classify(last, weights)
    data = graph.serialise("efficientnet-lite0")
    return (data, seen) if taps else data


def int8(weights, ranges):
    """Activations uint8 per tensor, weights int8 per channel; features and classifier stay in float.

    Clip is left out: a ReLU6 output is quantised on 0..high with high at most 6, where the quantiser itself clips.
    """
    graph, ends = _Graph(), {}

    def quantise(name, tensor, low, high):
        step, zero = _affine(low, high)
        params = [graph.constant(f"{name}.step", step), graph.constant(f"{name}.zero", zero)]
        stored = graph.node("QuantizeLinear", [tensor, *params], f"{name}.stored")
        return graph.node("DequantizeLinear", [stored, *params], f"{name}.seen"), step

    # 1/128 around 127: a stored input value is the pixel itself.
    last, step = quantise("image", "image", -127 / 128, 1.0)
    for layer in lite0.layers(weights):
        weight, weight_step = _weight(graph, layer, step)
        bias = _bias(graph, layer, step, weight_step)
        last = graph.node("Conv", [last, weight, bias], f"{layer.name}.conv", **_attributes(layer))
        last, step = quantise(layer.name, last, *ranges[layer.name])
        if layer.adds:
            last = graph.node("Add", [last, ends[layer.adds]], f"{layer.name}.sum")
            last, step = quantise(f"{layer.name}+", last, *ranges[f"{layer.name}+"])
        ends[layer.name] = last
    graph.classify(last, weights)
    return graph.serialise("efficientnet-lite0-int8")


def _affine(low, high):
    step = np.float32((high - low) / 255)
    return step, np.uint8(np.clip(np.rint(-low / np.float64(step)), 0, 255))


def _weight(graph, layer, input_step):
    """The step is also wide enough for the bias in int32: some channels have (next to) no weight, only a bias.

    And it is wide enough for two neighbours of one sign to be at most PAIR together: x86 without VNNI adds two products
    of uint8 and int8 in 16 bits, where more would saturate. Depthwise kernels are multiplied in 16 bits each.
    """
    peak = np.abs(layer.weight).max(axis=(1, 2, 3))
    step = np.maximum(peak / TOP, np.abs(layer.bias) / np.float64(input_step) / 2**30)
    if layer.weight.shape[1] > 1:
        # One less: rounding may add half to each of the two.
        step = np.maximum(step, neighbours(layer.weight) / (PAIR - 1))
    step = step.astype(np.float32)
    stored = _round(layer.weight / step.astype(np.float64)[:, None, None, None])
    inputs = [
        graph.constant(f"{layer.name}.weight", stored.astype(np.int8)),
        graph.constant(f"{layer.name}.weight.step", step),
        graph.constant(f"{layer.name}.weight.zero", np.zeros(len(step), np.int8)),
    ]
    return graph.node("DequantizeLinear", inputs, f"{layer.name}.weight.seen", axis=0), step


def neighbours(weight):
    """Of [out, in, k, k]: the largest sum of two neighbours of one sign that are multiplied together, by out."""
    flat = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    if flat.shape[1] % 2:
        flat = np.pad(flat, ((0, 0), (0, 1)))
    first, second = flat[:, 0::2], flat[:, 1::2]
    above = np.maximum(first, 0) + np.maximum(second, 0)
    below = np.maximum(-first, 0) + np.maximum(-second, 0)
    return np.maximum(above, below).max(axis=1)


def _bias(graph, layer, input_step, weight_step):
    step = (np.float64(input_step) * weight_step.astype(np.float64)).astype(np.float32)
    stored = np.rint(layer.bias / step.astype(np.float64))
    inputs = [
        graph.constant(f"{layer.name}.bias", stored.astype(np.int32)),
        graph.constant(f"{layer.name}.bias.step", step),
        graph.constant(f"{layer.name}.bias.zero", np.zeros(len(step), np.int32)),
    ]
    return graph.node("DequantizeLinear", inputs, f"{layer.name}.bias.seen", axis=0)


def _round(weight):
    """Nearest integers; each k×k kernel keeps its rounded sum, so that an even patch of picture is seen as it was.

    Kernels that look for edges have large weights that cancel out: there the sum's error would be the worst.
    """
    stored = np.clip(np.rint(weight), -TOP, TOP)
    if weight.shape[2] == 1:
        return stored
    for exact, kernel in zip(weight.reshape(-1, weight[0, 0].size), stored.reshape(-1, weight[0, 0].size)):
        excess = int(kernel.sum() - round(math.fsum(exact)))
        sign = 1 if excess > 0 else -1
        order = np.argsort(-sign * (kernel - exact), kind="stable")
        movable = [i for i in order if abs(kernel[i] - sign) <= TOP]
        kernel[movable[: abs(excess)]] -= sign
    return stored
