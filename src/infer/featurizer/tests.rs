//! The featurizer on a tiny network made here and on the real ones.

use std::fs;
use std::path::Path;
use std::time::Duration;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;
use crate::domain::Area;
use crate::infer::queue::{LaneSender, fair};
use crate::infer::tiny;
use crate::metrics::CameraMetrics;

/// The tiny network in a folder of its own, its contract changed.
fn tiny_with(range: Option<usize>, from: &str, to: &str) -> (TempDir, Result<Arc<Contract>, ContractError>) {
    let dir = tempfile::tempdir().unwrap();
    tiny::write(dir.path(), range);
    assert!(tiny::CONTRACT.contains(from), "{from}");
    fs::write(dir.path().join("tiny.toml"), tiny::CONTRACT.replace(from, to)).unwrap();
    let contract = Contract::load(dir.path(), "tiny").map(Arc::new);
    (dir, contract)
}

fn real(name: &str) -> Arc<Contract> {
    Arc::new(Contract::load(&tiny::models_dir(), name).unwrap())
}

fn open(contract: Arc<Contract>) -> Result<Featurizer, FeaturizerError> {
    Featurizer::open(&tiny::runtime(), contract, 4)
}

/// A picture with something in it, another one for each seed.
fn scene(seed: u32) -> RgbImage {
    RgbImage::from_fn(640, 360, |x, y| {
        let wave = |k: u32| ((x * k + y * (seed % 7 + 1) + seed * 37) % 256) as u8;
        Rgb([wave(1), wave(2 + seed % 3), (x * y / (seed % 50 + 9)) as u8])
    })
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn another_network_with_a_contract_works_in_its_place() {
    let (_dir, contract) = tiny_with(None, "", "");
    let mut featurizer = open(contract.unwrap()).unwrap();
    let camera = tiny::camera("c");
    let colours = [[10, 20, 30], [250, 0, 128], [0, 0, 0], [255, 255, 255], [1, 2, 3], [77, 66, 55]];
    let candidates: Vec<_> = colours.iter().map(|&rgb| tiny::whole(&tiny::frame(&camera, "c", 0, rgb))).collect();
    let embeddings = featurizer.featurize(&candidates).unwrap();
    assert_eq!(embeddings.len(), colours.len(), "more than fit in one batch");
    for (embedding, [r, g, b]) in embeddings.iter().zip(colours.map(|it| it.map(f32::from))) {
        // The contract: bgr, mean 0 10 20, std 1 2 4.
        let wanted = [b, (g - 10.0) / 2.0, (r - 20.0) / 4.0];
        let off = embedding.features.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-3, "{:?} for {wanted:?}", embedding.features);
        assert!(embedding.logits.is_none());
    }
    assert!(featurizer.featurize(&[]).unwrap().is_empty());
}

#[test]
fn a_network_that_breaks_its_contract_is_refused_by_the_fields_name() {
    for (from, to, field) in [
        ("name = \"picture\"", "name = \"image\"", "input.name"),
        ("width = 6", "width = 8", "input.width"),
        ("height = 4", "height = 6", "input.height"),
        ("layout = \"nhwc\"", "layout = \"nchw\"", "input.layout"),
        (
            "colour = \"bgr\"\nmean = [0.0, 10.0, 20.0]\nstd = [1.0, 2.0, 4.0]",
            "colour = \"grey\"\nmean = [0.0]\nstd = [1.0]",
            "input.colour",
        ),
        ("dimension = 3", "dimension = 4", "featurizer.dimension"),
        ("features = \"vector\"", "features = \"features\"", "outputs.features"),
        ("logits = \"\"", "logits = \"answer\"", "outputs.logits"),
    ] {
        let (_dir, contract) = tiny_with(None, from, to);
        let error = open(contract.unwrap()).err().unwrap().to_string();
        assert!(error.contains(&format!("/tiny.toml: {field}: ")), "{to:?} should name {field}: {error}");
    }
}

#[test]
fn logits_must_be_as_many_as_the_classes() {
    let (dir, _) = tiny_with(None, "", "");
    let contract =
        tiny::CONTRACT.replace("logits = \"\"", "logits = \"vector\"").replace("classes = \"\"", "classes = \"c.csv\"");
    fs::write(dir.path().join("tiny.toml"), contract).unwrap();
    let rows = "index,label,animal,common_name,scientific_name,rank\n0,fox,1,fox,Vulpes,genus\n1,cup,0,,,\n";
    fs::write(dir.path().join("c.csv"), rows).unwrap();
    let error = open(Arc::new(Contract::load(dir.path(), "tiny").unwrap())).err().unwrap().to_string();
    assert!(error.contains("tiny.toml: outputs.classes: has 2 rows, the network gives 3 logits"), "{error}");

    fs::write(dir.path().join("c.csv"), format!("{rows}2,hat,0,,,\n")).unwrap();
    let mut featurizer = open(Arc::new(Contract::load(dir.path(), "tiny").unwrap())).unwrap();
    let candidate = tiny::whole(&tiny::frame(&tiny::camera("c"), "c", 0, [90; 3]));
    let embedding = featurizer.featurize(&[candidate]).unwrap().remove(0);
    assert_eq!(embedding.logits.as_deref(), Some(&*embedding.features));
}

