//! Tapes on a real disk: what comes back, what goes, and what becomes of a disk that takes nothing.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crossbeam_channel::unbounded;
use image::{GrayImage, Luma};
use jiff::SignedDuration;

use super::*;
use crate::capture::tape::segment::Packed;
use crate::config::TapeConfig;
use crate::domain::Modality;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + secs).unwrap()
}

fn frame(camera: &str, secs: i64) -> Taped {
    Taped {
        camera: camera.into(),
        take: at(0),
        at: at(secs),
        elapsed: Duration::from_secs(u64::try_from(secs).unwrap()),
        modality: Modality::Colour,
        size_px: (640, 360),
        // Noise, so that a frame takes some kilobytes.
        luma: GrayImage::from_fn(320, 180, |x, y| Luma([((x * 7919 + y * 104_729 + secs as u32 * 31) % 251) as u8])),
    }
}

fn shelf(dir: &Path, hours: f64, max_mb: u64) -> Shelf {
    Shelf::of(dir, &TapeConfig { hours, max_mb })
}

fn run(shelf: &Shelf, frames: impl IntoIterator<Item = Taped>) -> Arc<Metrics> {
    let metrics = Metrics::new();
    let (send, taped) = unbounded();
    let thread = spawn(taped, shelf.clone(), Arc::clone(&metrics)).unwrap();
    frames.into_iter().for_each(|it| send.send(it).unwrap());
    drop(send);
    thread.join().unwrap();
    metrics
}

fn secs(shelf: &Shelf, camera: &str, from: i64) -> Vec<i64> {
    let frames = shelf.frames(&camera.into(), at(from)).unwrap();
    frames.map(|it: Packed| it.at().duration_since(at(0)).as_secs()).collect()
}

#[test]
fn frames_come_back_by_camera_and_time_and_each_picture_alone() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 12.0, 100);
    let frames = (0..150).flat_map(|it| [frame("a", it), frame("a.b", it)]);
    let metrics = run(&shelf, frames);
    assert_eq!(metrics.tape.frames.with_label_values(&["kept"]).get(), 300);
    assert_eq!(secs(&shelf, "a", 0), (0..150).collect::<Vec<_>>());
    assert_eq!(secs(&shelf, "a.b", 119), (119..150).collect::<Vec<_>>());
    assert_eq!(secs(&shelf, "another", 0), Vec::<i64>::new());
    assert_eq!(fs::read_dir(shelf.dir()).unwrap().count(), 6, "a file a minute");
    let held = shelf.holdings("a").unwrap().unwrap();
    assert_eq!(held.from, at(0));
    let jpeg = shelf.picture(&"a".into(), at(75).as_millisecond()).unwrap().unwrap();
    assert_eq!(image::load_from_memory(&jpeg).unwrap().width(), 320);
    assert_eq!(shelf.picture(&"a".into(), at(75).as_millisecond() + 1).unwrap(), None);
}

#[test]
fn what_is_erased_is_gone_with_what_was_around_it_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 12.0, 100);
    run(&shelf, (0..600).step_by(2).flat_map(|it| [frame("a", it), frame("b", it)]));
    shelf.erase("a", at(300), at(310)).unwrap();
    let left = secs(&shelf, "a", 0);
    assert!(left.iter().all(|it| !(270..=340).contains(it)), "{left:?}");
    assert!(left.contains(&100) && left.contains(&480), "{left:?}");
    assert_eq!(secs(&shelf, "b", 0).len(), 300);
    let cameras = |from, to| shelf.cameras(at(from), at(to)).unwrap().into_iter().collect::<Vec<_>>().concat();
    assert_eq!((&*cameras(500, 510), &*cameras(320, 330), &*cameras(900, 910)), ("ab", "b", ""));
    shelf.clear().unwrap();
    assert_eq!((secs(&shelf, "b", 0).len(), shelf.holdings("b").unwrap()), (0, None));
    shelf.clear().unwrap();
}

#[test]
fn the_oldest_go_by_age_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let young = shelf(dir.path(), 0.1, 100);
    run(&young, (0..1_200).step_by(4).map(|it| frame("a", it)));
    let left = secs(&young, "a", 0);
    // Six minutes, and what belongs to the same minute.
    assert!((720..=840).contains(&left[0]) && left.last() == Some(&1_196), "{left:?}");

    let small = shelf(dir.path(), 12.0, 1);
    run(&small, (2_000..4_000).step_by(4).map(|it| frame("a", it)));
    let bytes: u64 = small.segments("a").unwrap().iter().map(|it| it.bytes).sum();
    // The cap, and the segment that was written last.
    assert!(bytes < 1_500_000 && bytes > 500_000, "{bytes}");
    assert_eq!(secs(&small, "a", 0).last(), Some(&3_996));
}

#[test]
fn a_clock_that_is_set_back_and_a_disk_that_takes_nothing_lose_no_gate() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 12.0, 100);
    run(&shelf, [frame("a", 100), frame("a", 101), frame("a", 40), frame("a", 41)]);
    assert_eq!(secs(&shelf, "a", 0), [40, 41, 100, 101]);

    let nowhere = tempfile::tempdir().unwrap();
    fs::write(nowhere.path().join("tapes"), "not a folder").unwrap();
    let metrics = run(&self::shelf(nowhere.path(), 12.0, 100), (0..5).map(|it| frame("a", it)));
    assert_eq!(metrics.tape.frames.with_label_values(&["failed"]).get(), 5);
}

#[test]
fn what_is_too_old_goes_of_cameras_too_that_send_no_more_whatever_their_clocks_said() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 12.0, 100);
    let now = Timestamp::now();
    // Hours from now on that its name says, and hours ago that it was written.
    let put = |camera: &str, named: i64, written: u64| {
        let file = shelf.create(camera, now + SignedDuration::from_hours(named)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3_600 * written)).unwrap();
    };
    put("gone", -13, 13);
    put("gone", -2, 2);
    put("renamed", -13, 0);
    put("ahead", 9_000, 13);
    put("ahead", 9_001, 1);
    run(&shelf, []);
    let n_left = |camera| shelf.segments(camera).unwrap().len();
    assert_eq!((n_left("gone"), n_left("renamed"), n_left("ahead")), (1, 0, 1));

    // A camera whose clock jumps ahead costs no other minute its place.
    let ahead = Taped { at: now + SignedDuration::from_hours(9_000), ..frame("gone", 0) };
    run(&shelf, [ahead]);
    assert_eq!(n_left("gone"), 2);
}
