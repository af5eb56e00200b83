//! The gate on painted stills: what goes through, what ends, and how each is counted.

use image::{Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::capture::picture::Picture;
use crate::metrics::{CameraMetrics, Metrics};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

struct Bench {
    gate: Gate,
    metrics: Arc<Metrics>,
    camera: Arc<CameraMetrics>,
    noise: ChaCha8Rng,
    number: u64,
}

impl Bench {
    fn new(change: impl FnOnce(&mut CameraConfig)) -> Bench {
        let mut config = crate::capture::testing::config("/dev/null");
        change(&mut config);
        let metrics = Metrics::new();
        let camera = metrics.camera("garden");
        Bench { gate: Gate::new(&config), metrics, camera, noise: ChaCha8Rng::seed_from_u64(1), number: 0 }
    }

    /// One frame, 200 ms after the last: green noise of a given brightness, and what is painted on it.
    fn frame(&mut self, brightness: u8, paint: impl FnOnce(&mut RgbImage)) -> Option<Look> {
        let mut image = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let grain = self.noise.random_range(0..6u8) + ((x / 7 + y / 5) % 9) as u8 * 4;
            let y = brightness.saturating_add(grain);
            Rgb([y / 2, y, y / 3])
        });
        paint(&mut image);
        self.still(image)
    }

    fn still(&mut self, image: RgbImage) -> Option<Look> {
        let elapsed = Duration::from_millis(200 * self.number);
        let frame = Frame {
            camera: "garden".into(),
            number: self.number,
            at: jiff::Timestamp::UNIX_EPOCH,
            elapsed,
            picture: Picture::still(image),
            fate: self.camera.receive(),
        };
        self.number += 1;
        let look = self.gate.judge(frame);
        if let Some(look) = &look {
            look.frame.fate.classified();
        }
        look
    }

    fn settle(&mut self, n: usize) -> usize {
        (0..n).filter(|_| self.frame(90, |_| {}).is_some()).count()
    }

    fn gated(&self, reason: &str) -> String {
        let name = format!("eyeshine_camera_frames_gated_total{{camera=\"garden\",reason=\"{reason}\"}} ");
        self.metrics.text().lines().find_map(|it| it.strip_prefix(&name).map(str::to_owned)).unwrap()
    }
}

fn square(image: &mut RgbImage, x0: u32, y0: u32, side: u32) {
    for y in y0..y0 + side {
        for x in x0..x0 + side {
            image.put_pixel(x, y, Rgb([200, 160, 120]));
        }
    }
}

#[test]
fn a_still_scene_passes_once_a_second_and_the_rest_is_counted() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.settle(50), 10);
    assert_eq!(bench.gated("still"), "40");
    assert_eq!((bench.camera.n_received(), bench.camera.n_settled()), (50, 50));
}

#[test]
fn still_moments_are_drawn_and_every_frame_is_counted_as_ever() {
    let mut bench = Bench::new(|it| it.masks = vec![vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]);
    let (output, moments) = crossbeam_channel::unbounded();
    // One a second, of five frames a second of which one passes.
    bench.gate = bench.gate.drawing(Some(Draws::new(86_400.0, 5.0, 1, output)));
    assert_eq!(bench.settle(500), 100);
    assert_eq!(bench.gated("still"), "400");
    let drawn: Vec<_> = moments.try_iter().collect();
    assert!((50..110).contains(&drawn.len()), "{} of about 80", drawn.len());
    assert!(drawn.iter().all(|it| it.stands_secs == 1.0 && (it.probability - 0.181).abs() < 0.01));
    // What is masked, and what moves, is not still.
    let masked = |bench: &mut Bench, i: u32| bench.frame(90, |it| square(it, 40 + 40 * (i % 4), 100, 36)).is_some();
    let n_passed = (0..100).filter(|i| masked(&mut bench, *i)).count();
    assert!(n_passed <= 30, "{n_passed} time-lapse frames");
    let (n_masked, n_drawn) = (bench.gated("masked").parse::<usize>().unwrap(), moments.try_iter().count());
    assert!(n_masked >= 70 && n_drawn <= 4, "{n_masked} masked, {n_drawn} drawn");
    drop(drawn);
    assert_eq!((bench.camera.n_received(), bench.camera.n_settled()), (600, 600));
}

#[test]
fn what_moves_gives_a_cell_that_holds_it_and_brings_its_empty_looks_along_once() {
    let mut bench = Bench::new(|_| {});
    bench.settle(60);
    let look = bench.frame(90, |it| square(it, 300, 200, 30)).expect("it moves");
    let views: Vec<View> = look.candidates.iter().map(|it| it.view).collect();
    assert_eq!(views[..2], [View::Whole, View::Crop]);
    assert!(views.len() >= 4 && views[2..].iter().all(|it| *it == View::Empty), "{views:?}");
    let crop = look.candidates[1].area;
    assert!(crop.x <= 300.0 && crop.x + crop.width >= 330.0, "{crop:?}");
    assert!(crop.y <= 200.0 && crop.y + crop.height >= 230.0, "{crop:?}");
    assert!(look.candidates[2..].iter().all(|it| it.frame.number < look.frame.number));
    let again = bench.frame(90, |it| square(it, 302, 200, 30)).expect("it moves");
    assert_eq!(again.candidates.len(), 2);
}

