//! The fair, bounded queue between gates and featurizer: a lane per camera, served in turn, one look at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;

use crate::domain::{CameraName, Candidate, Look, View};
use crate::metrics::{Dropped, Metrics};

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
    /// whole frame alone.
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
        let looks = &mut self.lanes[turn].looks;
        let loaded = looks.len() * 2 > capacity && looks.len() > 1;
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

    /// Takes out the lanes that are closed and empty.
    fn forget_lanes(&mut self) {
        let turn = self.turn;
        let gone = self.lanes.iter().take(turn).filter(|it| it.is_over()).count();
        self.lanes.retain(|it| !it.is_over());
        self.turn = turn - gone;
    }
}

impl Lane {
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
mod tests {
    use std::thread;

    use super::*;
    use crate::infer::tiny;
    use crate::metrics::CameraMetrics;

    struct Camera {
        metrics: Arc<CameraMetrics>,
        lane: LaneSender,
        sent: u64,
    }

    impl Camera {
        fn new(metrics: &Metrics, lanes: &Lanes, name: &str) -> Camera {
            Camera { metrics: metrics.camera(name), lane: lanes.lane(name.into()), sent: 0 }
        }

        fn look(&mut self, crops: usize) -> Look {
            let frame = tiny::frame(&self.metrics, self.lane.camera(), self.sent, [9; 3]);
            self.sent += 1;
            tiny::look_at(frame, crops)
        }

        fn send(&mut self, crops: usize) {
            let look = self.look(crops);
            self.lane.send_newest(look).unwrap();
        }
    }

    fn names(batch: Option<Batch>) -> Vec<String> {
        batch.unwrap().looks.iter().map(|it| format!("{}{}", it.frame.camera, it.frame.number)).collect()
    }

