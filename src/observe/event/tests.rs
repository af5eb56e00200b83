//! Events from scripted predictions: when they open, go on, end, and what they say.

use image::RgbImage;

use super::*;
use crate::capture::picture::Picture;
use crate::config::PeopleConfig;
use crate::domain::{Area, Candidate, CaptureMethod, Cell, Embedding, Frame, Look, ObservationType};
use crate::infer::closeness::Closeness;
use crate::infer::contract::NetworkClass;
use crate::infer::head::{Head, Opinion};
use crate::infer::heads::Heads;
use crate::infer::novelty::Novelty;
use crate::infer::predict::Seen;
use crate::infer::tiny;
use crate::metrics::Metrics;

/// Class 1.
const FOX: usize = 1;
/// Class 2.
const DEER: usize = 2;

struct Script {
    observer: Observer,
    camera: &'static str,
    heads: Arc<Heads>,
    /// What further tasks' heads are asked about, by the column of the crop.
    features: fn(u8) -> [f32; 3],
    metrics: Arc<Metrics>,
    number: u64,
    /// How sure the network is that the whole frame shows what people wear, 0..1.
    worn: f32,
}

/// A crop: column of its cell, presence, class, probability of the class among animals.
type Crop = (u8, f32, usize, f32);

impl Script {
    fn new() -> Script {
        let row = |name: &str| NetworkClass {
            label: name.into(),
            animal: true,
            common_name: name.into(),
            scientific_name: "".into(),
            rank: "species".into(),
        };
        let config = EventsConfig { gap_secs: 3.0, open_looks: 1.5, max_secs: 60.0, threshold: 0.5, save_secs: 3.0 };
        let people = PeopleConfig { pictures: Default::default(), probability: 0.3, starter_probability: 0.3 };
        Script {
            observer: Observer::new(&config, Signs::of(Arc::from([1]), &people)),
            camera: "trail",
            heads: Arc::new(Arc::new(Head::starter(&[row("fox"), row("deer"), row("hare")])).into()),
            features: |_| [0.0; 3],
            metrics: Metrics::new(),
            number: 0,
            worn: 0.0,
        }
    }

    /// From now on these heads of further tasks serve beside the first's.
    fn further(&mut self, further: &[&Arc<Head>]) {
        let further = further.iter().map(|it| Arc::clone(it)).collect();
        self.heads = Arc::new(Heads::new(Arc::clone(self.heads.first()), further));
    }

    fn look(&mut self, secs: f64, crops: &[Crop]) -> Vec<EventUpdate> {
        self.strange_look(secs, if crops.is_empty() { 0.2 } else { 2.0 }, crops)
    }

    fn strange_look(&mut self, secs: f64, excess: f32, crops: &[Crop]) -> Vec<EventUpdate> {
        let frame = Arc::new(Frame {
            camera: self.camera.into(),
            number: self.number,
            at: Timestamp::from_millisecond((secs * 1_000.0) as i64).unwrap(),
            elapsed: Duration::from_secs_f64(secs),
            picture: Picture::still(RgbImage::new(8, 8)),
            fate: self.metrics.camera(self.camera).receive(),
        });
        self.number += 1;
        let shown = |column| Embedding { features: (self.features)(column).into(), logits: None, second: None };
        let mut embeddings = vec![shown(0)];
        let novelty = Some(Novelty { distance: 0.1, excess, gain: 0.0 });
        let area = Area { x: 0.0, y: 0.0, width: 8.0, height: 8.0 };
        let mut candidates = vec![Candidate { view: View::Whole, cell: None, area, frame: Arc::clone(&frame) }];
        let mut seen = vec![Seen { candidate_idx: 0, novelty, presence: 0.0, opinion: None }];
        for &(column, presence, class, share) in crops {
            embeddings.push(shown(column));
            let mut probabilities = [1.0 - presence, 0.0, 0.0, 0.0];
            for (i, it) in probabilities.iter_mut().enumerate().skip(1) {
                *it = presence * if i == class { share } else { (1.0 - share) / 2.0 };
            }
            let area = Area { x: f64::from(column) * 100.0, y: 0.0, width: 50.0, height: 50.0 };
            let cell = Some(Cell { divisor: 2, column, row: 0 });
            seen.push(Seen {
                candidate_idx: candidates.len(),
                novelty,
                presence,
                opinion: Some(Opinion {
                    probabilities: probabilities.to_vec().into(),
                    guess: None,
                    log_odds: 0.0,
                    closeness: Closeness::default(),
                    second: None,
                }),
            });
            candidates.push(Candidate { view: View::Crop, cell, area, frame: Arc::clone(&frame) });
        }
        embeddings[0].logits = Some(Arc::from([(1.0 - self.worn).ln(), self.worn.ln(), f32::NEG_INFINITY]));
        let look = Look {
            frame,
            modality: Modality::Colour,
            method: CaptureMethod::ActivityDetection,
            motion: 0.01,
            light: 2,
            candidates,
        };
        let prediction = Prediction { look, embeddings, heads: Arc::clone(&self.heads), seen };
        self.observer.observe(prediction, Duration::from_secs_f64(secs))
    }

