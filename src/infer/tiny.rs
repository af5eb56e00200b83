//! For tests: a network of a few nodes, written by hand as ONNX protobuf, its contract, looks to run through it, and heads
//! whose answers are plain to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use jiff::Timestamp;

use crate::capture::picture::Picture;
use crate::domain::{Candidate, CaptureMethod, Class, Frame, Generation, Look, Modality, View};
use crate::infer::both::Both;
use crate::infer::head::{Head, Taught};
use crate::infer::learned::Learned;
use crate::infer::runtime::Runtime;
use crate::infer::space::{N_KINDS, Space};
use crate::infer::unknown::Unknown;
use crate::metrics::{CameraMetrics, Metrics};

/// The library that `make setup` puts into `models/`.
pub(crate) const LIBRARY: &str = "libonnxruntime.so.1.32.0";

/// The repository's own `models/`.
pub(crate) fn models_dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    assert!(dir.join(LIBRARY).exists(), "models/{LIBRARY} is missing: run `make setup` before the tests");
    dir
}

/// The one runtime of the test process.
pub(crate) fn runtime() -> Runtime {
    Runtime::load(&models_dir(), Path::new(LIBRARY)).unwrap()
}

/// A camera of its own metrics.
pub(crate) fn camera(name: &str) -> Arc<CameraMetrics> {
    Metrics::new().camera(name)
}

/// A frame of one colour.
pub(crate) fn frame(camera: &Arc<CameraMetrics>, name: &str, number: u64, rgb: [u8; 3]) -> Arc<Frame> {
    still(camera, name, number, RgbImage::from_pixel(64, 48, image::Rgb(rgb)))
}

/// A frame of any picture.
pub(crate) fn still(camera: &Arc<CameraMetrics>, name: &str, number: u64, image: RgbImage) -> Arc<Frame> {
    Arc::new(Frame {
        camera: name.into(),
        number,
        at: Timestamp::UNIX_EPOCH,
        elapsed: Duration::from_millis(200 * number),
        picture: Picture::still(image),
        fate: camera.receive(),
    })
}

/// The whole of a frame, as a candidate.
pub(crate) fn whole(frame: &Arc<Frame>) -> Candidate {
    Candidate { view: View::Whole, cell: None, area: frame.picture.area(), frame: Arc::clone(frame) }
}

/// A look at a frame: whole, then `crops` crops, each with its empty scene.
pub(crate) fn look_at(frame: Arc<Frame>, crops: usize) -> Look {
    let mut candidates = vec![whole(&frame)];
    for _ in 0..crops {
        candidates.push(Candidate { view: View::Crop, ..whole(&frame) });
        candidates.push(Candidate { view: View::Empty, ..whole(&frame) });
    }
    Look {
        frame,
        modality: Modality::Colour,
        method: CaptureMethod::ActivityDetection,
        motion: 0.1,
        light: 2,
        candidates,
    }
}

/// The same of a grey frame of a camera that nobody counts.
pub(crate) fn look(name: &str, number: u64, crops: usize) -> Look {
    look_at(frame(&camera(name), name, number, [100; 3]), crops)
}

