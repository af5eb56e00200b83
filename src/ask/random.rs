//! The random check: events and still moments drawn without replacement, each as likely as any other of its day.

use rand::Rng;
use rand::seq::index::sample;

use crate::observe::store::Why;

use super::pool::{About, Ask, Day};

/// Draws `n_events` of a day's events and `n_moments` of its still moments, as far as there are so many; in random order, so
/// that those answered by someone who stops early are a random draw, too.
pub(super) fn draw(day: &Day, n_events: usize, n_moments: usize, dice: &mut impl Rng) -> (Vec<Ask>, Vec<Ask>) {
    let n_events = n_events.min(day.events.len());
    let events = sample(dice, day.events.len(), n_events).into_iter().map(|i| Ask {
        about: About::Event(day.events[i]),
        why: Why::Random,
        reason: "random check of all events".into(),
        blind: true,
        probability: Some(n_events as f64 / day.events.len() as f64),
        alike: Vec::new(),
    });
    let events = events.collect();
    // The moments that are kept were drawn at random themselves.
    let of = day.n_moments.max(day.moments.len() as u64);
    let n_moments = n_moments.min(day.moments.len());
    let moments = sample(dice, day.moments.len(), n_moments).into_iter().map(|i| Ask {
        about: About::Moment(day.moments[i]),
        why: Why::Still,
        reason: "random check of what the gate took to be still".into(),
        blind: true,
        probability: Some(n_moments as f64 / of as f64),
        alike: Vec::new(),
    });
    (events, moments.collect())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_it_says() {
        let ids: Vec<Uuid> = (0..20).map(Uuid::from_u128).collect();
        let day = Day { events: ids.clone(), moments: ids, n_moments: 400 };
        let mut times = [0u32; 20];
        let mut dice = ChaCha8Rng::seed_from_u64(7);
        for _ in 0..4_000 {
            let (events, moments) = draw(&day, 5, 2, &mut dice);
            assert_eq!((events.len(), moments.len()), (5, 2));
            assert!(events.iter().all(|it| it.blind && it.probability == Some(0.25)));
            assert!(moments.iter().all(|it| it.blind && it.probability == Some(0.005)));
            for it in events {
                let About::Event(id) = it.about else { panic!("{it:?}") };
                times[id.as_u128() as usize] += 1;
            }
        }
        // 1,000 expected, give or take 27.
        assert!(times.iter().all(|it| (880..1_120).contains(it)), "{times:?}");
        assert_eq!(draw(&Day::default(), 5, 2, &mut dice), (Vec::new(), Vec::new()));
    }
}