    /// Looks every 200 ms from `from` to before `to`.
    fn play(&mut self, from: f64, to: f64, crops: &[Crop]) -> Vec<EventUpdate> {
        let n = ((to - from) / 0.2).round() as u32;
        (0..n).flat_map(|i| self.look(from + 0.2 * f64::from(i), crops)).collect()
    }
}

fn told(updates: &[EventUpdate], change: Change) -> Vec<&Event> {
    updates.iter().filter(|it| it.change == change).map(|it| &it.event).collect()
}

fn labels(event: &Event) -> Vec<String> {
    event.observations.iter().map(Observation::label).collect()
}

#[test]
fn an_event_begins_and_ends_with_what_was_seen() {
    let mut script = Script::new();
    let mut updates = script.play(0.0, 10.0, &[]);
    updates.extend(script.play(10.0, 16.0, &[(1, 0.9, FOX, 0.8)]));
    updates.extend(script.play(16.0, 25.0, &[]));
    assert_eq!(told(&updates, Change::Opened).len(), 1);
    let [ended] = told(&updates, Change::Ended)[..] else { panic!("{updates:?}") };
    assert_eq!(labels(ended), ["fox"]);
    assert_eq!(ended.start.as_millisecond(), 10_000);
    assert_eq!(ended.end.as_millisecond(), 15_800);
    assert!((ended.duration_secs - 5.8).abs() < 0.01);
    assert!(!ended.media.is_empty() && ended.media.len() <= MAX_MEDIA);
}

#[test]
fn one_look_alone_is_no_event() {
    let mut script = Script::new();
    let mut updates = script.look(1.0, &[(1, 0.95, FOX, 0.9)]);
    updates.extend(script.play(1.2, 10.0, &[]));
    updates.extend(script.look(10.0, &[(1, 0.95, FOX, 0.9)]));
    updates.extend(script.play(10.2, 20.0, &[]));
    assert!(updates.is_empty(), "{updates:?}");
}

#[test]
fn a_gap_ends_it_and_a_pause_does_not() {
    let mut script = Script::new();
    let fox: &[Crop] = &[(1, 0.9, FOX, 0.8)];
    let mut updates = script.play(0.0, 3.0, fox);
    updates.extend(script.play(3.0, 5.0, &[]));
    updates.extend(script.play(5.0, 8.0, fox));
    updates.extend(script.play(8.0, 14.0, &[]));
    updates.extend(script.play(14.0, 17.0, fox));
    updates.extend(script.observer.close_all());
    assert_eq!(told(&updates, Change::Ended).len(), 2);
}

#[test]
fn weak_signs_carry_an_open_event_on_and_open_none() {
    let mut script = Script::new();
    let weak: &[Crop] = &[(1, 0.4, FOX, 0.8)];
    assert!(told(&script.play(0.0, 5.0, weak), Change::Opened).is_empty());
    script.play(5.0, 20.0, &[]);
    let mut updates = script.play(20.0, 22.0, &[(1, 0.9, FOX, 0.8)]);
    updates.extend(script.play(22.0, 30.0, weak));
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended)[0];
    assert!(ended.duration_secs > 9.0, "{ended:?}");
}

#[test]
fn a_fox_and_a_deer_are_two_observations_of_one_event() {
    let mut script = Script::new();
    let mut updates = script.play(0.0, 6.0, &[(1, 0.9, FOX, 0.8), (9, 0.8, DEER, 0.7)]);
    updates.extend(script.observer.close_all());
    assert_eq!(labels(told(&updates, Change::Ended)[0]), ["fox", "deer"]);
}

