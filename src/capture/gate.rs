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
mod scene;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::Receiver;
use fast_image_resize::Resizer;
use image::GrayImage;
use image::imageops::{self, FilterType};

use crate::capture::gate::draws::Draws;
use crate::capture::gate::scene::{Motion, Scene};
use crate::capture::picture::PictureError;
use crate::capture::regions::Region;
use crate::capture::tape::recorder::Recorder;
use crate::capture::tape::{Share, Taped};
use crate::config::{CameraConfig, GateConfig, GateSettings};
use crate::domain::{CameraName, Candidate, CaptureMethod, Cell, Frame, Look, Modality, View};
use crate::infer::queue::LaneSender;
use crate::logging::Seldom;
use crate::metrics::{Failed, Gated};

/// Colourfulness below which a picture is infrared, and above which it is not.
const GREY: f32 = 0.012;
const COLOURED: f32 = 0.03;

/// What the gate of each camera goes by, while it runs.
pub type Followed = HashMap<CameraName, Arc<ArcSwap<GateSettings>>>;

/// The gate of one camera.
#[derive(Debug)]
pub struct Gate {
    camera: CameraName,
    settings: Arc<GateSettings>,
    /// Where other settings come from, while it runs.
    follows: Option<Arc<ArcSwap<GateSettings>>>,
    scene: Option<Scene>,
    resizer: Resizer,
    modality: Modality,
    light: u8,
    last_time_lapse: Option<Duration>,
    /// Nothing that was sent before is sent again.
    hurries: bool,
    /// Of still moments, where such are kept.
    draws: Option<Draws>,
    /// Of what it sees, where that is kept.
    recorder: Option<Recorder>,
    /// Of frames that could not be read.
    complaints: Seldom,
}

impl Gate {
    /// The gate of a camera.
    pub fn new(config: &CameraConfig) -> Gate {
        Gate::with(Arc::clone(&config.name), Arc::new(config.gate_settings()))
    }

    /// The gate of a camera that goes by these.
    pub fn with(camera: CameraName, settings: Arc<GateSettings>) -> Gate {
        Gate {
            camera,
            settings,
            follows: None,
            scene: None,
            resizer: Resizer::new(),
            modality: Modality::Colour,
            light: 0,
            last_time_lapse: None,
            hurries: false,
            draws: None,
            recorder: None,
            complaints: Seldom::default(),
        }
    }

    /// The same, which goes by other settings as soon as there are such, without missing a frame.
    pub fn following(mut self, settings: Arc<ArcSwap<GateSettings>>) -> Gate {
        self.follows = Some(settings);
        self
    }

    /// The same, which draws still moments.
    pub fn drawing(mut self, draws: Option<Draws>) -> Gate {
        self.draws = draws;
        self
    }

    /// The same, of which is kept what it sees.
    pub fn recording(mut self, recorder: Option<Recorder>) -> Gate {
        self.recorder = recorder;
        self
    }

    /// Whether the featurizer is behind: then what can wait is not sent.
    pub fn hurry(&mut self, behind: bool) {
        self.hurries = behind;
    }

