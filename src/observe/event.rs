//! From predictions to events: looks of one camera with gaps below a set time are one event.
//!
//! An event opens once enough looks in a row show something, goes on at weaker signs, and is over after a gap. Bursts in
//! which something moved or was strange, and no animal, are blank events. All times are stream times.

mod burst;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use jiff::Timestamp;
use uuid::Uuid;

use crate::config::EventsConfig;
use crate::domain::{CameraName, Change, Event, EventState, EventUpdate, Keepsake, Modality, Observation, View};
use crate::infer::predict::{PRESENT, Prediction};
use crate::observe::people::Signs;
use crate::observe::track::Tracks;
use crate::pipeline::House;

use self::burst::Burst;

/// Once an event is open, weaker signs carry it on.
const SUSTAINS: f32 = 0.25;
/// Of the looks that are strange at all, the mean presence from which an event opens: a smear looks like an animal now and then.
const MEAN_PRESENCE: f32 = 0.45;
/// Novelty from which a look without an animal belongs to a blank event.
const STRANGE: f32 = 1.2;
/// Between kept pictures, unless a better one comes.
const BETWEEN_PICTURES: Duration = Duration::from_millis(1_500);
/// Media named in an event.
const MAX_MEDIA: usize = 8;
/// Silence of a camera, in real time, after which its open event is closed: no look will say that it is over.
const SILENCE: Duration = Duration::from_secs(8);
/// Between changes of an open event's answer, at least.
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

/// Makes events of predictions, for all cameras.
#[derive(Debug)]
pub struct Observer {
    config: EventsConfig,
    signs: Signs,
    cameras: HashMap<CameraName, Watch>,
}

/// One camera.
#[derive(Debug, Default)]
struct Watch {
    /// Looks of the last `gap_secs` that show something or are strange, before an event is open.
    recent: VecDeque<Prediction>,
    open: Option<Open>,
    blank: Option<Burst>,
    /// When a look last showed a sign of people.
    people: Option<Duration>,
    last_heard: Duration,
}

#[derive(Debug)]
struct Open {
    event: Event,
    tracks: Tracks,
    first: Duration,
    last: Duration,
    n_infrared: u32,
    saved: Duration,
    changed: Duration,
    pictured: Option<Duration>,
    best: Vec<(f32, Uuid)>,
}

impl Observer {
    /// An observer that has seen nothing; it marks events in which looks show `signs` of people.
    pub fn new(config: &EventsConfig, signs: Signs) -> Observer {
        Observer { config: config.clone(), signs, cameras: HashMap::new() }
    }

    /// Takes one prediction; `heard` is the daemon's own time, for [`Observer::close_silent`].
    pub fn observe(&mut self, prediction: Prediction, heard: Duration) -> Vec<EventUpdate> {
        let camera = Arc::clone(&prediction.look.frame.camera);
        let watch = self.cameras.entry(camera).or_default();
        watch.last_heard = heard;
        let mut updates = Vec::new();
        watch.close_if_over(&self.config, prediction.look.frame.elapsed, &mut updates);
        if self.signs.show(&prediction) {
            watch.note_people(prediction.look.frame.elapsed, &mut updates);
        }
        watch.take(&self.config, prediction, &mut updates);
        // Those that go on do not keep open what one left that is gone.
        updates.extend(self.close_silent(heard));
        updates
    }

    /// Ends the events of cameras that have fallen silent.
    pub fn close_silent(&mut self, now: Duration) -> Vec<EventUpdate> {
        let mut updates = Vec::new();
        let gap = Duration::from_secs_f64(self.config.gap_secs);
        for watch in self.cameras.values_mut() {
            if now.saturating_sub(watch.last_heard) > SILENCE + gap {
                watch.close(&self.config, &mut updates);
            }
        }
        updates
    }

    /// Ends all events: no look will come any more.
    pub fn close_all(&mut self) -> Vec<EventUpdate> {
        let mut updates = Vec::new();
        self.cameras.values_mut().for_each(|it| it.close(&self.config, &mut updates));
        updates
    }
}

impl Watch {
    fn close_if_over(&mut self, config: &EventsConfig, now: Duration, updates: &mut Vec<EventUpdate>) {
        let gap = Duration::from_secs_f64(config.gap_secs);
        if self.open.as_ref().is_some_and(|it| now.saturating_sub(it.last) > gap) {
            updates.extend(self.open.take().map(Open::end));
        }
        if self.blank.as_ref().is_some_and(|it| now.saturating_sub(it.last()) > gap) {
            updates.extend(self.blank.take().and_then(|it| it.end(config)));
        }
        while self.recent.front().is_some_and(|it| now.saturating_sub(it.look.frame.elapsed) > gap) {
            self.recent.pop_front();
        }
    }

    fn close(&mut self, config: &EventsConfig, updates: &mut Vec<EventUpdate>) {
        self.recent.clear();
        updates.extend(self.open.take().map(Open::end));
        updates.extend(self.blank.take().and_then(|it| it.end(config)));
    }

