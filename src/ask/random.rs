//! The random check: events and still moments drawn without replacement, each as likely as any other of its day.

use rand::Rng;
use rand::seq::index::sample;
use uuid::Uuid;

use crate::observe::store::Why;

use super::pool::{About, Ask, Day};

/// What was drawn, each kind in random order, so that those answered by someone who stops early are a random draw, too.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Drawn {
    /// Events in which something was seen.
    pub(super) events: Vec<Ask>,
    /// Events in which nothing was seen.
    pub(super) blanks: Vec<Ask>,
    /// Still moments.
    pub(super) moments: Vec<Ask>,
}

/// Draws so many of a day's events, of those in which nothing was seen, and of its still moments, as far as there are so many.
pub(super) fn draw(day: &Day, [n_events, n_blanks, n_moments]: [usize; 3], dice: &mut impl Rng) -> Drawn {
    let events = draw_events(&day.events, n_events, dice);
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
    let moments = moments.collect();
    Drawn { events, blanks: draw_events(&day.blanks, n_blanks, dice), moments }
}

/// Nothing about them says in which something was seen: that is the guess.
fn draw_events(all: &[Uuid], n: usize, dice: &mut impl Rng) -> Vec<Ask> {
    let n = n.min(all.len());
    let ask = |i: usize| Ask {
        about: About::Event(all[i]),
        why: Why::Random,
        reason: "random check of all events".into(),
        blind: true,
        probability: Some(n as f64 / all.len() as f64),
        alike: Vec::new(),
    };
    sample(dice, all.len(), n).into_iter().map(ask).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_it_says() {
        let ids: Vec<Uuid> = (0..20).map(Uuid::from_u128).collect();
        let day = Day { events: ids.clone(), blanks: ids[..4].to_vec(), moments: ids, n_moments: 400 };
        let mut times = [0u32; 20];
        let mut dice = ChaCha8Rng::seed_from_u64(7);
        for _ in 0..4_000 {
            let Drawn { events, blanks, moments } = draw(&day, [5, 2, 2], &mut dice);
            assert_eq!((events.len(), blanks.len(), moments.len()), (5, 2, 2));
            assert!(events.iter().all(|it| it.blind && it.probability == Some(0.25)));
            assert!(blanks.iter().all(|it| it.blind && it.probability == Some(0.5)));
            assert!(events[0].why == blanks[0].why && events[0].reason == blanks[0].reason, "that would be told");
            assert!(moments.iter().all(|it| it.blind && it.probability == Some(0.005)));
            for it in events {
                let About::Event(id) = it.about else { panic!("{it:?}") };
                times[id.as_u128() as usize] += 1;
            }
        }
        // 1,000 expected, give or take 27.
        assert!(times.iter().all(|it| (880..1_120).contains(it)), "{times:?}");
        assert_eq!(draw(&Day::default(), [5, 2, 2], &mut dice), Drawn::default());
    }
}
