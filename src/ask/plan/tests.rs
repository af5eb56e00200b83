//! Plans on synthetic events, with real heads.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;

use super::*;
use crate::ask::pool::{Day, vector};
use crate::domain::{Class, Modality, View};
use crate::infer::together::Together;
use crate::teach::fit::{Fitted, fit};
use crate::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};

const DIMENSION: usize = 48;

/// Events around a centre for each class: as far apart as species, and as wide as what one camera sees of them.
struct Site {
    class: Vec<usize>,
    features: Vec<Vec<f32>>,
}

impl Site {
    fn new(sizes: &[usize], seed: u64) -> Site {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = |scale: f32| (0..DIMENSION).map(|_| scale * (dice.random::<f32>() - 0.5)).collect::<Vec<f32>>();
        let mut site = Site { class: Vec::new(), features: Vec::new() };
        for (class, size) in sizes.iter().enumerate() {
            let centre = noise(1.0);
            for _ in 0..*size {
                site.class.push(class);
                site.features.push(centre.iter().zip(noise(1.1)).map(|(a, b)| a + b).collect());
            }
        }
        site
    }

    fn taught(&self, events: &[usize], said: impl Fn(usize) -> usize) -> Taught {
        let mut classes: Vec<usize> = events.iter().map(|it| said(*it)).collect();
        classes.sort_unstable();
        classes.dedup();
        let event = |&i: &usize| {
            let class = classes.binary_search(&said(i)).expect("a class");
            let features = self.features[i].clone();
            let view = TaughtView { modality: Modality::Colour, view: View::Whole, features, second: None };
            let frames = vec![TaughtFrame { class, views: vec![view] }];
            TaughtEvent {
                id: i.to_string(),
                class,
                group: i.to_string(),
                camera: String::new(),
                stands_for: 1.0,
                frames,
            }
        };
        let name = |it: &usize| Class { name: name(*it).as_str().into(), scientific_name: "".into() };
        Taught {
            dimension: DIMENSION,
            events: events.iter().map(event).collect(),
            classes: classes.iter().map(name).collect(),
            classifier: None,
        }
    }

    fn pool(&self, head: Option<(&Fitted, &Taught)>, rest: &[usize], lessons: &[usize]) -> Pool {
        let candidate = |&i: &usize| {
            let Some((fitted, taught)) = head else {
                let vector = vector([(&*self.features[i], 1.0)].into_iter()).expect("a look");
                return Candidate { id: id(i), vector, probabilities: Vec::new(), strangeness: None, protected: false };
            };
            let answer = fitted.alone.learned.answer(&self.features[i], 0);
            let together = Together::of([(&*answer.probabilities, answer.closeness)], None);
            let together = together.tempered(fitted.alone.choice.sharpness);
            let unknown = fitted.alone.border.unknown;
            Candidate {
                id: id(i),
                vector: fitted.alone.learned.space().centred(&self.features[i], None, 0),
                probabilities: (0..taught.classes.len()).map(|it| together.probability(it, None)).collect(),
                strangeness: Some(unknown.strangeness(&together) - unknown.threshold),
                protected: false,
            }
        };
        let of_fold = head.map_or_else(BTreeMap::new, |(fitted, taught)| out_of_fold(fitted, taught.classes.len()));
        let lesson = |(nth, i): (usize, &usize)| Lesson {
            id: id(*i),
            vector: candidate(i).vector,
            said: name(self.class[*i]),
            labeller: "simulated".into(),
            settled: false,
            asked_again: false,
            out_of_fold: of_fold.get(&nth).cloned(),
        };
        Pool {
            classes: head.map_or_else(Vec::new, |it| it.1.classes.iter().map(|it| it.name.to_string()).collect()),
            events: rest.iter().map(candidate).collect(),
            taught: lessons.iter().enumerate().map(lesson).collect(),
            day: Day {
                events: rest.iter().map(|it| id(*it)).collect(),
                blanks: Vec::new(),
                moments: vec![id(9_000), id(9_001)],
                n_moments: 500,
            },
            ..Pool::default()
        }
    }
}