    /// Marks what goes on.
    fn note_people(&mut self, at: Duration, updates: &mut Vec<EventUpdate>) {
        self.people = Some(at);
        if let Some(burst) = &mut self.blank {
            burst.people = true;
        }
        if let Some(open) = self.open.as_mut().filter(|it| !it.event.people) {
            open.event.people = true;
            // At once: its pictures may be looked at this moment.
            let event = open.event.clone();
            updates.push(EventUpdate { change: Change::Changed, event, keepsakes: Vec::new(), said: Vec::new() });
        }
    }

    fn take(&mut self, config: &EventsConfig, prediction: Prediction, updates: &mut Vec<EventUpdate>) {
        let presence = prediction.presence();
        if let Some(open) = &mut self.open {
            if presence >= SUSTAINS {
                open.add(config, &prediction, updates);
                if open.event.duration_secs >= config.max_secs {
                    // Cut: what follows is the next event.
                    updates.extend(self.open.take().map(Open::end));
                }
            } else {
                open.event.looks += 1;
            }
            return;
        }
        let (now, gap) = (prediction.look.frame.elapsed, Duration::from_secs_f64(config.gap_secs));
        let people = self.people.is_some_and(|at| now.saturating_sub(at) <= gap);
        if prediction.excess() >= 1.0 || presence >= PRESENT {
            self.note_strange(&prediction, people);
            self.recent.push_back(prediction);
        }
        let weight: f32 = self.recent.iter().map(Prediction::weight).sum();
        let mean = self.recent.iter().map(Prediction::presence).sum::<f32>() / self.recent.len().max(1) as f32;
        if weight >= config.open_looks && mean >= MEAN_PRESENCE {
            self.blank = None;
            let looks = self.last_run(gap / 2);
            self.open = Open::begin(config, &looks, people, updates);
        }
    }

    /// The recent looks from where an animal was seen without a pause: the event begins there, not at a sign long before.
    fn last_run(&mut self, pause: Duration) -> Vec<Prediction> {
        let mut begin = self.recent.len();
        let mut next = None;
        for (i, it) in self.recent.iter().enumerate().rev().filter(|(_, it)| it.presence() >= PRESENT) {
            let at = it.look.frame.elapsed;
            if next.is_some_and(|next: Duration| next.saturating_sub(at) > pause) {
                break;
            }
            (begin, next) = (i, Some(at));
        }
        self.recent.drain(..).skip(begin).collect()
    }

    fn note_strange(&mut self, prediction: &Prediction, people: bool) {
        if prediction.excess() < STRANGE {
            return;
        }
        if self.blank.is_none() {
            let begin = |it| Burst::begin(prediction.heads.first().generation().clone(), it, people);
            self.blank = keepsakes(prediction, true).pop().map(begin);
        }
        if let Some(burst) = &mut self.blank {
            burst.add(prediction);
        }
    }
}

impl Open {
    /// Opens an event with the looks that made it.
    fn begin(
        config: &EventsConfig,
        looks: &[Prediction],
        people: bool,
        updates: &mut Vec<EventUpdate>,
    ) -> Option<Open> {
        let (first, rest) = looks.split_first()?;
        let frame = &first.look.frame;
        let mut tracks = Tracks::default();
        tracks.add(first, SUSTAINS);
        let event = Event {
            id: id_at(frame.at),
            camera: Arc::clone(&frame.camera),
            state: EventState::Open,
            start: frame.at,
            end: frame.at,
            duration_secs: 0.0,
            modality: first.look.modality,
            observations: tracks.observations(&first.heads, config.threshold),
            looks: 0,
            media: Vec::new(),
            people,
        };
        let (saved, changed) = (frame.elapsed, frame.elapsed);
        let (best, pictured) = (Vec::new(), None);
        let mut open = Open { event, tracks, first: saved, last: saved, n_infrared: 0, saved, changed, pictured, best };
        let mut kept = Vec::new();
        kept.extend(open.note(first));
        for look in rest {
            if look.presence() >= SUSTAINS {
                open.tracks.add(look, SUSTAINS);
            }
            kept.extend(open.note(look));
        }
        let heads = &looks.last().unwrap_or(first).heads;
        open.event.observations = open.tracks.observations(heads, config.threshold);
        open.saved = open.last;
        open.changed = open.last;
        updates.push(EventUpdate {
            change: Change::Opened,
            event: open.event.clone(),
            keepsakes: kept,
            said: Vec::new(),
        });
        Some(open)
    }

