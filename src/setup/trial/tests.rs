//! Painted nights: what the gate saw live is recorded, and goes through the very same gate again.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crossbeam_channel::unbounded;
use image::{Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::capture::picture::Picture;
use crate::capture::tape::keeper;
use crate::capture::tape::recorder::Recorder;
use crate::config::{CameraConfig, TapeConfig};
use crate::domain::Frame;
use crate::metrics::Metrics;

const FPS: u32 = 5;

/// A night before a camera, `n` frames long: what the live gate let through as motion, by frame; the tape lies below `dir`.
fn night(dir: &std::path::Path, config: &CameraConfig, n: u32, paint: impl Fn(u32, &mut RgbImage)) -> Vec<bool> {
    let metrics = Metrics::new();
    let (send, taped) = unbounded();
    let recorder = Recorder::new(send, metrics.tape.frames.with_label_values(&["left_out"]));
    let mut gate = Gate::new(config).recording(Some(recorder));
    let keeper = keeper::spawn(taped, shelf(dir), Arc::clone(&metrics)).unwrap();
    let mut noise = ChaCha8Rng::seed_from_u64(3);
    let began = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    let mut moved = Vec::new();
    for number in 0..n {
        let elapsed = Duration::from_millis(u64::from(1_000 / FPS * number));
        let mut image = RgbImage::from_fn(640, 360, |x, y| {
            let grain = noise.random_range(0..6_u8) + ((x / 7 + y / 5) % 9) as u8 * 4;
            Rgb([45 + grain / 2, 90 + grain, 30 + grain / 3])
        });
        paint(number, &mut image);
        let fate = metrics.camera("cam").receive();
        let at = began.checked_add(SignedDuration::try_from(elapsed).unwrap()).unwrap();
        let picture = Picture::still(image);
        let frame = Frame { camera: "cam".into(), number: number.into(), at, elapsed, picture, fate };
        let look = gate.judge(frame);
        moved.push(look.as_ref().is_some_and(|it| it.motion > 0.0));
        if let Some(look) = look {
            look.frame.fate.classified();
        }
    }
    drop(gate);
    keeper.join().unwrap();
    moved
}

/// An animal that walks from left to right at a height of the picture while `number` is in `during`.
fn walk(number: u32, during: std::ops::Range<u32>, y0: u32, image: &mut RgbImage) {
    if !during.contains(&number) {
        return;
    }
    let x0 = 40 + (number - during.start) * 10;
    for y in y0..y0 + 40 {
        for x in x0..(x0 + 60).min(image.width()) {
            image.put_pixel(x, y, Rgb([200, 160, 120]));
        }
    }
}

fn shelf(dir: &std::path::Path) -> Shelf {
    Shelf::of(dir, &TapeConfig { hours: 12.0, max_mb: 100 })
}

fn events() -> EventsConfig {
    let config = crate::config::load::load_in(None, Default::default(), &Default::default()).unwrap();
    config.events
}

fn tried(trials: &Trials, present: &GateSettings, wanted: &GateSettings) -> Outcome {
    let from = Timestamp::now().checked_sub(SignedDuration::from_hours(2)).unwrap();
    let trial = trials.begin(&"cam".into(), present.clone(), wanted.clone(), from).unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while trial.outcome().is_none() {
        assert!(Instant::now() < deadline, "{} done", trial.done());
        std::thread::sleep(Duration::from_millis(20));
    }
    trial.outcome().unwrap().clone()
}

#[test]
fn a_mask_over_one_animal_s_way_loses_that_and_keeps_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::capture::testing::config("/dev/null");
    let moved = night(dir.path(), &config, 400, |number, image| {
        walk(number, 60..110, 40, image);
        walk(number, 250..300, 260, image);
    });
    assert!(moved[70..100].iter().all(|it| *it) && moved[260..290].iter().all(|it| *it));
    assert!(!moved[20..58].iter().any(|it| *it));

    let trials = Trials::new(shelf(dir.path()), &events(), true);
    let present = config.gate_settings();
    let same = tried(&trials, &present, &present).difference;
    assert_eq!((same.kept.len(), same.lost.len(), same.gained.len()), (2, 0, 0));

    let wanted = GateSettings { masks: vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.0, 0.4]]], ..present.clone() };
    let outcome = tried(&trials, &present, &wanted);
    let it = &outcome.difference;
    assert_eq!((it.kept.len(), it.lost.len(), it.gained.len()), (1, 1, 0), "{it:?}");
    assert!(it.lost[0].to < it.kept[0].from && it.lost[0].shown.y < 0.3 && it.kept[0].shown.y > 0.6, "{it:?}");
    assert!(trials.has_tried("cam", &present, &wanted) && !trials.has_tried("cam", &wanted, &present));
    // The picture that is shown of it is there, and shows it.
    let jpeg = trials.picture(&"cam".into(), it.lost[0].shown_at.as_millisecond()).unwrap().unwrap();
    let grey = image::load_from_memory(&jpeg).unwrap().into_luma8();
    let (x, y) =
        (it.lost[0].shown.x + it.lost[0].shown.width / 2.0, it.lost[0].shown.y + it.lost[0].shown.height / 2.0);
    let pixel = grey.get_pixel((x * 320.0) as u32, (y * 180.0) as u32).0[0];
    assert!(pixel > 140, "{pixel}");
}

