//! The fair, bounded queue between gates and featurizer: a lane per camera, served in turn, one look at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntGauge;

use crate::domain::{CameraName, Candidate, Look, View};
use crate::metrics::{Dropped, Metrics};

/// After a frame had to be dropped no crop of a live camera is run for so long: one crop more is one frame less.
const FRAMES_FIRST: Duration = Duration::from_secs(2);

/// A queue with room for `capacity` looks (at least 1) in each lane: one end makes lanes, the other takes batches.
///
/// It is closed once [`Lanes`] and every [`LaneSender`] are gone; what waits then is still handed out.
pub fn fair(capacity: usize, metrics: &Metrics) -> (Lanes, Looks) {
    let shared = Arc::new(Shared {
        capacity: capacity.max(1),
        state: Mutex::new(State::default()),
        filled: Condvar::new(),
        room: Condvar::new(),
        depth: metrics.queue_depth.with_label_values(&["featurizer"]),
        total: metrics.queue_capacity.with_label_values(&["featurizer"]),
    });
    shared.lock().receivers = 1;
    shared.lock().makers = 1;
    (Lanes { shared: Arc::clone(&shared) }, Looks { shared })
}

/// The gates' end: makes lanes. While it lives the queue is not closed.
#[derive(Debug)]
pub struct Lanes {
    shared: Arc<Shared>,
}

/// One camera's way in.
#[derive(Debug)]
pub struct LaneSender {
    shared: Arc<Shared>,
    id: u64,
    camera: CameraName,
}

/// The workers' end; clones share it.
#[derive(Debug)]
pub struct Looks {
    shared: Arc<Shared>,
}

/// Some looks of several cameras, to be run together.
#[derive(Debug)]
pub struct Batch {
    /// 0, 1, 2 … in the order in which batches left.
    pub number: u64,
    /// Never empty; a camera's looks stand in the order in which they came.
    pub looks: Vec<Look>,
}

/// Nobody takes looks any more: the pool has ended. The look is gone, and counted so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("featurizer queue: the featurizer has ended")]
pub struct Closed;

#[derive(Debug)]
struct Shared {
    capacity: usize,
    state: Mutex<State>,
    filled: Condvar,
    room: Condvar,
    depth: IntGauge,
    total: IntGauge,
}

#[derive(Debug, Default)]
struct State {
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
    waiting: usize,
    makers: usize,
    receivers: usize,
    lanes_made: u64,
    batches: u64,
    /// When a look last had to go for want of room, in any lane.
    dropped: Option<Instant>,
}

#[derive(Debug)]
struct Lane {
    id: u64,
    looks: VecDeque<Waiting>,
    open: bool,
}

#[derive(Debug)]
struct Waiting {
    look: Look,
    /// Whether its crops may be left out under load: those of a finite source never are, so that a file gives the same
    /// answer at any speed.
    live: bool,
}

impl Lanes {
    /// A lane of its own for a camera; it goes with its sender once what waits in it was taken.
    pub fn lane(&self, camera: CameraName) -> LaneSender {
        let mut state = self.shared.lock();
        let id = state.lanes_made;
        state.lanes_made += 1;
        state.lanes.push(Lane { id, looks: VecDeque::with_capacity(self.shared.capacity), open: true });
        self.shared.gauge(&state);
        LaneSender { shared: Arc::clone(&self.shared), id, camera }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.shared.lock().makers -= 1;
        self.shared.filled.notify_all();
    }
}

impl LaneSender {
    /// The camera whose lane it is.
    pub fn camera(&self) -> &CameraName {
        &self.camera
    }

    /// For live cameras, never waits: where the lane is full its oldest look goes, and is counted as dropped.
    pub fn send_newest(&self, look: Look) -> Result<(), Closed> {
        let mut state = self.shared.lock();
        let lane = state.lane(self.id).ok_or(Closed)?;
        let oldest = if lane.looks.len() >= self.shared.capacity { lane.looks.pop_front() } else { None };
        lane.looks.push_back(Waiting { look, live: true });
        if oldest.is_none() {
            state.waiting += 1;
        } else {
            state.dropped = Some(Instant::now());
        }
        self.shared.gauge(&state);
        drop(state);
        self.shared.filled.notify_one();
        // Outside the lock: its pixels may be many.
        if let Some(oldest) = oldest {
            oldest.look.frame.fate.dropped(Dropped::QueueFull);
        }
        Ok(())
    }

    /// Whether the featurizer is behind: then crops are shed.
    pub fn is_behind(&self) -> bool {
        let mut state = self.shared.lock();
        state.has_dropped() || state.lane(self.id).is_some_and(|it| it.is_loaded(self.shared.capacity))
    }