#[test]
fn a_standing_animal_is_still_seen_by_its_pixels_after_half_a_minute() {
    let mut bench = Bench::new(|_| {});
    bench.settle(60);
    let seen =
        (0..150).filter(|_| bench.frame(90, |it| square(it, 300, 200, 40)).is_some_and(|it| it.motion > 0.0)).count();
    assert!(seen >= 140, "{seen} of 150");
}

#[test]
fn where_something_moved_last_is_looked_at_for_a_while_after_it_has_stopped_differing() {
    let mut bench = Bench::new(|it| it.gate.linger_secs = 5.0);
    bench.settle(60);
    let moved = bench.frame(90, |it| square(it, 300, 200, 30)).expect("it moves").candidates[1].cell;
    // As dark as what is behind it: no pixel tells that it is still there.
    let crops: Vec<_> = (0..50)
        .filter_map(|_| bench.frame(90, |_| {}))
        .map(|it| (it.method, it.candidates.iter().find(|it| it.view == View::Crop).and_then(|it| it.cell)))
        .collect();
    assert!(crops.iter().all(|it| it.0 == CaptureMethod::TimeLapse), "{crops:?}");
    let shown = crops.iter().filter(|it| it.1 == moved).count();
    assert!((4..=5).contains(&shown) && crops[shown..].iter().all(|it| it.1.is_none()), "{crops:?}");
}

#[test]
fn motion_under_a_mask_is_masked() {
    let mut bench = Bench::new(|it| it.masks = vec![vec![[0.4, 0.4], [0.7, 0.4], [0.7, 0.8], [0.4, 0.8]]]);
    bench.settle(60);
    for n in 0..20 {
        let look = bench.frame(90, |it| square(it, 300 + n, 200, 30));
        assert!(look.is_none_or(|it| it.candidates.len() == 1));
    }
    assert_eq!(bench.gated("masked"), "16");
}

#[test]
fn a_light_switched_on_is_not_an_animal() {
    let mut bench = Bench::new(|_| {});
    bench.settle(60);
    let mut crops = 0;
    for _ in 0..25 {
        crops += bench.frame(190, |_| {}).map_or(0, |it| it.candidates.len() - 1);
    }
    assert_eq!(crops, 0);
}

#[test]
fn wind_that_goes_on_is_learned() {
    let mut bench = Bench::new(|_| {});
    let sway = |n: u32, image: &mut RgbImage| {
        for y in (0..HEIGHT).step_by(2) {
            for blade in 0..40 {
                let x = blade * 16 + ((n + y / 20) % 5);
                for dx in 0..6 {
                    image.put_pixel(x + dx, y, Rgb([60, 140, 40]));
                }
            }
        }
    };
    let regions = |bench: &mut Bench, from: u32, to: u32| -> usize {
        (from..to)
            .map(|n| {
                bench
                    .frame(90, |it| sway(n, it))
                    .map_or(0, |it| it.candidates.iter().filter(|c| c.view == View::Crop).count())
            })
            .sum()
    };
    regions(&mut bench, 0, 150);
    let late = regions(&mut bench, 150, 250);
    assert!(late <= 10, "{late} crops in 100 frames of learned wind");
}

#[test]
fn grey_pictures_are_infrared_and_the_switch_makes_no_motion() {
    let mut bench = Bench::new(|_| {});
    bench.settle(30);
    let mut last = None;
    for _ in 0..30 {
        let grain = bench.noise.random_range(0..4u8);
        let image = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let y = 60 + grain + ((x / 7 + y / 5) % 9) as u8 * 4;
            Rgb([y, y, y])
        });
        if let Some(look) = bench.still(image) {
            assert!(look.candidates.len() == 1 || look.modality == Modality::Colour, "{look:?}");
            last = Some(look.modality);
        }
    }
    assert_eq!(last, Some(Modality::Infrared));
}

#[test]
fn a_new_picture_size_in_mid_stream_starts_anew() {
    let mut bench = Bench::new(|_| {});
    bench.settle(30);
    let look = (0..6)
        .find_map(|_| bench.still(RgbImage::from_pixel(321, 243, Rgb([90, 120, 60]))))
        .expect("a time-lapse look");
    assert_eq!((look.candidates[0].area.width, look.candidates[0].area.height), (321.0, 243.0));
}
