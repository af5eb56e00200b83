//! The gate: which frames go to the featurizer, and which parts of them.
//!
//! ```text
//! frame ─ luma at low resolution ─ background ─ masks ─ regions ─ cells of the lattice ─▶ look
//!       └ once a second, moving or not (time-lapse), with the cells that moved lately ──▶ look
//! ```
//!
//! Pixels find what is small and quick, and say where; whether it is anything new is for the embedding to say
//! (`infer::novelty`). For that the gate keeps a few earlier frames, and sends with a cell that it asks about for the
//! first time what the same cell showed in them.

pub mod burst;
pub mod draws;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Receiver;
use fast_image_resize::Resizer;

use crate::capture::background::Background;
use crate::capture::gate::draws::Draws;
use crate::capture::lattice::Lattice;
use crate::capture::mask::{ClockFinder, Mask, Text};
use crate::capture::picture::PictureError;
use crate::capture::regions::{self, Region};
use crate::config::{CameraConfig, GateConfig};
use crate::domain::{Area, Candidate, CaptureMethod, Cell, Frame, Look, Modality, View};
use crate::infer::queue::LaneSender;
use crate::metrics::{Failed, Gated};

/// Earlier frames kept to show what a cell looks like while nothing is there.
const N_REFERENCES: usize = 4;
/// Cells remembered as having moved lately.
const N_LATELY: usize = 16;
/// Between references, at first and later.
const FIRST_REFERENCES: Duration = Duration::from_secs(2);
const LATER_REFERENCES: Duration = Duration::from_secs(15);
/// After so long a cell's empty looks are sent again: soon, as the first may have been shed under load, but not while the
/// featurizer is behind; then now and then, as scenes change and banks forget.
const SEEDED_FOR: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(600)];
/// Colourfulness below which a picture is infrared, and above which it is not.
const GREY: f32 = 0.012;
const COLOURED: f32 = 0.03;

/// The gate of one camera.
#[derive(Debug)]
pub struct Gate {
    config: CameraConfig,
    scene: Option<Scene>,
    resizer: Resizer,
    modality: Modality,
    light: u8,
    last_time_lapse: Option<Duration>,
    /// Nothing that was sent before is sent again.
    hurries: bool,
    /// Of still moments, where such are kept.
    draws: Option<Draws>,
}

/// What depends on the picture's size: all of it begins anew when the caps change.
#[derive(Debug)]
struct Scene {
    size_px: (u32, u32),
    width: usize,
    height: usize,
    background: Background,
    mask: Mask,
    clock: Option<ClockFinder>,
    whole: Area,
    lattice: Lattice,
    references: VecDeque<Reference>,
    seeded: HashMap<(Cell, Modality, u8), Seeding>,
    /// Where something moved and when last, the latest first.
    lately: VecDeque<(Cell, Duration)>,
    moving: Vec<bool>,
}

/// When a cell's empty looks were last sent, and how often they were.
#[derive(Debug, Clone, Copy)]
struct Seeding {
    at: Duration,
    times: usize,
}

/// A frame of earlier, and where something moved in it.
#[derive(Debug)]
struct Reference {
    frame: Arc<Frame>,
    modality: Modality,
    light: u8,
    moved: Vec<Area>,
}

impl Gate {
    /// The gate of a camera.
    pub fn new(config: &CameraConfig) -> Gate {
        Gate {
            config: config.clone(),
            scene: None,
            resizer: Resizer::new(),
            modality: Modality::Colour,
            light: 0,
            last_time_lapse: None,
            hurries: false,
            draws: None,
        }
    }

    /// The same, which draws still moments.
    pub fn drawing(mut self, draws: Option<Draws>) -> Gate {
        self.draws = draws;
        self
    }

    /// Whether the featurizer is behind: then what can wait is not sent.
    pub fn hurry(&mut self, behind: bool) {
        self.hurries = behind;
    }