    #[test]
    fn cameras_are_served_in_turn_one_look_at_a_time() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(8, &metrics);
        let [mut a, mut b, mut c] = ["a", "b", "c"].map(|it| Camera::new(&metrics, &lanes, it));
        (0..4).for_each(|_| a.send(0));
        (0..2).for_each(|_| b.send(0));
        c.send(0);
        assert!(metrics.text().contains(r#"eyeshine_queue_depth{queue="featurizer"} 7"#));
        assert!(metrics.text().contains(r#"eyeshine_queue_capacity{queue="featurizer"} 24"#));
        let first = looks.pop_batch(4).unwrap();
        assert_eq!(first.number, 0);
        assert_eq!(names(Some(first)), ["a0", "b0", "c0", "a1"]);
        assert_eq!(names(looks.pop_batch(4)), ["b1", "a2", "a3"]);
        assert!(metrics.text().contains(r#"eyeshine_queue_depth{queue="featurizer"} 0"#));
    }

    #[test]
    fn a_look_is_never_split_and_keeps_its_turn_where_it_does_not_fit() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(8, &metrics);
        let [mut a, mut b] = ["a", "b"].map(|it| Camera::new(&metrics, &lanes, it));
        a.send(1);
        b.send(2);
        a.send(0);
        assert_eq!(names(looks.pop_batch(7)), ["a0"], "3 + 5 candidates are more than 7");
        assert_eq!(names(looks.pop_batch(2)), ["b0"], "one look at least");
        assert_eq!(names(looks.pop_batch(2)), ["a1"]);
    }

    #[test]
    fn a_full_lane_of_a_live_camera_loses_its_oldest_and_no_other() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(2, &metrics);
        let [mut a, mut b] = ["a", "b"].map(|it| Camera::new(&metrics, &lanes, it));
        b.send(0);
        (0..5).for_each(|_| a.send(0));
        assert!(metrics.text().contains(r#"eyeshine_camera_frames_dropped_total{camera="a",reason="queue_full"} 3"#));
        assert_eq!(names(looks.pop_batch(9)), ["a3", "b0", "a4"]);
        assert_eq!(
            b.metrics.n_settled(),
            1,
            "the popped look was dropped by the test, and counted as lost in shutdown"
        );
    }

    #[test]
    fn crops_of_live_looks_are_shed_while_the_lane_is_more_than_half_full() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(4, &metrics);
        let mut a = Camera::new(&metrics, &lanes, "a");
        (0..4).for_each(|_| a.send(2));
        let sizes: Vec<usize> = (0..4).map(|_| looks.pop_batch(1).unwrap().looks[0].candidates.len()).collect();
        assert_eq!(sizes, [1, 1, 5, 5]);
        assert_eq!(a.metrics.crops_shed.get(), 4, "crops, not their empty scenes");

        // A file's are not: it must give the same answer at any speed.
        for _ in 0..4 {
            let look = a.look(2);
            a.lane.send_waiting(look).unwrap();
        }
        assert_eq!(looks.pop_batch(1).unwrap().looks[0].candidates.len(), 5);
        assert_eq!(a.metrics.crops_shed.get(), 4);
    }

    #[test]
    fn a_finite_source_waits_and_loses_nothing() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(2, &metrics);
        let mut a = Camera::new(&metrics, &lanes, "a");
        let taken: Vec<u64> = thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..500 {
                    let look = a.look(0);
                    a.lane.send_waiting(look).unwrap();
                }
                drop(lanes);
            });
            let batches = std::iter::from_fn(|| looks.pop_batch(3));
            batches.flat_map(|it| it.looks).map(|it| it.frame.number).collect()
        });
        assert_eq!(taken, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn it_ends_once_every_way_in_is_gone_and_nothing_waits() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(4, &metrics);
        let mut a = Camera::new(&metrics, &lanes, "a");
        let b = Camera::new(&metrics, &lanes, "b");
        a.send(0);
        drop(b);
        drop(a);
        assert_eq!(names(looks.pop_batch(1)), ["a0"], "what waits is still handed out");
        assert!(
            metrics.text().contains(r#"eyeshine_queue_capacity{queue="featurizer"} 0"#),
            "lanes went with their cameras"
        );
        thread::scope(|scope| {
            let waiting = [(); 2].map(|()| scope.spawn(|| looks.clone().pop_batch(1).is_none()));
            drop(lanes);
            waiting.into_iter().for_each(|it| assert!(it.join().unwrap()));
        });
    }

    #[test]
    fn senders_learn_that_the_pool_has_ended() {
        let metrics = Metrics::new();
        let (lanes, looks) = fair(1, &metrics);
        let mut a = Camera::new(&metrics, &lanes, "a");
        a.send(0);
        let (first, second) = (a.look(0), a.look(0));
        thread::scope(|scope| {
            let blocked = scope.spawn(|| a.lane.send_waiting(first));
            drop(looks);
            assert_eq!(blocked.join().unwrap(), Err(Closed));
        });
        assert_eq!(a.lane.send_newest(second), Err(Closed));
        assert_eq!((a.metrics.n_received(), a.metrics.n_settled()), (3, 3), "every frame is accounted for");
    }

    /// Many cameras at once, slower out than in: each ends with the same share, and every frame is counted.
    #[test]
    fn under_load_no_camera_starves() {
        const CAMERAS: usize = 24;
        let metrics = Metrics::new();
        let (lanes, looks) = fair(4, &metrics);
        let mut cameras: Vec<_> = (0..CAMERAS).map(|i| Camera::new(&metrics, &lanes, &format!("c{i}"))).collect();
        let mut served = vec![0_u32; CAMERAS];
        for round in 0..300 {
            for (i, camera) in cameras.iter_mut().enumerate() {
                // The first cameras push four times as much as the others.
                let pushes = if i < 4 { 4 } else { 1 };
                (0..pushes).for_each(|_| camera.send(round % 3));
            }
            for look in looks.pop_batch(13).unwrap().looks {
                served[look.frame.camera[1..].parse::<usize>().unwrap()] += 1;
                look.frame.fate.classified();
            }
        }
        let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
        assert!(f64::from(*least) / f64::from(*most) >= 0.95, "{served:?}");
        drop(looks);
        assert!(cameras.iter().all(|it| it.metrics.n_received() == it.metrics.n_settled()));
    }
}