#[test]
fn one_animal_between_two_classes_is_one_observation() {
    let mut script = Script::new();
    let mut updates = Vec::new();
    for i in 0..30 {
        let class = if i % 3 == 0 { DEER } else { FOX };
        updates.extend(script.look(0.2 * f64::from(i), &[(1, 0.9, class, 0.9)]));
    }
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended)[0];
    assert_eq!(labels(ended), ["fox"]);
    assert!((0.5..0.8).contains(&ended.observations[0].probability), "{ended:?}");
}

#[test]
fn what_no_class_explains_is_unknown_with_a_hint() {
    let mut script = Script::new();
    let mut updates = script.play(0.0, 4.0, &[(1, 0.9, DEER, 0.4)]);
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended)[0];
    assert_eq!(ended.observations[0].kind, ObservationType::Unknown);
    assert_eq!(ended.observations[0].hint.as_ref().map(|it| &*it.name), Some("deer"));
}

#[test]
fn a_changed_answer_is_told() {
    let mut script = Script::new();
    let mut updates = script.play(0.0, 2.0, &[(1, 0.9, FOX, 0.8)]);
    updates.extend(script.play(2.0, 12.0, &[(1, 0.9, DEER, 0.95)]));
    let changed = told(&updates, Change::Changed);
    assert!(changed.iter().any(|it| labels(it) == ["deer"]), "{changed:?}");
}

#[test]
fn a_long_event_is_cut_and_the_next_follows() {
    let mut script = Script::new();
    let mut updates = script.play(0.0, 130.0, &[(1, 0.9, FOX, 0.8)]);
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended);
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert!(ended[0].duration_secs >= 60.0 && ended[0].duration_secs < 60.5);
}

#[test]
fn an_open_event_is_handed_on_at_least_every_three_seconds() {
    let mut script = Script::new();
    let updates = script.play(0.0, 30.0, &[(1, 0.9, FOX, 0.8)]);
    let ends: Vec<f64> = updates.iter().map(|it| it.event.duration_secs).collect();
    assert!(ends.windows(2).all(|it| it[1] - it[0] <= 3.3), "{ends:?}");
}

#[test]
fn a_burst_without_an_animal_is_a_blank_event_told_once() {
    let mut script = Script::new();
    let mut updates = Vec::new();
    for i in 0..20 {
        updates.extend(script.strange_look(0.2 * f64::from(i), 3.0, &[(1, 0.1, FOX, 0.5)]));
    }
    updates.extend(script.play(4.0, 10.0, &[]));
    let [blank] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!(blank.change, Change::Ended);
    assert!(blank.event.is_blank() && blank.keepsakes.len() == 1);
    assert!((blank.event.observations[0].probability - 0.9).abs() < 0.01);
}

#[test]
fn a_smear_that_looks_like_an_animal_now_and_then_is_none() {
    let mut script = Script::new();
    let mut updates = Vec::new();
    for i in 0..50 {
        let presence = if i % 5 == 0 { 0.7 } else { 0.1 };
        updates.extend(script.strange_look(0.2 * f64::from(i), 3.0, &[(1, presence, FOX, 0.5)]));
    }
    assert!(told(&updates, Change::Opened).is_empty());
}

#[test]
fn a_silent_camera_s_event_is_ended() {
    let mut script = Script::new();
    script.play(0.0, 3.0, &[(1, 0.9, FOX, 0.8)]);
    assert!(script.observer.close_silent(Duration::from_secs(5)).is_empty());
    assert_eq!(script.observer.close_silent(Duration::from_secs(20))[0].change, Change::Ended);
}

#[test]
fn cameras_that_go_on_keep_no_event_of_a_dead_one_open() {
    let mut script = Script::new();
    script.play(0.0, 3.0, &[(1, 0.9, FOX, 0.8)]);
    script.camera = "feeder";
    assert!(script.play(3.0, 10.0, &[]).is_empty());
    let updates = script.play(10.0, 20.0, &[]);
    assert_eq!(&*told(&updates, Change::Ended)[0].camera, "trail");
}

