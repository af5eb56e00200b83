//! The queue between gates and featurizer: order, fairness, what is dropped and what it is told of.

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
    assert_eq!(b.metrics.n_settled(), 1, "the popped look was dropped by the test, and counted as lost in shutdown");
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