/// By event, what heads say that were not fitted on it.
fn out_of_fold(fitted: &Fitted, n_classes: usize) -> BTreeMap<usize, Vec<f32>> {
    let all = |it: &Together| (0..n_classes).map(|class| it.probability(class, None)).collect();
    fitted.out_of_fold().iter().map(|it| (it.event, all(&it.together))).collect()
}

fn id(i: usize) -> Uuid {
    Uuid::from_u128(i as u128)
}

fn name(class: usize) -> String {
    format!("species-{class:02}")
}

fn about(it: &Ask) -> usize {
    match it.about {
        About::Event(id) | About::Moment(id) => id.as_u128() as usize,
    }
}

#[test]
fn a_plan_has_something_of_each_and_nothing_twice() {
    let site = Site::new(&[60, 60, 60, 60, 30], 1);
    let lessons: Vec<usize> = (0..240).filter(|i| i % 4 == 0).collect();
    let rest: Vec<usize> = (0..270).filter(|i| i % 4 != 0 || *i >= 240).collect();
    let taught = site.taught(&lessons, |i| site.class[i]);
    let fitted = fit(&taught).expect("a head");
    let mut pool = site.pool(Some((&fitted, &taught)), &rest, &lessons);
    pool.events[7].protected = true;
    pool.taught[3].out_of_fold = Some(vec![0.001, 0.997, 0.001, 0.001]);
    let shares = Shares { random: 0.2, blank: 0.0, still: 0.1, strange: 0.2, suspect: 0.1 };
    let asks = plan(&pool, 20, &shares, 5);
    assert_eq!(asks, plan(&pool, 20, &shares, 5), "the same pool and seed");
    assert_eq!(asks.len(), 20);
    let mut by: BTreeMap<Why, usize> = BTreeMap::new();
    asks.iter().for_each(|it| *by.entry(it.why).or_default() += 1);
    assert_eq!((by[&Why::Random], by[&Why::Still], by[&Why::Protected], by[&Why::Suspect]), (4, 2, 1, 1), "{by:?}");
    assert!(by[&Why::Strange] >= 1 && by[&Why::Strange] <= 4, "{by:?}");
    assert_eq!(asks.iter().map(about).collect::<BTreeSet<_>>().len(), 20, "nothing twice");
    assert_eq!((asks[0].why, asks[0].about), (Why::Protected, About::Event(pool.events[7].id)));
    for it in &asks {
        let random = matches!(it.why, Why::Random | Why::Still);
        assert_eq!((it.blind, it.probability.is_some()), (random, random), "{it:?}");
        assert!(!it.reason.is_empty());
    }
    let suspect = asks.iter().find(|it| it.why == Why::Suspect).expect("one");
    assert_eq!((suspect.reason.as_str(), about(suspect)), ("was called species-00, and looks like species-01", 12));
    // Whoever looked twice is not asked a third time.
    let often = Shares { suspect: 0.5, ..shares };
    let suspects = |pool: &Pool| plan(pool, 20, &often, 5).iter().filter(|it| it.why == Why::Suspect).count();
    assert_eq!(suspects(&pool), 1);
    (pool.taught[3].settled, pool.taught[3].asked_again) = (true, true);
    assert_eq!(suspects(&pool), 0);
    // The strange ones are of the species that nobody taught.
    let strange = asks.iter().filter(|it| it.why == Why::Strange);
    assert!(strange.clone().any(|it| site.class[about(it)] == 4), "{:?}", strange.collect::<Vec<_>>());
}

#[test]
fn a_protected_animal_seen_again_stands_beside_the_first_and_any_other_is_asked_about() {
    let site = Site::new(&[30], 1);
    let all: Vec<usize> = (0..30).collect();
    let mut pool = site.pool(None, &all, &[]);
    for i in [3, 8, 11, 20] {
        pool.events[i].protected = true;
    }
    pool.events[11].vector = pool.events[3].vector.clone();
    let asks = plan(&pool, 10, &Shares::default(), 5);
    let protected: Vec<(usize, Vec<Uuid>)> =
        asks.iter().filter(|it| it.why == Why::Protected).map(|it| (about(it), it.alike.clone())).collect();
    assert_eq!(protected, [(3, vec![id(11)]), (8, Vec::new()), (20, Vec::new())]);
    assert!(asks.iter().all(|it| about(it) != 11));
}

