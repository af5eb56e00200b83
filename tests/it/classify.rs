//! Files: pictures and clips, broken ones among them, in every format.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::daemon::{eyeshine, output};

/// A folder of what a camera's card holds: two bursts, a clip, what is no picture, and links that lead nowhere new.
struct Card(tempfile::TempDir);

impl Card {
    fn new() -> Card {
        let card = Card(tempfile::tempdir().unwrap());
        let taken = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + secs);
        for nth in 0..3 {
            card.picture(&format!("a/burst-1-{nth}.jpg"), taken(u64::from(nth)), nth * 40);
            card.picture(&format!("a/burst-2-{nth}.png"), taken(900 + u64::from(nth)), nth * 40);
        }
        card.write("a/torn.jpg", b"\xff\xd8\xff\xe0 this is no picture");
        card.write("a/empty.png", b"");
        card.write("a/notes.txt", b"two foxes at dusk");
        card.write("b/torn.mp4", b"this is no clip");
        crate::life_cycle::moving(&card.path("b"), "ball", 3);
        std::os::unix::fs::symlink("..", card.path("b/all")).unwrap();
        std::os::unix::fs::symlink("gone.jpg", card.path("b/link.jpg")).unwrap();
        card
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    /// A meadow of noise with a square in it.
    fn picture(&self, name: &str, taken: SystemTime, square_x: u32) {
        let mut state = 7_u32;
        let picture = image::RgbImage::from_fn(320, 240, |x, y| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 28) as u8;
            let inside = (square_x..square_x + 60).contains(&x) && (100..160).contains(&y);
            image::Rgb(if inside { [200, 90 + noise, 30] } else { [60 + noise, 110 + noise, 40] })
        });
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        picture.save(&file).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(taken).unwrap();
    }

    /// Exit code and standard output of `classify` on all of it.
    fn classify(&self, format: &str) -> (i32, String, String) {
        let state = self.path("state-of-nobody");
        let answer = output(eyeshine(&state).args(["classify", "--format", format]).arg(self.0.path()));
        assert!(!state.exists(), "classify keeps nothing");
        answer
    }
}

fn named<'a>(all: &'a [Value], name: &str) -> &'a Value {
    let is = |it: &&Value| it["file"].as_str().unwrap().ends_with(name);
    all.iter().find(is).unwrap_or_else(|| panic!("{name} is not in {all:?}"))
}

#[test]
fn a_folder_is_answered_as_megadetector_would_and_what_cannot_be_read_is_said() {
    let card = Card::new();
    let (code, out, err) = card.classify("megadetector");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("torn.jpg") && err.contains("empty.png") && err.contains("torn.mp4"), "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["info"]["format_version"], "1.6");
    assert!(document["info"]["detector"].as_str().unwrap().starts_with("eyeshine "));
    assert_eq!(document["detection_categories"]["1"], "animal");
    assert_eq!(document["detection_categories"]["2"], "person");
    assert_eq!(document["detection_categories"]["3"], "vehicle");
    let classes = document["classification_categories"].as_object().unwrap();
    let images = document["images"].as_array().unwrap();
    assert_eq!(images.len(), 11, "{images:?}");
    for image in images {
        let failure = image.get("failure").is_some_and(Value::is_string);
        assert!(failure == image["detections"].is_null(), "{image}");
        let is_clip = image["file"].as_str().unwrap().ends_with(".mkv");
        assert!(image["frame_rate"].as_f64().is_some_and(|it| it > 0.0) == is_clip, "{image}");
        assert!(image["frames_processed"].is_array() == is_clip, "{image}");
        for it in image["detections"].as_array().into_iter().flatten() {
            assert!(document["detection_categories"].get(it["category"].as_str().unwrap()).is_some(), "{it}");
            assert!((0.0..=1.0).contains(&it["conf"].as_f64().unwrap()) && it["conf"].is_f64(), "{it}");
            let bbox: Vec<f64> = it["bbox"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
            assert!(bbox.len() == 4 && bbox.iter().all(|it| (0.0..=1.0).contains(it)), "{it}");
            for class in it["classifications"].as_array().unwrap() {
                assert!(classes.contains_key(class[0].as_str().unwrap()) && class[1].is_f64(), "{it}");
            }
        }
    }
    for failed in ["torn.jpg", "empty.png", "torn.mp4", "link.jpg"] {
        assert!(named(images, failed)["failure"].is_string(), "{failed}");
    }
}

#[test]
fn stills_are_answered_one_by_one_by_the_time_they_were_taken() {
    let card = Card::new();
    let (code, out, err) = card.classify("json");
    assert_eq!(code, 1, "{err}");
    let lines: Vec<Value> = out.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(lines.iter().all(|it| !it["file"].as_str().unwrap().ends_with("notes.txt")), "{out}");
    for failed in ["a/torn.jpg", "a/empty.png", "b/torn.mp4"] {
        let line = named(&lines, failed);
        assert_eq!((&line["change"], line["failure"].is_string()), (&"failed".into(), true), "{line}");
    }
    for nth in 0..3 {
        for (name, taken) in
            [(format!("burst-1-{nth}.jpg"), 1_700_000_000 + nth), (format!("burst-2-{nth}.png"), 1_700_000_900 + nth)]
        {
            let line = named(&lines, &name);
            assert_eq!(line["change"], "ended");
            let start: jiff::Timestamp = line["start"].as_str().unwrap().parse().unwrap();
            assert_eq!(start.as_second(), taken, "{line}");
            assert_eq!(line["observations"].as_array().unwrap().len(), 1, "{line}");
            assert!(line.get("from_secs").is_none(), "{line}");
        }
    }
}

#[test]
fn people_read_a_line_a_picture_and_a_path_that_is_not_there_is_named() {
    let card = Card::new();
    let (code, out, _) = card.classify("text");
    assert_eq!(code, 1);
    assert!(out.lines().filter(|it| it.contains("burst-")).count() == 6, "{out}");
    let missing = card.path("c");
    let (code, _, err) = output(eyeshine(&card.path("state")).arg("classify").arg(&missing));
    assert!(code == 1 && err.contains(&*missing.to_string_lossy()) && err.contains("no such file"), "{code}: {err}");
}

/// Runs a command whose reader takes `n_bytes` and goes; exit code and standard error.
fn cut_short(command: &mut Command, n_bytes: usize) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut some = vec![0; n_bytes];
    let _ = out.read(&mut some).unwrap();
    drop(out);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let card = Card::new();
    let state: &Path = &card.path("state");
    let only = card.path("a/burst-1-0.jpg");
    let (code, err) = cut_short(eyeshine(state).args(["classify", "--format", "megadetector"]).arg(&only), 0);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(cut_short(eyeshine(state).arg("--help"), 0).0, Some(0));
    // What is wrong with a config goes to standard error.
    let mut check = eyeshine(state).arg("check-config").stderr(Stdio::piped()).spawn().unwrap();
    drop(check.stderr.take());
    assert_eq!(check.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let card = Card::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let only = card.path("a/burst-1-0.jpg");
    let done = eyeshine(&card.path("state")).arg("classify").arg(only).stdout(full).output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(1) && err.contains("standard output"), "{:?}: {err}", done.status);
}