    /// Lets a frame through as a look, or settles its fate.
    pub fn judge(&mut self, frame: Frame) -> Option<Look> {
        self.follow();
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
                if let Some(unsaid) = self.complaints.may_say() {
                    tracing::warn!(camera = &*frame.camera, %error, unsaid, "a frame could not be read");
                }
                frame.fate.failed(Failed::Picture);
                None
            }
        }
    }

    /// Whether anything moves in a frame that was recorded, and where: what [`judge`](Gate::judge) found in it, or would have
    /// found by other settings. Frames of another take are of a scene that begins anew, as it did then.
    pub fn judge_again(&mut self, taped: &Taped) -> Option<Share> {
        if self.scene.as_ref().is_none_or(|it| it.since != taped.take) {
            // What was not recorded cannot be looked at more closely.
            let width_px = self.settings.gate.width_px.min(taped.luma.width());
            let gate = GateConfig { width_px, ..self.settings.gate.clone() };
            let settings = GateSettings { gate, masks: self.settings.masks.clone() };
            self.scene = Some(Scene::new(&self.camera, &settings, taped.size_px, taped.take));
            self.last_time_lapse = None;
        }
        let (width, height) = self.scene.as_ref().map_or((1, 1), |it| (it.width as u32, it.height as u32));
        let smaller;
        let luma = if taped.luma.dimensions() == (width, height) {
            &taped.luma
        } else {
            smaller = imageops::resize(&taped.luma, width, height, FilterType::Triangle);
            &smaller
        };
        let due = self.is_due(taped.elapsed).then_some(taped.modality);
        match self.watch(luma, due, taped.elapsed).verdict {
            Verdict::Through { cells: Found { regions, .. }, .. } => {
                regions.first().map(|it| Share::of(it, width as usize, height as usize))
            }
            Verdict::Ends(_) => None,
        }
    }

    /// Takes other settings up, where there are such: the scene begins anew.
    fn follow(&mut self) {
        let Some(follows) = &self.follows else { return };
        let latest = follows.load();
        if !Arc::ptr_eq(&latest, &self.settings) {
            self.settings = Arc::clone(&latest);
            self.scene = None;
        }
    }

    fn look(&mut self, frame: &Frame) -> Result<Verdict, PictureError> {
        let size_px = (frame.picture.width(), frame.picture.height());
        let scene = match &mut self.scene {
            Some(scene) if scene.size_px == size_px => scene,
            other => other.insert(Scene::new(&self.camera, &self.settings, size_px, frame.at)),
        };
        let luma = frame.picture.luma(scene.width as u32, scene.height as u32, &mut self.resizer)?;
        let due = if self.is_due(frame.elapsed) {
            Some(modality(frame.picture.colourfulness(&mut self.resizer)?, self.modality))
        } else {
            None
        };
        let Watched { verdict, stirs } = self.watch(&luma, due, frame.elapsed);
        self.record(frame, luma, stirs);
        Ok(verdict)
    }

    /// Whether a frame passes without motion.
    fn is_due(&self, elapsed: Duration) -> bool {
        let lasts = |last: Duration| elapsed.saturating_sub(last).as_secs_f64() < self.settings.gate.time_lapse_secs;
        !self.last_time_lapse.is_some_and(lasts)
    }

    /// What becomes of a picture of the scene; `due`, where it passes without motion, is by which light it was taken.
    fn watch(&mut self, luma: &GrayImage, due: Option<Modality>, elapsed: Duration) -> Watched {
        let gate = &self.settings.gate;
        let Some(scene) = &mut self.scene else {
            return Watched { verdict: Verdict::Ends(Gated::Still), stirs: false };
        };
        if let Some(modality) = due {
            self.last_time_lapse = Some(elapsed);
            self.light = light(luma, self.light);
            if modality != self.modality {
                self.modality = modality;
                scene.forget();
            }
        }
        let motion = scene.motion(gate, luma, elapsed);
        if let Motion::Everywhere = motion {
            scene.forget();
        }
        let stirs = !matches!(motion, Motion::None);
        let verdict = match motion {
            Motion::Regions { share, regions } => {
                let mut cells = scene.cells(&regions, gate.max_crops);
                scene.note(&cells, elapsed);
                if due.is_some() {
                    cells.extend(scene.lingering(gate, &cells, elapsed));
                }
                let method = if due.is_some() { CaptureMethod::TimeLapse } else { CaptureMethod::ActivityDetection };
                Verdict::Through { method, motion: share, cells: Found { cells, regions } }
            }
            _ if due.is_some() => {
                let cells = scene.lingering(gate, &[], elapsed);
                let method = CaptureMethod::TimeLapse;
                Verdict::Through { method, motion: 0.0, cells: Found { cells, regions: Vec::new() } }
            }
            Motion::Masked => Verdict::Ends(Gated::Masked),
            Motion::None | Motion::Everywhere => Verdict::Ends(Gated::Still),
        };
        Watched { verdict, stirs }
    }

    /// Sends what it saw to be kept, without what is masked.
    fn record(&mut self, frame: &Frame, mut luma: GrayImage, stirs: bool) {
        let (Some(recorder), Some(scene)) = (&mut self.recorder, &self.scene) else { return };
        if recorder.wants(frame.elapsed, stirs) {
            scene.mask.blacken(&mut luma);
            recorder.send(Taped {
                camera: Arc::clone(&frame.camera),
                take: scene.since,
                at: frame.at,
                elapsed: frame.elapsed,
                modality: self.modality,
                size_px: scene.size_px,
                luma,
            });
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
                scene.remember(&frame, modality, light, &found.regions);
            }
        }
        Look { frame, modality, method, motion, light, candidates }
    }
}

/// Runs the gate of a camera on a thread of its own until its camera is gone.
///
/// Looks of a live camera take the place of older ones where the featurizer is behind; those of a file wait.
pub fn spawn(mut gate: Gate, frames: Receiver<Frame>, lane: LaneSender, live: bool) -> io::Result<JoinHandle<()>> {
    let name: String = format!("gate-{}", gate.camera).chars().take(15).collect();
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

/// What became of a frame, and whether anything moves in it, be it masked.
struct Watched {
    verdict: Verdict,
    stirs: bool,
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