    /// Lets a frame through as a look, or settles its fate.
    pub fn judge(&mut self, frame: Frame) -> Option<Look> {
        let drawn = self.draws.as_mut().and_then(|it| it.draw(frame.elapsed));
        match self.look(&frame) {
            Ok(Verdict::Through { method, motion, cells }) => Some(self.through(frame, method, motion, &cells)),
            Ok(Verdict::Ends(reason)) => {
                frame.fate.gated(reason);
                if let (Gated::Still, Some(probability), Some(draws)) = (reason, drawn, &self.draws) {
                    draws.send(frame, self.modality, probability);
                }
                None
            }
            Err(error) => {
                tracing::warn!(camera = &*frame.camera, %error, "a frame could not be read");
                frame.fate.failed(Failed::Picture);
                None
            }
        }
    }

    fn look(&mut self, frame: &Frame) -> Result<Verdict, PictureError> {
        let size_px = (frame.picture.width(), frame.picture.height());
        let scene = match &mut self.scene {
            Some(scene) if scene.size_px == size_px => scene,
            other => other.insert(Scene::new(&self.config, size_px)),
        };
        let luma = frame.picture.luma(scene.width as u32, scene.height as u32, &mut self.resizer)?;
        let due = self
            .last_time_lapse
            .is_none_or(|last| (frame.elapsed.saturating_sub(last)).as_secs_f64() >= self.config.gate.time_lapse_secs);
        if due {
            self.light = light(&luma, self.light);
            let modality = modality(frame.picture.colourfulness(&mut self.resizer)?, self.modality);
            if modality != self.modality {
                self.modality = modality;
                scene.forget();
            }
        }
        let motion = scene.motion(&self.config, &luma, frame.elapsed);
        if let Motion::Everywhere = motion {
            scene.forget();
        }
        match motion {
            Motion::Regions { share, regions } => {
                let mut cells = scene.cells(&regions, self.config.gate.max_crops);
                scene.note(&cells, frame.elapsed);
                if due {
                    cells.extend(scene.lingering(&self.config.gate, &cells, frame.elapsed));
                }
                let method = if due { CaptureMethod::TimeLapse } else { CaptureMethod::ActivityDetection };
                Ok(Verdict::Through { method, motion: share, cells: Found { cells, regions } })
            }
            _ if due => {
                let cells = scene.lingering(&self.config.gate, &[], frame.elapsed);
                let method = CaptureMethod::TimeLapse;
                Ok(Verdict::Through { method, motion: 0.0, cells: Found { cells, regions: Vec::new() } })
            }
            Motion::Masked => Ok(Verdict::Ends(Gated::Masked)),
            Motion::None | Motion::Everywhere => Ok(Verdict::Ends(Gated::Still)),
        }
    }

    fn through(&mut self, frame: Frame, method: CaptureMethod, motion: f32, found: &Found) -> Look {
        let frame = Arc::new(frame);
        let (modality, light, hurries) = (self.modality, self.light, self.hurries);
        let mut candidates = Vec::new();
        if let Some(scene) = &mut self.scene {
            candidates.push(Candidate { view: View::Whole, cell: None, area: scene.whole, frame: Arc::clone(&frame) });
            for &cell in &found.cells {
                let area = scene.lattice.area(cell);
                candidates.push(Candidate { view: View::Crop, cell: Some(cell), area, frame: Arc::clone(&frame) });
                candidates.extend(scene.empty(cell, area, modality, light, frame.elapsed, hurries));
            }
            if method == CaptureMethod::TimeLapse {
                self.last_time_lapse = Some(frame.elapsed);
                scene.remember(&frame, modality, light, &found.regions);
            }
        }
        Look { frame, modality, method, motion, light, candidates }
    }
}

/// Runs the gate of a camera on a thread of its own until its camera is gone.
///
/// `draws` are of still moments. Looks of a live camera take the place of older ones where the featurizer is behind; those of a file wait.
pub fn spawn(
    config: &CameraConfig,
    frames: Receiver<Frame>,
    lane: LaneSender,
    live: bool,
    draws: Option<Draws>,
) -> io::Result<JoinHandle<()>> {
    let mut gate = Gate::new(config).drawing(draws);
    let name: String = format!("gate-{}", config.name).chars().take(15).collect();
    thread::Builder::new().name(name).spawn(move || {
        for frame in frames {
            gate.hurry(live && lane.is_behind());
            let Some(look) = gate.judge(frame) else { continue };
            let sent = if live { lane.send_newest(look) } else { lane.send_waiting(look) };
            if sent.is_err() {
                break;
            }
        }
    })
}

