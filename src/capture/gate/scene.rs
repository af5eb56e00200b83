//! What a gate knows of a scene: its background, what is masked, where something moved lately, and what it looked like before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::capture::background::Background;
use crate::capture::lattice::Lattice;
use crate::capture::mask::{ClockFinder, Mask, Text};
use crate::capture::regions::{self, Region};
use crate::config::{GateConfig, GateSettings};
use crate::domain::{Area, CameraName, Candidate, Cell, Frame, Modality, View};

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

/// What depends on the picture's size: all of it begins anew when the caps change.
#[derive(Debug)]
pub(super) struct Scene {
    camera: CameraName,
    /// When it was first seen: frames of one scene follow one another.
    pub(super) since: Timestamp,
    pub(super) size_px: (u32, u32),
    pub(super) width: usize,
    pub(super) height: usize,
    background: Background,
    pub(super) mask: Mask,
    clock: Option<ClockFinder>,
    pub(super) whole: Area,
    pub(super) lattice: Lattice,
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

/// What moves.
pub(super) enum Motion {
    None,
    Masked,
    Everywhere,
    Regions { share: f32, regions: Vec<Region> },
}

impl Scene {
    pub(super) fn new(camera: &CameraName, settings: &GateSettings, size_px: (u32, u32), since: Timestamp) -> Scene {
        let config = &settings.gate;
        let width = config.width_px.min(size_px.0).max(1) as usize;
        let height = (width as f64 * f64::from(size_px.1) / f64::from(size_px.0)).round().max(1.0) as usize;
        Scene {
            camera: Arc::clone(camera),
            since,
            size_px,
            width,
            height,
            background: Background::new(width, height),
            mask: Mask::new(&settings.masks, width, height),
            clock: config.find_clock.then(|| ClockFinder::new(width, height)),
            whole: Area { x: 0.0, y: 0.0, width: size_px.0.into(), height: size_px.1.into() },
            lattice: Lattice::new(size_px.0, size_px.1, config),
            references: VecDeque::new(),
            seeded: HashMap::new(),
            lately: VecDeque::new(),
            moving: vec![false; width * height],
        }
    }

    pub(super) fn forget(&mut self) {
        self.background.forget();
        self.references.clear();
        self.seeded.clear();
        self.lately.clear();
    }

    /// Pixels of the analysed picture.
    pub(super) fn n_px(&self) -> usize {
        self.moving.len()
    }

    /// Full-resolution px a px of the analysed picture.
    pub(super) fn scale(&self) -> f64 {
        f64::from(self.size_px.0) / self.width as f64
    }

    pub(super) fn motion(&mut self, config: &GateConfig, luma: &[u8], elapsed: Duration) -> Motion {
        if let Some(clock) = &mut self.clock {
            for text in clock.update(luma, elapsed) {
                tracing::info!(camera = &*self.camera, ?text, "found a burnt-in clock, and leaves it out");
                self.mask.add(&text);
                self.trim(&text);
            }
        }
        self.background.update(config, luma, elapsed, &mut self.moving);
        if !self.background.is_learned() {
            return Motion::None;
        }
        let n_all = self.moving.len();
        let n_moving = self.moving.iter().filter(|it| **it).count();
        if n_moving as f32 > config.max_area * n_all as f32 {
            return Motion::Everywhere;
        }
        let min_px = (config.min_area * n_all as f32).ceil().max(2.0) as usize;
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
    pub(super) fn cells(&self, regions: &[Region], max: usize) -> Vec<Cell> {
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
    pub(super) fn note(&mut self, cells: &[Cell], now: Duration) {
        for &cell in cells {
            self.lately.retain(|it| it.0 != cell);
            self.lately.push_front((cell, now));
        }
        self.lately.truncate(N_LATELY);
    }

    /// Where something moved not long ago: an animal that has stopped there is looked at further. As many as crops are
    /// allowed, the latest first, without such as show much the same as `cells`.
    pub(super) fn lingering(&self, config: &GateConfig, cells: &[Cell], now: Duration) -> Vec<Cell> {
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
    pub(super) fn empty(
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

    pub(super) fn remember(&mut self, frame: &Arc<Frame>, modality: Modality, light: u8, regions: &[Region]) {
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
