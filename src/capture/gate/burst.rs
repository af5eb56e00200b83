//! The gate for a burst of stills: few pictures, seconds apart, with nothing before them. Their median is the background,
//! and what a cell looks like while nothing is there is what the burst's other pictures show in it.

use std::sync::Arc;

use fast_image_resize::Resizer;

use super::{Scene, light, modality};
use crate::capture::picture::PictureError;
use crate::capture::regions::{self, Region};
use crate::config::CameraConfig;
use crate::domain::{Area, Candidate, CaptureMethod, Frame, Look, Modality, View};
use crate::metrics::Failed;

/// Pictures of a burst below which there is no median to speak of.
const MIN_FRAMES: usize = 3;
/// Stills are further apart than frames of a stream, so more differs: luma must by this many times the gate's least.
const LUMA_FACTOR: f32 = 1.5;
/// Empty looks that go with a cell, at most.
const MAX_EMPTY: usize = 3;

/// Lets every readable frame of a burst through, with crops of what stands out from the burst's median.
pub fn looks(config: &CameraConfig, frames: Vec<Frame>) -> Vec<Look> {
    let mut resizer = Resizer::new();
    let mut read = Vec::new();
    let mut size_px = None;
    for frame in frames {
        let scene = scene(config, &frame);
        let size = scene.size_px;
        match analysed(&frame, &scene, &mut resizer) {
            // A picture of another size has no place in the median: it goes as it is.
            Ok(seen) => read.push((Arc::new(frame), seen, *size_px.get_or_insert(size) == size)),
            Err(error) => {
                tracing::warn!(camera = &*frame.camera, %error, "a picture could not be read");
                frame.fate.failed(Failed::Picture);
            }
        }
    }
    let alike: Vec<&Vec<u8>> = read.iter().filter(|it| it.2).map(|it| &it.1.0).collect();
    let median = (alike.len() >= MIN_FRAMES).then(|| median(&alike));
    let moved: Vec<Vec<Region>> = read
        .iter()
        .map(|(frame, (luma, ..), alike)| match &median {
            Some(median) if *alike => differing(config, frame, luma, median),
            _ => Vec::new(),
        })
        .collect();
    let mut looks = Vec::new();
    for (i, (frame, (_, modality, light), _)) in read.iter().enumerate() {
        let scene = scene(config, frame);
        let mut candidates =
            vec![Candidate { view: View::Whole, cell: None, area: scene.whole, frame: Arc::clone(frame) }];
        for cell in scene.cells(&moved[i], config.gate.max_crops) {
            let area = scene.lattice.area(cell);
            candidates.push(Candidate { view: View::Crop, cell: Some(cell), area, frame: Arc::clone(frame) });
            let still = |j: &usize| *j != i && read[*j].2 && is_still(&moved[*j], &area, scene.scale());
            let empty = (0..read.len()).filter(still).take(MAX_EMPTY);
            candidates.extend(empty.map(|j| Candidate {
                view: View::Empty,
                cell: Some(cell),
                area,
                frame: Arc::clone(&read[j].0),
            }));
        }
        let share = moved[i].iter().map(|it| it.n_moving).sum::<usize>() as f32 / scene.n_px() as f32;
        let (frame, method) = (Arc::clone(frame), CaptureMethod::ActivityDetection);
        looks.push(Look { frame, modality: *modality, method, motion: share, light: *light, candidates });
    }
    looks
}

fn scene(config: &CameraConfig, frame: &Frame) -> Scene {
    let size_px = (frame.picture.width(), frame.picture.height());
    Scene::new(&config.name, &config.gate_settings(), size_px, frame.at)
}

fn analysed(frame: &Frame, scene: &Scene, resizer: &mut Resizer) -> Result<(Vec<u8>, Modality, u8), PictureError> {
    let luma = frame.picture.luma(scene.width as u32, scene.height as u32, resizer)?.into_raw();
    let modality = modality(frame.picture.colourfulness(resizer)?, Modality::Colour);
    let light = light(&luma, 2);
    Ok((luma, modality, light))
}

fn differing(config: &CameraConfig, frame: &Frame, luma: &[u8], median: &[u8]) -> Vec<Region> {
    let scene = scene(config, frame);
    let least = config.gate.min_luma * LUMA_FACTOR;
    let mut moving: Vec<bool> = luma.iter().zip(median).map(|(a, b)| f32::from(a.abs_diff(*b)) > least).collect();
    let n = moving.iter().filter(|it| **it).count();
    if n as f32 > config.gate.max_area * moving.len() as f32 {
        return Vec::new();
    }
    scene.mask.clear(&mut moving);
    let min_px = (config.gate.min_area * moving.len() as f32).ceil().max(2.0) as usize;
    regions::find(&mut moving, scene.width, scene.height, min_px)
}

fn is_still(moved: &[Region], area: &Area, scale: f64) -> bool {
    moved.iter().all(|it| it.area(scale).intersection(area) < 0.05 * area.width * area.height)
}

fn median(pictures: &[&Vec<u8>]) -> Vec<u8> {
    let mut values = vec![0; pictures.len()];
    (0..pictures[0].len())
        .map(|i| {
            values.iter_mut().zip(pictures).for_each(|(value, picture)| *value = picture[i]);
            values.sort_unstable();
            values[values.len() / 2]
        })
        .collect()
}