#[test]
fn a_sign_of_people_marks_what_goes_on_at_once_and_for_good() {
    let mut script = Script::new();
    let marks = |updates: &[EventUpdate]| updates.iter().map(|it| it.event.people).collect::<Vec<_>>();
    let fox = [(1, 0.9, FOX, 0.8)];
    script.play(0.0, 4.0, &[]);
    let before = script.play(4.0, 6.0, &fox);
    assert!(!before.is_empty() && !marks(&before).contains(&true), "{before:?}");
    // One look of many, in which no animal is, marks it at once; later ones without a sign take nothing back.
    script.worn = 0.31;
    let [marked] = &*script.strange_look(6.0, 1.5, &[]) else { panic!("it is told at once") };
    assert_eq!((marked.change, marked.event.people), (Change::Changed, true));
    script.worn = 0.29;
    let mut after = script.play(6.2, 9.0, &fox);
    after.extend(script.play(9.0, 16.0, &[]));
    assert!(told(&after, Change::Ended).len() == 1 && !marks(&after).contains(&false), "{after:?}");

    // The next has none: what the place always looks like is no sign.
    script.worn = 0.9;
    (0..20).for_each(|i| drop(script.strange_look(16.0 + 0.2 * f64::from(i), 0.5, &[])));
    script.worn = 0.0;
    let mut next = script.play(20.0, 22.0, &fox);
    next.extend(script.play(22.0, 30.0, &[]));
    assert!(told(&next, Change::Ended).len() == 1 && !marks(&next).contains(&true), "{next:?}");

    // Just before it opens, and in one that is blank: to a head that nobody taught a person is no animal.
    script.worn = 0.9;
    script.strange_look(30.0, 1.1, &[]);
    script.worn = 0.0;
    let opened = script.play(30.2, 31.0, &fox);
    assert_eq!(marks(&opened).first(), Some(&true));
    script.play(31.0, 40.0, &[]);
    script.worn = 0.9;
    let mut blank: Vec<EventUpdate> = (0..6).flat_map(|i| script.strange_look(40.0 + f64::from(i), 1.5, &[])).collect();
    script.worn = 0.0;
    blank.extend(script.play(46.0, 52.0, &[]));
    let [blank] = told(&blank, Change::Ended)[..] else { panic!("{blank:?}") };
    assert!(blank.is_blank() && blank.people);
}

#[test]
fn a_head_that_was_taught_people_says_so_itself_at_a_low_probability() {
    let mut script = Script::new();
    let class = |name: &str| NetworkClass {
        label: name.into(),
        animal: true,
        common_name: name.into(),
        scientific_name: "".into(),
        rank: "species".into(),
    };
    script.heads = Arc::new(Arc::new(Head::starter(&[class("fox"), class("human"), class("vehicle")])).into());
    // What the network knows does not count beside it.
    script.worn = 0.99;
    script.play(0.0, 4.0, &[]);
    let fox = script.play(4.0, 6.0, &[(1, 0.9, FOX, 0.8)]);
    assert!(!fox.is_empty() && fox.iter().all(|it| !it.event.people), "{fox:?}");
    // A doubt in one look: 0.9 * 0.4 of people or cars, and the answer is still a fox.
    script.look(6.0, &[(1, 0.9, FOX, 0.6)]);
    let mut rest = script.play(6.2, 9.0, &[(1, 0.9, FOX, 0.8)]);
    rest.extend(script.play(9.0, 16.0, &[]));
    let [ended] = told(&rest, Change::Ended)[..] else { panic!("{rest:?}") };
    assert!(ended.people && labels(ended) == ["fox"], "{ended:?}");
}

const ANIMAL: [f32; 3] = [0.0, 1.0, 0.0];
const HUMAN: [f32; 3] = [0.0, 0.0, 1.0];

/// A head that knows nothing, animals and people.
fn content(number: u32) -> Arc<Head> {
    tiny::taught("content", number, &["blank", "animal", "human"], None)
}

/// `content 2: human`.
fn by_task(event: &Event) -> Vec<String> {
    let said = |it: &Observation| format!("{} {}: {}", it.generation.task, it.generation.number, it.label());
    event.observations.iter().map(said).collect()
}