    /// For finite sources: waits until there is room. Nothing of it is dropped, and no crop is left out.
    pub fn send_waiting(&self, look: Look) -> Result<(), Closed> {
        let mut state = self.shared.lock();
        loop {
            let lane = state.lane(self.id).ok_or(Closed)?;
            if lane.looks.len() < self.shared.capacity {
                lane.looks.push_back(Waiting { look, live: false });
                state.waiting += 1;
                self.shared.gauge(&state);
                drop(state);
                self.shared.filled.notify_one();
                return Ok(());
            }
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for LaneSender {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(lane) = state.lane(self.id) {
            lane.open = false;
        }
        state.forget_lanes();
        self.shared.gauge(&state);
        drop(state);
        self.shared.filled.notify_all();
    }
}

impl Looks {
    /// The next looks, one of each camera in turn, until `max_candidates` are reached: at least one look, and a look is
    /// never split. Waits while the queue is empty; `None` once it is closed and empty.
    ///
    /// Under load crops are shed before frames are dropped: a live look that leaves a lane more than half full keeps its
    /// whole frame alone, and so does every one for a while after a frame was dropped all the same.
    pub fn pop_batch(&self, max_candidates: usize) -> Option<Batch> {
        let mut state = self.shared.lock();
        while state.waiting == 0 {
            if state.makers == 0 && state.lanes.iter().all(|it| !it.open) {
                return None;
            }
            state = self.shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut looks = Vec::new();
        let mut shed = Vec::new();
        let mut candidates = 0;
        while let Some((look, rest)) = state.take(self.shared.capacity, max_candidates, candidates) {
            candidates += look.candidates.len();
            looks.push(look);
            shed.extend(rest);
            if candidates >= max_candidates {
                break;
            }
        }
        let number = state.batches;
        state.batches += 1;
        state.forget_lanes();
        self.shared.gauge(&state);
        let more = state.waiting > 0;
        drop(state);
        self.shared.room.notify_all();
        if more {
            self.shared.filled.notify_one();
        }
        // Outside the lock: a shed candidate may be the last that holds its frame.
        drop(shed);
        Some(Batch { number, looks })
    }
}

impl Clone for Looks {
    fn clone(&self) -> Looks {
        self.shared.lock().receivers += 1;
        Looks { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receivers -= 1;
        if state.receivers == 0 {
            // What waits would wait for ever; going, each is counted as dropped in the shutdown.
            let lanes = std::mem::take(&mut state.lanes);
            state.waiting = 0;
            state.turn = 0;
            self.shared.gauge(&state);
            drop(state);
            self.shared.room.notify_all();
            drop(lanes);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauge(&self, state: &State) {
        self.depth.set(state.waiting as i64);
        self.total.set((state.lanes.len() * self.capacity) as i64);
    }
}

impl State {
    /// The lane of a sender; none once nobody takes looks any more.
    fn lane(&mut self, id: u64) -> Option<&mut Lane> {
        if self.receivers == 0 { None } else { self.lanes.iter_mut().find(|it| it.id == id) }
    }

    /// The look whose turn it is, with what was shed of it, if it still fits beside `taken` candidates.
    fn take(&mut self, capacity: usize, max: usize, taken: usize) -> Option<(Look, Vec<Candidate>)> {
        let count = self.lanes.len();
        let turn = (0..count).map(|i| (self.turn + i) % count).find(|&i| !self.lanes[i].looks.is_empty())?;
        let loaded = self.has_dropped() || self.lanes[turn].is_loaded(capacity);
        let looks = &mut self.lanes[turn].looks;
        let first = looks.front_mut()?;
        let shed = if loaded && first.live { shed_crops(&mut first.look) } else { Vec::new() };
        if taken > 0 && taken + first.look.candidates.len() > max {
            // Its turn stays: it is the first of the next batch.
            self.turn = turn;
            return None;
        }
        let first = looks.pop_front()?;
        self.waiting -= 1;
        self.turn = turn + 1;
        Some((first.look, shed))
    }

    fn has_dropped(&self) -> bool {
        self.dropped.is_some_and(|it| it.elapsed() < FRAMES_FIRST)
    }

    /// Takes out the lanes that are closed and empty.
    fn forget_lanes(&mut self) {
        let turn = self.turn;
        let gone = self.lanes.iter().take(turn).filter(|it| it.is_over()).count();
        self.lanes.retain(|it| !it.is_over());
        self.turn = turn - gone;
    }
}

impl Lane {
    fn is_loaded(&self, capacity: usize) -> bool {
        self.looks.len() * 2 > capacity && self.looks.len() > 1
    }

    fn is_over(&self) -> bool {
        !self.open && self.looks.is_empty()
    }
}

fn shed_crops(look: &mut Look) -> Vec<Candidate> {
    let shed = look.candidates.split_off(look.candidates.len().min(1));
    let crops = shed.iter().filter(|it| it.view == View::Crop).count();
    look.frame.fate.camera().crops_shed.inc_by(crops as u64);
    shed
}

#[cfg(test)]
mod tests;