/// What a head computes that was taught these many classes: features `[n]` are of class `i` where `i` is their longest.
pub(crate) fn learned(n: usize) -> Learned {
    let identity: Vec<f32> = (0..n * n).map(|it| if it % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    Learned {
        blank: true,
        space: Space { means: vec![0.0; N_KINDS * n], basis: identity.clone(), dimension: n, impressions: None },
        whitening: identity.clone(),
        means: identity.clone(),
        sharpness: 10.0,
        weights: identity,
        bias: vec![0.0; n],
        shares: vec![0.0; n],
        offsets: vec![0.0; n],
    }
}

/// A head of these classes on the first featurizer alone; what is farther from all of them than a cosine of 0.5 is unknown.
pub(crate) fn taught(task: &str, number: u32, names: &[&str], both: Option<Both>) -> Arc<Head> {
    let class = |name: &&str| Class { name: (*name).into(), scientific_name: "".into() };
    let taught = Taught {
        learned: learned(names.len()),
        sharpness: 1.0,
        unknown: Unknown { of_distance: 1.0, of_doubt: 0.0, of_lead: 0.0, of_second: 0.0, threshold: 0.5, reach: None },
        both,
        starter: Arc::new(Head::starter(&[])),
    };
    Arc::new(Head::taught(Generation { task: task.into(), number }, names.iter().map(class).collect(), taught))
}

/// Writes `tiny.onnx` and `tiny.toml` into a folder.
///
/// The network takes float32 [n, 4, 6, 3] (NHWC) and gives the mean of each channel: three features. With `range` it
/// answers only where the means lie in 0..range, and fails otherwise: they are indices into a table of that length.
pub(crate) fn write(dir: &Path, range: Option<usize>) {
    std::fs::write(dir.join("tiny.onnx"), network(range)).unwrap();
    std::fs::write(dir.join("tiny.toml"), CONTRACT).unwrap();
}

/// The contract of the tiny network.
pub(crate) const CONTRACT: &str = r#"[featurizer]
name = "tiny"
file = "tiny.onnx"
sha256 = ""
dimension = 3
precision = "fp32"
cut = "all of it"
trained_on = "nothing"
licence = "CC0-1.0"
source = "this test"
weights_sha256 = "00000000000000000000000000000000000000000000000000000000000000aa"
ranges_sha256 = ""

[input]
name = "picture"
width = 6
height = 4
layout = "nhwc"
colour = "bgr"
mean = [0.0, 10.0, 20.0]
std = [1.0, 2.0, 4.0]
resize = "stretch"

[outputs]
features = "vector"
logits = ""
classes = ""
"#;

// ONNX is protobuf: a field is its number and wire type, then a varint or bytes with their length before them.

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn int(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// NodeProto: input 1, output 2, op_type 4, attribute 5.
fn node(op: &str, inputs: &[&str], output: &str, attribute: &[u8]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|it| bytes(1, it)).collect();
    let attribute = if attribute.is_empty() { Vec::new() } else { bytes(5, attribute) };
    // GraphProto: node 1.
    bytes(1, [inputs, bytes(2, output), bytes(4, op), attribute].concat())
}

/// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { value 1 | param 2 } } } }.
fn value(name: &str, dims: &[u64]) -> Vec<u8> {
    let dim = |&dim: &u64| bytes(1, if dim == 0 { bytes(2, "n") } else { int(1, dim) });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    const FLOAT: u64 = 1;
    bytes(1, name).into_iter().chain(bytes(2, bytes(1, [int(1, FLOAT), bytes(2, shape)].concat()))).collect()
}

fn network(range: Option<usize>) -> Vec<u8> {
    // AttributeProto: name 1, i 3, ints 8, type 20 (INT 2, INTS 7).
    let perm: Vec<u8> = [0, 3, 1, 2].iter().flat_map(|&axis| int(8, axis)).collect();
    let perm = [bytes(1, "perm"), perm, int(20, 7)].concat();
    let mut graph = node("Transpose", &["picture"], "planes", &perm);
    graph.extend(node("GlobalAveragePool", &["planes"], "pooled", &[]));
    match range {
        None => graph.extend(node("Flatten", &["pooled"], "vector", &[])),
        Some(range) => {
            const INT64: u64 = 7;
            let to = [bytes(1, "to"), int(3, INT64), int(20, 2)].concat();
            graph.extend(node("Flatten", &["pooled"], "means", &[]));
            graph.extend(node("Cast", &["means"], "indices", &to));
            graph.extend(node("Gather", &["table", "indices"], "vector", &[]));
            // TensorProto: dims 1, data_type 2, name 8, raw_data 9; GraphProto: initializer 5.
            let table: Vec<u8> = (0..range).flat_map(|it| (it as f32).to_le_bytes()).collect();
            graph.extend(bytes(5, [int(1, range as u64), int(2, 1), bytes(8, "table"), bytes(9, table)].concat()));
        }
    }
    graph.extend(bytes(2, "tiny"));
    graph.extend(bytes(11, value("picture", &[0, 4, 6, 3])));
    graph.extend(bytes(12, value("vector", &[0, 3])));
    // ModelProto: ir_version 1, graph 7, opset_import 8 { version 2 }.
    [int(1, 8), bytes(7, graph), bytes(8, int(2, 13))].concat()
}
