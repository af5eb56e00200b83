"""Is the import right? Run through `target/models-venv/bin/python models/test_models.py` after models/make.sh.

`... test_models.py golden` rewrites golden.json; to be done only when a network is meant to change.
"""

import csv
import hashlib
import json
import random
import sys
import tomllib
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

import graph
import legacy_pth
import make
import pictures
import vit as cut

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden.json"
NETWORKS = [make.FP32, make.INT8]
# Absolute; a feature of the first two is about 0.4 on average and at most 6, one of the last 1.5 and at most 10.
TOLERANCE = {make.FP32: 0.002, make.INT8: 0.05, make.VIT: 0.005}
KNOWN = {
    "mammals/equines/zebra": "zebra",
    "mammals/cats/tiger_sumatran": "tiger",
    "mammals/cats/lion": "lion",
    "mammals/badger": "badger",
    "mammals/bears/european-bear": "brown bear",
    "mammals/bovines/bison": "bison",
    "mammals/camel/camel": "dromedary",
    "mammals/apes/gorilla": "gorilla",
    "mammals/hippopotamus": "hippopotamus",
    "mammals/rodents/beaver": "beaver",
    "mammals/rodents/squirrel": "fox squirrel",
    "mammals/pig_golden": "domestic pig",
    "marsupials/koala": "koala",
    "birds/duck": "duck",
    "birds/hen": "domestic chicken",
    "birds/pink_flamingo": "flamingo",
}
GOLDEN_STAMPS = ["mammals/equines/zebra", "mammals/dogs/fox", "mammals/badger", "birds/owl"]