enum Verdict {
    Through { method: CaptureMethod, motion: f32, cells: Found },
    Ends(Gated),
}

#[derive(Debug, Default)]
struct Found {
    cells: Vec<Cell>,
    regions: Vec<Region>,
}

enum Motion {
    None,
    Masked,
    Everywhere,
    Regions { share: f32, regions: Vec<Region> },
}

impl Scene {
    fn new(config: &CameraConfig, size_px: (u32, u32)) -> Scene {
        let width = config.gate.width_px.min(size_px.0).max(1) as usize;
        let height = (width as f64 * f64::from(size_px.1) / f64::from(size_px.0)).round().max(1.0) as usize;
        Scene {
            size_px,
            width,
            height,
            background: Background::new(width, height),
            mask: Mask::new(&config.masks, width, height),
            clock: config.gate.find_clock.then(|| ClockFinder::new(width, height)),
            whole: Area { x: 0.0, y: 0.0, width: size_px.0.into(), height: size_px.1.into() },
            lattice: Lattice::new(size_px.0, size_px.1, &config.gate),
            references: VecDeque::new(),
            seeded: HashMap::new(),
            lately: VecDeque::new(),
            moving: vec![false; width * height],
        }
    }

    fn forget(&mut self) {
        self.background.forget();
        self.references.clear();
        self.seeded.clear();
        self.lately.clear();
    }

    /// Full-resolution px a px of the analysed picture.
    fn scale(&self) -> f64 {
        f64::from(self.size_px.0) / self.width as f64
    }

    fn motion(&mut self, config: &CameraConfig, luma: &[u8], elapsed: Duration) -> Motion {
        if let Some(clock) = &mut self.clock {
            for text in clock.update(luma, elapsed) {
                tracing::info!(camera = &*config.name, ?text, "found a burnt-in clock, and leaves it out");
                self.mask.add(&text);
                self.trim(&text);
            }
        }
        self.background.update(&config.gate, luma, elapsed, &mut self.moving);
        if !self.background.is_learned() {
            return Motion::None;
        }
        let n_all = self.moving.len();
        let n_moving = self.moving.iter().filter(|it| **it).count();
        if n_moving as f32 > config.gate.max_area * n_all as f32 {
            return Motion::Everywhere;
        }
        let min_px = (config.gate.min_area * n_all as f32).ceil().max(2.0) as usize;
        let n_masked = self.mask.clear(&mut self.moving);
        let regions = regions::find(&mut self.moving, self.width, self.height, min_px);
        if !regions.is_empty() {
            return Motion::Regions { share: n_moving as f32 / n_all as f32, regions };
        }
        if n_masked >= min_px { Motion::Masked } else { Motion::None }
    }

    /// The whole frame is what lies above or below a burnt-in text.
    fn trim(&mut self, text: &Text) {
        let scale = self.scale();
        let bottom = self.whole.y + self.whole.height;
        if text.top < self.height / 2 {
            self.whole.y = self.whole.y.max(text.bottom as f64 * scale);
            self.whole.height = bottom - self.whole.y;
        } else {
            self.whole.height = bottom.min(text.top as f64 * scale) - self.whole.y;
        }
    }