    /// Carries the event on.
    fn add(&mut self, config: &EventsConfig, prediction: &Prediction, updates: &mut Vec<EventUpdate>) {
        self.tracks.add(prediction, SUSTAINS);
        let keepsakes = self.note(prediction);
        let observations = self.tracks.observations(&prediction.heads, config.threshold);
        let named = |it: &Observation| (Arc::clone(&it.generation.task), it.kind, it.class.clone());
        let changed = !observations.iter().map(named).eq(self.event.observations.iter().map(named));
        let now = self.last;
        let due = now.saturating_sub(self.saved).as_secs_f64() >= config.save_secs;
        let change = if changed && now.saturating_sub(self.changed) >= BETWEEN_CHANGES {
            self.changed = now;
            self.event.observations = observations;
            Change::Changed
        } else {
            if !changed {
                self.event.observations = observations;
            }
            Change::Progressed
        };
        if change == Change::Changed || due || !keepsakes.is_empty() {
            self.saved = now;
            updates.push(EventUpdate { change, event: self.event.clone(), keepsakes, said: Vec::new() });
        }
    }

    /// Counts a look, and gives what is worth keeping of it.
    fn note(&mut self, prediction: &Prediction) -> Vec<Keepsake> {
        let frame = &prediction.look.frame;
        self.last = frame.elapsed;
        self.event.end = frame.at.max(self.event.start);
        self.event.duration_secs = frame.elapsed.saturating_sub(self.first).as_secs_f64();
        self.event.looks += 1;
        self.n_infrared += u32::from(prediction.look.modality == Modality::Infrared);
        self.event.modality =
            if self.n_infrared * 2 > self.event.looks { Modality::Infrared } else { Modality::Colour };
        let score = score(prediction);
        let best = self.best.first().map_or(0.0, |it| it.0);
        let waited = self.pictured.is_none_or(|at| self.last.saturating_sub(at) >= BETWEEN_PICTURES);
        if !waited && score <= best * 1.1 {
            return Vec::new();
        }
        self.pictured = Some(self.last);
        let kept = keepsakes(prediction, true);
        self.best.extend(kept.iter().map(|it| (it.score, it.id)));
        self.best.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.best.truncate(MAX_MEDIA);
        self.event.media = self.best.iter().map(|it| it.1).collect();
        kept
    }

    fn end(mut self) -> EventUpdate {
        self.event.state = EventState::Ended;
        let said = self.tracks.said();
        EventUpdate { change: Change::Ended, event: self.event, keepsakes: Vec::new(), said }
    }
}

/// The whole frame, and the crop that shows most, of one look; the best last.
fn keepsakes(prediction: &Prediction, picture: bool) -> Vec<Keepsake> {
    let look = &prediction.look;
    let keep = |candidate_idx: usize, score: f32| {
        let candidate = &look.candidates[candidate_idx];
        Keepsake {
            id: id_at(look.frame.at),
            frame: Arc::clone(&look.frame),
            area: candidate.area,
            view: candidate.view,
            method: look.method,
            modality: look.modality,
            embedding: prediction.embeddings[candidate_idx].clone(),
            score,
            picture,
        }
    };
    let score = score(prediction);
    let crops = prediction.seen.iter().filter(|it| look.candidates[it.candidate_idx].view == View::Crop);
    let crop = crops.max_by(|a, b| a.presence.total_cmp(&b.presence)).filter(|it| it.presence >= SUSTAINS);
    let mut kept = Vec::new();
    // The whole frame ranks just behind its crop: people want to see the animal first.
    kept.extend(
        prediction.seen.first().map(|it| keep(it.candidate_idx, if crop.is_some() { score * 0.9 } else { score })),
    );
    kept.extend(crop.map(|it| keep(it.candidate_idx, score)));
    kept
}

/// How much a look says, 0..=1: an animal is there, and the head knows which.
fn score(prediction: &Prediction) -> f32 {
    let best = prediction.seen.iter().max_by(|a, b| a.presence.total_cmp(&b.presence));
    best.map_or(0.0, |it| {
        let sure = it.probabilities().unwrap_or_default().iter().skip(1).copied().fold(0.0, f32::max);
        it.presence * (0.5 + 0.5 * sure)
    })
}

/// A UUID v7 of the moment itself, so that identities sort by time even where a file is read fast.
fn id_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1_000, nanos))
}

/// Runs the stage on a thread of its own until its input closes; then every open event is ended.
pub fn spawn(
    config: &EventsConfig,
    signs: Signs,
    house: &House,
    input: Receiver<Prediction>,
    output: Sender<EventUpdate>,
) -> io::Result<JoinHandle<()>> {
    let clock = Arc::clone(&house.clock);
    let mut observer = Observer::new(config, signs);
    thread::Builder::new().name("events".into()).spawn(move || {
        loop {
            let updates = match input.recv_timeout(Duration::from_secs(1)) {
                Ok(prediction) => observer.observe(prediction, clock.elapsed()),
                Err(RecvTimeoutError::Timeout) => observer.close_silent(clock.elapsed()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if updates.into_iter().any(|it| output.send(it).is_err()) {
                return;
            }
        }
        for update in observer.close_all() {
            if output.send(update).is_err() {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests;