def session(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(HERE / f"{name}.onnx", options, providers=["CPUExecutionProvider"])


SESSIONS = {name: session(name) for name in [*NETWORKS, make.VIT]}


def classes():
    with open(HERE / "imagenet-classes.csv", newline="") as file:
        return list(csv.DictReader(file))


CLASSES = classes()


def run(name, tensors):
    """Features and logits of any number of pictures."""
    batches = [SESSIONS[name].run(["features", "logits"], {"image": np.stack(tensors[i : i + 8])})
               for i in range(0, len(tensors), 8)]
    return tuple(np.concatenate(parts) for parts in zip(*batches))


def vit(picture):
    """Features of one picture by the second featurizer, which is made ready otherwise."""
    said = tomllib.loads((HERE / f"{make.VIT}.toml").read_text())["input"]
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    pixels = np.asarray(picture.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    ready = (pixels - np.float32(said["mean"])) / np.float32(said["std"])
    return SESSIONS[make.VIT].run(["features"], {said["name"]: ready.transpose(2, 0, 1)[None]})[0]


def named(logits):
    """The likeliest common name, the probabilities of a name's classes added up; "" is no animal."""
    share = np.exp(logits - logits.max())
    total = {}
    for row, value in zip(CLASSES, share / share.sum()):
        total[row["common_name"]] = total.get(row["common_name"], 0) + value
    return max(total, key=total.get)


def agreement(tensors):
    """Cosine of int8 against fp32 features, picture by picture."""
    one, other = (run(name, tensors)[0] for name in NETWORKS)
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def golden_pictures():
    yield from pictures.synthetic().items()
    if pictures.STAMPS.exists():
        yield from ((name, pictures.stamp(name)) for name in GOLDEN_STAMPS)


def golden():
    out = {}
    for network in SESSIONS:
        for name, picture in golden_pictures():
            features = vit(picture)[0] if network == make.VIT else run(network, [pictures.tensor(picture)])[0][0]
            first = [round(float(value), 4) for value in features[:16]]
            out.setdefault(network, {})[name] = {"first": first, "norm": round(float(np.linalg.norm(features)), 3)}
    return out


needs_stamps = unittest.skipUnless(pictures.STAMPS.exists(), "no tuxpaint-stamps-default (a Debian package)")
needs_data = unittest.skipUnless(pictures.DATA.exists(), "no ../shared/data")


class Import(unittest.TestCase):
    def test_files_are_what_their_contracts_say(self):
        for name in SESSIONS:
            contract = tomllib.loads((HERE / f"{name}.toml").read_text())
            said = contract["featurizer"]
            self.assertEqual(said["name"], name)
            self.assertEqual(make.sha256(HERE / said["file"]), said["sha256"])
            inside = SESSIONS[name]
            self.assertEqual([i.name for i in inside.get_inputs()], [contract["input"]["name"]])
            self.assertEqual(inside.get_inputs()[0].shape, ["n", 3, 224, 224])
            shapes = {o.name: o.shape for o in inside.get_outputs()}
            wanted = {"features": ["n", said["dimension"]]} | ({"logits": ["n", len(CLASSES)]} if name in NETWORKS else {})
            self.assertEqual(shapes, wanted)

    def test_a_second_making_gives_the_same_bytes(self):
        weights = legacy_pth.read(make.weights_file())
        int8 = graph.int8(weights, json.loads(make.RANGES.read_text()))
        again = {make.FP32: graph.fp32(weights), make.INT8: int8, make.VIT: cut.cut(make.vit_file().read_bytes())}
        for name, data in again.items():
            self.assertEqual(hashlib.sha256(data).hexdigest(), make.contract(name)["sha256"])

    def test_strides_are_heeded(self):
        """A reader that ignores strides gives a network that says nearly the same of every picture."""
        tensors = [pictures.tensor(picture) for picture in pictures.synthetic().values()]
        for network in NETWORKS:
            features, logits = run(network, tensors)
            unit = features / np.linalg.norm(features, axis=1, keepdims=True)
            pairs = (unit @ unit.T)[np.triu_indices(len(tensors), 1)]
            self.assertLess(pairs.max(), 0.8, network)
            self.assertEqual(len(set(logits.argmax(1))), len(tensors), network)

    def test_a_batch_says_what_its_pictures_say_alone(self):
        tensors = [pictures.tensor(picture) for picture in pictures.synthetic().values()]
        for network in NETWORKS:
            together, alone = run(network, tensors)[0], np.concatenate([run(network, [t])[0] for t in tensors])
            np.testing.assert_allclose(together, alone, atol=TOLERANCE[network])

    def test_int8_never_overflows(self):
        """Where x86 lacks VNNI two products are added in 16 bits; shifting the weights, which avoids that, changes nothing."""
        network = onnx.load(HERE / "efficientnet-lite0-int8.onnx")
        stored = [numpy_helper.to_array(it).astype(int) for it in network.graph.initializer if it.name.endswith(".weight")]
        dense = [it for it in stored if it.ndim == 4 and it.shape[1] > 1]
        self.assertGreater(len(dense), 30)
        self.assertLessEqual(max(graph.neighbours(it).max() for it in dense), graph.PAIR)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")
        shifted = onnxruntime.InferenceSession(HERE / "efficientnet-lite0-int8.onnx", options)
        tensors = [pictures.tensor(picture) for picture in pictures.synthetic().values()]
        wanted = shifted.run(["features"], {"image": np.stack(tensors)})[0]
        np.testing.assert_allclose(run("efficientnet-lite0-int8", tensors)[0], wanted, atol=1e-4)

    def test_golden_features(self):
        wanted = json.loads(GOLDEN.read_text())
        for network, found in golden().items():
            for name, vector in found.items():
                kept = wanted[network][name]
                with self.subTest(network=network, picture=name):
                    np.testing.assert_allclose(vector["first"], kept["first"], atol=TOLERANCE[network])
                    self.assertAlmostEqual(vector["norm"], kept["norm"], delta=TOLERANCE[network] * 10)


class Classes(unittest.TestCase):
    def test_table(self):
        self.assertEqual([int(row["index"]) for row in CLASSES], list(range(1000)))
        self.assertEqual(len({row["label"] for row in CLASSES}), 1000)
        for row in CLASSES:
            animal = int(row["index"]) < 398
            self.assertEqual(row["animal"], str(int(animal)))
            self.assertEqual(all((row["common_name"], row["scientific_name"], row["rank"])), animal, row)

    def test_one_common_name_for_one_scientific_name(self):
        pairs = {(row["common_name"], row["scientific_name"], row["rank"]) for row in CLASSES if row["common_name"]}
        for column in (0, 1):
            self.assertEqual(len({pair[column] for pair in pairs}), len(pairs))


@needs_stamps
class Photographs(unittest.TestCase):
    def test_known_pictures_get_their_class(self):
        tensors = [pictures.tensor(pictures.stamp(name)) for name in KNOWN]
        for network in NETWORKS:
            for wanted, logits in zip(KNOWN.values(), run(network, tensors)[1]):
                with self.subTest(network=network, animal=wanted):
                    self.assertEqual(named(logits), wanted)

    def test_int8_agrees_with_fp32(self):
        cosine = agreement([pictures.tensor(pictures.stamp(name)) for name in pictures.stamps()])
        report("photographs", cosine)
        self.assertGreaterEqual(cosine.mean(), 0.98)
        self.assertGreaterEqual(np.percentile(cosine, 5), 0.95)


@needs_data
class RealFrames(unittest.TestCase):
    def test_a_cat_is_a_cat(self):
        cats = [row["path"] for row in pictures.listed("web/labels.csv") if row["species"] == "cat"]
        tensors = [pictures.tensor(Image.open(path)) for path in cats]
        for network in NETWORKS:
            said = [named(logits) for logits in run(network, tensors)[1]]
            print(f"  cats seen as cats, {network}: {said.count('domestic cat')} of {len(said)}")
            self.assertGreater(said.count("domestic cat") / len(said), 0.55)
            self.assertEqual(max(set(said), key=said.count), "domestic cat")

    def test_int8_agrees_with_fp32(self):
        dice = random.Random(8)
        rows = [row for table, count in (("trail/valid.csv", 150), ("trap/labels.csv", 60))
                for row in dice.sample(pictures.listed(table), count)]
        frames = [Image.open(row["path"]).convert("RGB") for row in rows]
        for name in ("small_cat_night_ir", "chimpanzees_day", "grouse_visit_day", "nest_eggs_night_ir"):
            frames += pictures.clip(f"{name}.mp4")
        frames += [pictures.crop(frame, dice) for frame in frames[::4]]
        cosine = agreement([pictures.tensor(frame) for frame in frames])
        report("real frames and crops", cosine)
        self.assertGreaterEqual(len(cosine), 200)
        self.assertGreaterEqual(cosine.mean(), 0.98)
        self.assertGreaterEqual(np.percentile(cosine, 5), 0.95)


def report(what, cosine):
    print(f"  int8 against fp32, {len(cosine)} {what}: cosine mean {cosine.mean():.4f}, "
          f"5th percentile {np.percentile(cosine, 5):.4f}, lowest {cosine.min():.4f}")


def main():
    if sys.argv[1:] == ["golden"]:
        vectors = [f'  "{network}": {{\n' + ",\n".join(f'    "{k}": {json.dumps(v)}' for k, v in found.items()) + "\n  }"
                   for network, found in golden().items()]
        GOLDEN.write_text("{\n" + ",\n".join(vectors) + "\n}\n")
        return
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromName("__main__"))
    for test, reason in result.skipped:
        print(f"skipped: {reason} ({test})")
    failed = len({test.id().split()[0] for test, _ in result.failures + result.errors})
    skipped = len(result.skipped)
    print(f"models: {result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