    /// The cells of the largest regions, without such as show much the same.
    fn cells(&self, regions: &[Region], max: usize) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::new();
        for region in regions {
            if cells.len() == max {
                break;
            }
            let cell = self.lattice.cell(region, self.scale());
            if !self.is_shown(&cells, cell) {
                cells.push(cell);
            }
        }
        cells
    }

    fn is_shown(&self, cells: &[Cell], cell: Cell) -> bool {
        let area = self.lattice.area(cell);
        cells.iter().any(|it| self.lattice.area(*it).iou(&area) >= 0.3)
    }

    /// Remembers where something moves.
    fn note(&mut self, cells: &[Cell], now: Duration) {
        for &cell in cells {
            self.lately.retain(|it| it.0 != cell);
            self.lately.push_front((cell, now));
        }
        self.lately.truncate(N_LATELY);
    }

    /// Where something moved not long ago: an animal that has stopped there is looked at further. As many as crops are
    /// allowed, the latest first, without such as show much the same as `cells`.
    fn lingering(&self, config: &GateConfig, cells: &[Cell], now: Duration) -> Vec<Cell> {
        let mut all = cells.to_vec();
        for (cell, at) in &self.lately {
            let late = now.saturating_sub(*at).as_secs_f64() > config.linger_secs;
            if late || all.len() == cells.len() + config.max_crops {
                break;
            }
            if !self.is_shown(&all, *cell) {
                all.push(*cell);
            }
        }
        all.split_off(cells.len())
    }

    /// What a cell showed earlier, where it is asked for the first time or that is long ago.
    fn empty(
        &mut self,
        cell: Cell,
        area: Area,
        modality: Modality,
        light: u8,
        now: Duration,
        hurries: bool,
    ) -> Vec<Candidate> {
        let key = (cell, modality, light);
        let seeding = self.seeded.get(&key).copied();
        let lasts = |it: Seeding| SEEDED_FOR[it.times.min(SEEDED_FOR.len()) - 1];
        if seeding.is_some_and(|it| hurries || now.saturating_sub(it.at) < lasts(it)) {
            return Vec::new();
        }
        let surface = area.width * area.height;
        let unmoved = |it: &&Reference| {
            it.modality == modality
                && it.light.abs_diff(light) <= 1
                && it.moved.iter().all(|moved| moved.intersection(&area) < 0.05 * surface)
        };
        let empty =
            |it: &Reference| Candidate { view: View::Empty, cell: Some(cell), area, frame: Arc::clone(&it.frame) };
        let candidates: Vec<Candidate> = self.references.iter().filter(unmoved).map(empty).collect();
        if candidates.len() >= N_REFERENCES / 2 {
            let times = seeding.map_or(1, |it| it.times.saturating_add(1));
            self.seeded.insert(key, Seeding { at: now, times });
        }
        candidates
    }

    fn remember(&mut self, frame: &Arc<Frame>, modality: Modality, light: u8, regions: &[Region]) {
        let wait = if self.references.len() < N_REFERENCES { FIRST_REFERENCES } else { LATER_REFERENCES };
        let last = self.references.back().map(|it| it.frame.elapsed);
        if !self.background.is_learned() || last.is_some_and(|at| frame.elapsed.saturating_sub(at) < wait) {
            return;
        }
        if self.references.len() == N_REFERENCES {
            self.references.pop_front();
        }
        let moved = regions.iter().map(|it| it.area(self.scale())).collect();
        self.references.push_back(Reference { frame: Arc::clone(frame), modality, light, moved });
    }
}

fn modality(colourfulness: f32, last: Modality) -> Modality {
    match last {
        Modality::Colour if colourfulness < GREY => Modality::Infrared,
        Modality::Infrared if colourfulness > COLOURED => Modality::Colour,
        same => same,
    }
}

/// Steps of mean luma, with some inertia: 0 dark, 1 dusk, 2 day, 3 glare.
fn light(luma: &[u8], last: u8) -> u8 {
    const STEPS: [f32; 3] = [30.0, 75.0, 150.0];
    const INERTIA: f32 = 5.0;
    let mean = luma.iter().map(|&y| u64::from(y)).sum::<u64>() as f32 / luma.len().max(1) as f32;
    let step = |mean: f32| STEPS.iter().filter(|it| mean > **it).count() as u8;
    let (low, high) = (step(mean - INERTIA), step(mean + INERTIA));
    if (low..=high).contains(&last) { last } else { step(mean) }
}

#[cfg(test)]
mod tests;