#[test]
fn where_little_comes_by_one_of_it_is_drawn_and_the_guess_of_the_rest_is_shown() {
    let site = Site::new(&[20, 20, 20], 4);
    let lessons: Vec<usize> = (0..60).filter(|i| i % 4 == 0).collect();
    let taught = site.taught(&lessons, |i| site.class[i]);
    let fitted = fit(&taught).expect("a head");
    let mut pool = site.pool(Some((&fitted, &taught)), &[1, 22, 43, 5, 26], &lessons);
    pool.day.blanks = vec![id(8_000), id(8_001)];
    let asks = plan(&pool, 60, &Shares { still: 0.0, ..Shares::default() }, 1);
    let drawn: Vec<usize> = asks.iter().filter(|it| it.blind).map(about).collect();
    assert_eq!(drawn.iter().filter(|it| **it < 8_000).count(), 1, "{asks:?}");
    assert_eq!((drawn.len(), asks.iter().filter(|it| it.why == Why::Random).count()), (2, 2), "{asks:?}");
}

#[test]
fn a_new_site_is_covered_and_nothing_asks_for_nothing() {
    let site = Site::new(&[40, 30, 20, 10], 2);
    // No guess is there to be checked, so that none is drawn at random.
    let new = site.pool(None, &(0..100).collect::<Vec<_>>(), &[]);
    let asks = plan(&new, 8, &Shares { random: 0.5, still: 0.0, ..Shares::default() }, 1);
    assert!(asks.iter().all(|it| it.why == Why::Cover), "{asks:?}");
    let classes: BTreeSet<usize> = asks.iter().map(|it| site.class[about(it)]).collect();
    assert_eq!((asks.len(), classes.len()), (8, 4));
    assert_eq!(plan(&Pool::default(), 20, &Shares::default(), 1), Vec::new());
    assert_eq!(plan(&site.pool(None, &[1, 2, 3], &[]), 0, &Shares::default(), 1), Vec::new());
    // Nonsense in the pool takes nothing down.
    let mut pool = site.pool(None, &(0..10).collect::<Vec<_>>(), &[]);
    pool.classes = vec!["a".into()];
    pool.events[0].vector = vec![f32::NAN; DIMENSION];
    pool.events[1].vector = Vec::new();
    pool.events[2].probabilities = vec![f32::NAN, 0.5, 0.1];
    pool.events[3].strangeness = Some(f32::NAN);
    let all = Shares { random: f64::NAN, blank: 3.0, still: 9.0, strange: -1.0, suspect: 2.0 };
    assert!(plan(&pool, 5, &all, 1).len() <= 5);
}

/// 990 events of ten taught species, and ten of one that was not: 20 questions, the head fitted anew after each five.
#[test]
fn a_species_that_was_never_taught_is_found() {
    let mut sizes = vec![125; 10];
    sizes.push(10);
    let site = Site::new(&sizes, 3);
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let mut known: Vec<usize> = (0..1_250).collect();
    known.shuffle(&mut dice);
    let mut lessons = known.split_off(990);
    let mut rest: Vec<usize> = known.into_iter().chain(1_250..1_260).collect();
    rest.shuffle(&mut dice);
    let mut found = BTreeSet::new();
    for day in 0..4 {
        let taught = site.taught(&lessons, |i| site.class[i]);
        let fitted = fit(&taught).expect("a head");
        let asks = plan(
            &site.pool(Some((&fitted, &taught)), &rest, &lessons),
            5,
            &Shares { still: 0.0, ..Shares::default() },
            day,
        );
        for it in &asks {
            let alike =
                it.alike.iter().map(|it| it.as_u128() as usize).filter(|i| site.class[*i] == site.class[about(it)]);
            let named: Vec<usize> = alike.chain([about(it)]).collect();
            found.extend(named.iter().copied().filter(|it| *it >= 1_250));
            rest.retain(|it| !named.contains(it));
            lessons.extend(named);
        }
    }
    println!("{} of 10 found", found.len());
    assert!(found.len() >= 8, "{found:?}");
}

