"""Measure the ranges of the int8 network on real frames (../shared/data); not part of the build.

Run by hand when the layers change: `target/models-venv/bin/python models/calibrate.py`. It writes
efficientnet-lite0-int8.ranges.json, which is committed, so that nobody else needs the pictures.
"""

import json
import random

import numpy as np
import onnx
import onnxruntime
from PIL import Image

import graph
import legacy_pth
import lite0
import make
import pictures

TAIL = 1e-5  # the share of values that may fall outside, on either side
BINS = 8192
BATCH = 8


def frames():
    dice = random.Random(20)
    out = []
    for table, count in (("trail/train.csv", 200), ("trap/labels.csv", 120), ("web/labels.csv", 160)):
        for row in dice.sample(pictures.listed(table), count):
            out.append(Image.open(row["path"]).convert("RGB"))
    for path in sorted((pictures.DATA / "clips").glob("*.mp4")):
        out += pictures.clip(path.name)[::2]
    crops = [pictures.crop(picture, dice) for picture in out if dice.random() < 0.5]
    return np.stack([pictures.tensor(picture) for picture in out + crops])


def watch(images, taps):
    """Every tap's values, batch by batch."""
    data, seen = taps
    model = onnx.load_from_string(data)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(tensor, 1, None) for _, tensor in seen)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    for start in range(0, len(images), BATCH):
        values = session.run([tensor for _, tensor in seen], {"image": images[start : start + BATCH]})
        yield zip((name for name, _ in seen), values)


def main():
    weights = legacy_pth.read(make.weights_file())
    taps = graph.fp32(weights, taps=True)
    images = frames()
    span = {name: [0.0, 0.0] for name, _ in taps[1]}
    for batch in watch(images, taps):
        for name, values in batch:
            span[name] = [min(span[name][0], float(values.min())), max(span[name][1], float(values.max()))]
    counts = {name: np.zeros(BINS) for name in span}
    for batch in watch(images, taps):
        for name, values in batch:
            counts[name] += np.histogram(values, BINS, span[name])[0]
    bounded = {layer.name for layer in lite0.layers(weights) if layer.relu6}
    ranges = {}
    for name, (low, high) in span.items():
        edges = np.linspace(low, high, BINS + 1)
        share = np.cumsum(counts[name]) / counts[name].sum()
        inner = [edges[np.searchsorted(share, TAIL)], edges[min(np.searchsorted(share, 1 - TAIL) + 1, BINS)]]
        if name in bounded:
            inner = [0.0, min(inner[1], 6.0)]
        ranges[name] = [float(f"{value:.5g}") for value in inner]
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in ranges.items())
    make.RANGES.write_text("{\n" + lines + "\n}\n")
    print(f"{make.RANGES.name}: {len(ranges)} ranges from {len(images)} frames and crops")


if __name__ == "__main__":
    main()