#[test]
fn a_corrupt_network_is_refused_with_one_sentence() {
    let (dir, _) = tiny_with(None, "", "");
    let whole = fs::read(tiny::models_dir().join("efficientnet-lite0-int8.onnx"))
        .expect("models/efficientnet-lite0-int8.onnx is missing: run `make setup` before the tests");
    for bytes in [&whole[..whole.len() / 2], b"no network at all".as_slice(), b"".as_slice()] {
        fs::write(dir.path().join("tiny.onnx"), bytes).unwrap();
        let error = open(Arc::new(Contract::load(dir.path(), "tiny").unwrap())).err().unwrap().to_string();
        assert!(error.contains("/tiny.toml: featurizer.file: ") && error.contains("cannot load it"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn batches_give_what_single_pictures_give_and_int8_is_close_to_fp32() {
    let camera = tiny::camera("c");
    let candidates: Vec<_> = (0..7).map(|i| tiny::whole(&tiny::still(&camera, "c", i, scene(i as u32)))).collect();
    let mut networks = ["efficientnet-lite0", "efficientnet-lite0-int8"].map(|it| open(real(it)).unwrap());
    let [fp32, int8] = &mut networks;
    let together = fp32.featurize(&candidates).unwrap();
    for (candidate, embedding) in candidates.iter().zip(&together) {
        let alone = fp32.featurize(std::slice::from_ref(candidate)).unwrap().remove(0);
        assert!(cosine(&alone.features, &embedding.features) > 0.99999);
        assert_eq!((alone.features.len(), alone.logits.unwrap().len()), (1280, 1000));
        let small = int8.featurize(std::slice::from_ref(candidate)).unwrap().remove(0);
        assert!(cosine(&small.features, &embedding.features) > 0.9);
    }
    // A loader that mixes up the weights gives a network that answers the same for every picture.
    assert!(cosine(&together[0].features, &together[3].features) < 0.9);
}

/// A pool over the tiny or a real network, and what its callers hold.
struct Running {
    metrics: Arc<Metrics>,
    cameras: Vec<(Arc<CameraMetrics>, LaneSender)>,
    pool: Pool,
    done: crossbeam_channel::Receiver<Featurized>,
}

fn start(contract: Arc<Contract>, workers: usize, cameras: usize) -> Running {
    let metrics = Metrics::new();
    let (lanes, looks) = fair(4, &metrics);
    let (out, done) = crossbeam_channel::bounded(2);
    let config = FeaturizerConfig { workers, max_batch: 8, queue_frames: 4, second_frames: 1 };
    let pool = spawn_pool(&tiny::runtime(), &config, contract, looks, out, Arc::clone(&metrics)).unwrap();
    let named = |i: usize| (metrics.camera(&format!("c{i}")), lanes.lane(format!("c{i}").as_str().into()));
    Running { cameras: (0..cameras).map(named).collect(), metrics, pool, done }
}

#[test]
fn each_cameras_looks_leave_in_order_and_are_the_pictures_own() {
    let (_dir, contract) = tiny_with(None, "", "");
    let Running { cameras, pool, done, metrics } = start(contract.unwrap(), 4, 5);
    const LOOKS: u64 = 200;
    let mut next = [0_u64; 5];
    thread::scope(|scope| {
        for (i, (camera, lane)) in cameras.into_iter().enumerate() {
            scope.spawn(move || {
                for n in 0..LOOKS {
                    let frame = tiny::frame(&camera, &format!("c{i}"), n, [n as u8, i as u8, 0]);
                    lane.send_waiting(tiny::look_at(frame, (n % 3) as usize)).unwrap();
                }
            });
        }
        for Featurized { look, embeddings } in done {
            let i: usize = look.frame.camera[1..].parse().unwrap();
            assert_eq!(look.frame.number, next[i], "camera {i}");
            assert_eq!(embeddings.len(), 1 + 2 * (next[i] % 3) as usize);
            for embedding in embeddings {
                let [blue, green, red] = embedding.features[..] else { panic!() };
                let wanted = [0.0, (i as f32 - 10.0) / 2.0, ((next[i] as u8) as f32 - 20.0) / 4.0];
                assert!(
                    [blue, green, red].iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3),
                    "{:?}",
                    embedding.features
                );
            }
            next[i] += 1;
            look.frame.fate.classified();
        }
    });
    pool.join();
    assert_eq!(next, [LOOKS; 5]);
    assert!(metrics.batch_size.get_sample_count() > 0 && metrics.inference_errors.get() == 0);
}

#[test]
fn one_bad_picture_takes_no_other_with_it() {
    // Means are indices into a table of 200: brighter pictures make the run fail.
    let plain = "mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]";
    let (_dir, contract) = tiny_with(Some(200), "mean = [0.0, 10.0, 20.0]\nstd = [1.0, 2.0, 4.0]", plain);
    let Running { mut cameras, pool, done, metrics } = start(contract.unwrap(), 2, 1);
    let (camera, lane) = cameras.remove(0);
    const LOOKS: u64 = 300;
    let (too_bright, unreadable) = (|n: u64| n % 10 == 3, |n: u64| n % 10 == 7);
    let fed = Arc::clone(&camera);
    let feeder = thread::spawn(move || {
        for n in 0..LOOKS {
            let grey = if too_bright(n) { 230 } else { (n % 190) as u8 };
            let mut look = tiny::look_at(tiny::frame(&fed, "c0", n, [grey; 3]), 1);
            let outside = Area { x: 9999.0, ..look.candidates[0].area };
            match n % 10 {
                5 => look.candidates[1].area = outside,
                6 => look.candidates[2].area = outside,
                _ if unreadable(n) => look.candidates[0].area = outside,
                _ => (),
            }
            lane.send_waiting(look).unwrap();
        }
    });
    let mut seen = Vec::new();
    for Featurized { look, embeddings } in done {
        let n = look.frame.number;
        let views: Vec<View> = look.candidates.iter().map(|it| it.view).collect();
        match n % 10 {
            5 => assert_eq!(views, [View::Whole], "a crop goes with its empty scene"),
            6 => assert_eq!(views, [View::Whole, View::Crop]),
            _ => assert_eq!(views, [View::Whole, View::Crop, View::Empty]),
        }
        assert_eq!(embeddings.len(), views.len());
        assert!(embeddings.iter().all(|it| it.features[0] == (n % 190) as f32), "frame {n}: {embeddings:?}");
        look.frame.fate.classified();
        seen.push(n);
    }
    feeder.join().unwrap();
    pool.join();
    assert_eq!(seen, (0..LOOKS).filter(|&n| !too_bright(n) && !unreadable(n)).collect::<Vec<_>>());
    let text = metrics.text();
    for (reason, count) in [("inference", 30), ("picture", 30)] {
        let line = format!(r#"eyeshine_camera_frames_failed_total{{camera="c0",reason="{reason}"}} {count}"#);
        assert!(text.contains(&line), "{text}");
    }
    assert!(text.contains(r#"eyeshine_camera_frames_classified_total{camera="c0"} 240"#), "{text}");
    assert!(metrics.inference_errors.get() >= 30);
    assert_eq!((camera.n_received(), camera.n_settled()), (LOOKS, LOOKS));
}

#[test]
fn a_pool_that_nobody_listens_to_ends_and_every_frame_is_counted() {
    let (_dir, contract) = tiny_with(None, "", "");
    let Running { mut cameras, pool, done, .. } = start(contract.unwrap(), 2, 1);
    let (camera, lane) = cameras.remove(0);
    drop(done);
    // The workers end one by one as they find out; then the lane says so.
    let mut n = 0;
    while lane.send_waiting(tiny::look_at(tiny::frame(&camera, "c0", n, [1; 3]), 0)).is_ok() {
        n += 1;
        assert!(n < 10_000, "the pool goes on for nobody");
    }
    pool.join();
    assert_eq!(camera.n_received(), camera.n_settled());
}

#[test]
fn a_network_that_breaks_its_word_stops_the_pool_before_it_starts() {
    let (_dir, contract) = tiny_with(None, "dimension = 3", "dimension = 4");
    let metrics = Metrics::new();
    let (_lanes, looks) = fair(4, &metrics);
    let config = FeaturizerConfig { workers: 2, max_batch: 2, queue_frames: 4, second_frames: 1 };
    let (out, _done) = crossbeam_channel::bounded(1);
    let error = spawn_pool(&tiny::runtime(), &config, contract.unwrap(), looks, out, metrics).unwrap_err();
    assert!(
        matches!(error, FeaturizerError::Contract(ContractError::Field { ref field, .. }) if field == "featurizer.dimension")
    );
}

#[test]
fn memory_stays_as_it_is_after_warm_up() {
    let resident_kib = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap()
    };
    assert!(Path::new("/proc/self/status").exists());
    let camera = tiny::camera("c");
    let candidates: Vec<_> = (0..8).map(|i| tiny::whole(&tiny::still(&camera, "c", i, scene(i as u32)))).collect();
    let mut featurizer = Featurizer::open(&tiny::runtime(), real("efficientnet-lite0-int8"), 8).unwrap();
    featurizer.featurize(&candidates).unwrap();
    let (before, start) = (resident_kib(), Instant::now());
    for round in 0..240 {
        featurizer.featurize(&candidates[..1 + round * 5 % 8]).unwrap();
    }
    let grown = resident_kib() - before;
    // Other tests run beside this one in the same process: a leak of one input a run (600 KiB) is seen nonetheless.
    assert!(grown < 120_000, "{grown} KiB more after {:?}", Duration::from_secs_f64(start.elapsed().as_secs_f64()));
}