/// One of three labellers says something else in 10 % of the answers.
#[test]
fn answers_that_are_wrong_stand_first_among_the_suspects() {
    let site = Site::new(&[100; 9], 4);
    let mut dice = ChaCha8Rng::seed_from_u64(4);
    let said: Vec<usize> = (0..900)
        .map(|i| {
            let other = (site.class[i] + dice.random_range(1..9)) % 9;
            if i % 3 == 0 && dice.random_bool(0.1) { other } else { site.class[i] }
        })
        .collect();
    let taught = site.taught(&(0..900).collect::<Vec<_>>(), |i| said[i]);
    let fitted = fit(&taught).expect("a head");
    let answers = out_of_fold(&fitted, 9);
    let lesson = |i: usize| Lesson {
        id: id(i),
        vector: Vec::new(),
        said: name(said[i]),
        labeller: format!("labeller-{}", i % 3),
        settled: false,
        asked_again: false,
        out_of_fold: answers.get(&i).cloned(),
    };
    let classes: Vec<String> = (0..9).map(name).collect();
    let ranked = suspects(&classes, &(0..900).map(lesson).collect::<Vec<_>>());
    let flipped = |i: usize| said[i] != site.class[i];
    let all = (0..900).filter(|i| flipped(*i)).count();
    let first = ranked[..ranked.len() / 5].iter().filter(|it| flipped(it.lesson)).count();
    println!("{first} of {all} wrong answers among the first 20 % of {} suspects", ranked.len());
    assert!(all > 15 && first * 10 >= all * 8, "{first} of {all}");
    assert!(ranked.iter().take(5).all(|it| it.wrong > SUSPICIOUS && it.rather == site.class[it.lesson]));
}

/// Of two kinds of events the head is sure of the many and not of the few.
#[test]
fn doubt_counts_as_far_as_heads_are_right_and_a_stranger_has_its_like_beside_it() {
    let near = |angle: f32, i: usize| {
        let angle = angle + 0.002 * i as f32;
        vec![angle.cos(), angle.sin()]
    };
    let candidate = |i: usize| {
        let (angle, first, strangeness) = if i < 40 { (0.0, 0.95, -2.0) } else { (1.5, 0.5, 1.0) };
        let probabilities = vec![first, 1.0 - first];
        Candidate { id: id(i), vector: near(angle, i), probabilities, strangeness: Some(strangeness), protected: false }
    };
    let lesson = |i: usize, right: bool| Lesson {
        id: id(i),
        vector: near(4.0, i),
        said: name(i % 2),
        labeller: "ann".into(),
        settled: true,
        asked_again: true,
        out_of_fold: Some(if right == i.is_multiple_of(2) { vec![0.9, 0.1] } else { vec![0.1, 0.9] }),
    };
    let first = |lessons: Vec<Lesson>| {
        let pool = Pool {
            classes: (0..2).map(name).collect(),
            events: (0..50).map(candidate).collect(),
            taught: lessons,
            ..Pool::default()
        };
        let none = Shares { random: 0.0, blank: 0.0, still: 0.0, strange: 0.0, suspect: 0.0 };
        plan(&pool, 1, &none, 1).remove(0)
    };
    let of = |right: bool| (100..110).map(|i| lesson(i, right)).collect::<Vec<_>>();
    let (sure, unsure) = (first(of(false)), first(of(true)));
    assert!(about(&sure) < 40 && sure.why == Why::Cover && sure.alike.is_empty(), "the many: {sure:?}");
    assert!(about(&unsure) >= 40 && unsure.why == Why::Unsure, "the unsure: {unsure:?}");
    let own = unsure.alike[..9].iter().filter(|it| it.as_u128() >= 40).count();
    assert_eq!(own, 9, "its like first: {unsure:?}");
    assert_eq!(first(Vec::new()).why, Why::Unsure, "a head that was taught elsewhere");
}