#[test]
fn what_is_masked_is_on_no_tape_and_what_is_too_faint_is_gained() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::capture::testing::config("/dev/null");
    config.masks = vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]];
    config.gate.min_luma = 120.0;
    let moved = night(dir.path(), &config, 200, |number, image| {
        walk(number, 60..110, 40, image);
        walk(number, 60..110, 260, image);
    });
    assert!(!moved.iter().any(|it| *it), "nothing differs by so much");
    let trials = Trials::new(shelf(dir.path()), &events(), true);
    let present = config.gate_settings();
    let mut wanted = present.clone();
    wanted.gate.min_luma = 8.0;
    wanted.masks = Vec::new();
    let it = tried(&trials, &present, &wanted).difference;
    assert_eq!((it.kept.len(), it.lost.len(), it.gained.len()), (0, 0, 1), "{it:?}");
    assert!(it.gained[0].shown.y > 0.6, "nothing is known of what was masked: {it:?}");
    for frame in shelf(dir.path()).frames(&"cam".into(), Timestamp::MIN).unwrap() {
        let luma = frame.unpack().unwrap().luma;
        assert!((0..80).all(|y| luma.get_pixel(160, y).0[0] < 12));
    }
}

#[test]
fn the_gate_finds_again_what_it_found_live() {
    let dir = tempfile::tempdir().unwrap();
    let config = crate::capture::testing::config("/dev/null");
    let moved = night(dir.path(), &config, 400, |number, image| walk(number, 60..110, 100, image));
    let mut gate = Gate::new(&config);
    let frames: Vec<_> = shelf(dir.path()).frames(&"cam".into(), Timestamp::MIN).unwrap().collect();
    // All in which something moves, and one a second beside: 50 of 400 frames move.
    assert!((100..=140).contains(&frames.len()), "{} frames", frames.len());
    let mut differ = 0;
    for frame in frames.into_iter().filter_map(Packed::unpack) {
        let number = (frame.elapsed.as_millis() / u128::from(1_000 / FPS)) as usize;
        differ += usize::from(gate.judge_again(&frame).is_some() != moved[number]);
    }
    assert!(differ <= 2, "{differ} frames differ");
}

#[test]
fn where_nothing_is_recorded_nothing_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let trials = Trials::new(shelf(dir.path()), &events(), true);
    let settings = crate::capture::testing::config("/dev/null").gate_settings();
    let error = trials.begin(&"cam".into(), settings.clone(), settings, Timestamp::MIN).unwrap_err();
    assert!(matches!(error, SetupError::NoTape(_)), "{error}");
}