#[test]
fn a_further_task_has_observations_of_its_own_behind_those_of_the_first() {
    let mut script = Script::new();
    script.further(&[&content(2)]);
    // Nothing that the first knows, and a person.
    script.features = |_| HUMAN;
    let mut updates = script.play(0.0, 4.0, &[(1, 0.9, DEER, 0.4)]);
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended)[0];
    assert_eq!(by_task(ended), ["species 0: unknown", "content 2: human"]);
    assert_eq!((ended.observations[1].kind, &ended.observations[1].hint), (ObservationType::Human, &None));
    assert!(ended.observations[1].probability > 0.99 && !ended.is_blank(), "{ended:?}");
    assert_eq!(labels(told(&updates, Change::Opened)[0]), ["unknown", "human"]);
    let said = &updates.iter().find(|it| it.change == Change::Ended).unwrap().said;
    assert_eq!(said.iter().map(|it| &*it.head.generation().task).collect::<Vec<_>>(), ["species", "content"]);
}

#[test]
fn a_person_with_an_animal_is_two_observations_and_what_was_never_taught_is_unknown_to_each_task() {
    let mut script = Script::new();
    script.further(&[&content(2)]);
    script.features = |column| if column == 1 { HUMAN } else { ANIMAL };
    let mut updates = script.play(0.0, 6.0, &[(1, 0.8, FOX, 0.4), (9, 0.9, FOX, 0.8)]);
    script.features = |_| [-1.0; 3];
    updates.extend(script.play(20.0, 26.0, &[(1, 0.9, FOX, 0.8)]));
    updates.extend(script.observer.close_all());
    let ended = told(&updates, Change::Ended);
    assert_eq!(
        by_task(ended[0]),
        ["species 0: fox", "species 0: unknown", "content 2: animal", "content 2: human"],
        "{ended:?}"
    );
    assert_eq!(by_task(ended[1]), ["species 0: fox", "content 2: unknown"]);
    assert_eq!(ended[1].observations[1].hint, None, "the starter head's guess is of another task");
}

#[test]
fn a_head_that_is_swapped_in_mid_event_starts_its_own_task_anew_and_no_other() {
    let mut script = Script::new();
    script.features = |_| ANIMAL;
    let fox: &[Crop] = &[(1, 0.9, FOX, 0.9)];
    let before = script.play(0.0, 3.0, fox);
    assert_eq!(by_task(&before.last().unwrap().event), ["species 0: fox"], "a task without a head says nothing");
    script.further(&[&content(1)]);
    let taught = script.play(3.0, 6.0, fox);
    let changed = told(&taught, Change::Changed);
    assert_eq!(by_task(changed[0]), ["species 0: fox", "content 1: animal"], "that it is heard is told");
    // Another generation, whose classes stand elsewhere.
    script.further(&[&tiny::taught("content", 2, &["vehicle", "person", "animal"], None)]);
    let swapped = script.play(6.0, 9.0, &[(1, 0.9, DEER, 0.6)]);
    assert_eq!(by_task(&swapped.last().unwrap().event), ["species 0: fox", "content 2: person"]);
    script.further(&[]);
    let mut left = script.play(9.0, 11.0, fox);
    left.extend(script.observer.close_all());
    assert_eq!(by_task(told(&left, Change::Ended)[0]), ["species 0: fox"], "a head that is gone is heard no more");
}

#[test]
fn beside_a_blank_event_a_head_speaks_that_knows_what_nothing_looks_like() {
    let strange = |features: fn(u8) -> [f32; 3], head: &Arc<Head>| {
        let mut script = Script::new();
        script.features = features;
        script.further(&[head]);
        for i in 0..20 {
            let updates = script.strange_look(0.2 * f64::from(i), 3.0, &[(1, 0.1, FOX, 0.5)]);
            assert!(updates.is_empty(), "{updates:?}");
        }
        let blank = script.observer.close_all().remove(0).event;
        assert!(blank.is_blank(), "whether an animal is there is for the first task to say");
        by_task(&blank)
    };
    assert_eq!(strange(|_| HUMAN, &content(1)), ["species 0: blank", "content 1: human"]);
    assert_eq!(strange(|_| [1.0, 0.0, 0.0], &content(1)), ["species 0: blank", "content 1: blank"]);
    let never_blank = tiny::taught("content", 1, &["vehicle", "animal", "human"], None);
    assert_eq!(strange(|_| HUMAN, &never_blank), ["species 0: blank"]);
}
