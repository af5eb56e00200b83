//! What the frames of an event say together. An event is what its frames that are not blank say: a frame counts by the
//! square of how surely something is in it, so that ten frames of grass do not outvote one of a fox.

use crate::infer::closeness::Closeness;

/// An event's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// How sure it is that anything is there, 0..=1: that of its surest candidate.
    pub presence: f32,
    /// `[classes]` given that something is: 0 for `blank`, the rest sums to 1.
    pub given_present: Vec<f32>,
    /// The mean closeness of its candidates, weighted as they are.
    pub closeness: Closeness,
    /// The same by the second featurizer, where that has seen it.
    pub second_closeness: Option<Closeness>,
}

impl Together {
    /// Of the answers of an event's candidates, `[classes]` each, and how close each is to what was taught; `blank` is
    /// the place of that class, where it is one.
    pub fn of<'a>(answers: impl IntoIterator<Item = (&'a [f32], Closeness)>, blank: Option<usize>) -> Together {
        let (mut presence, mut sum, mut close, mut total) = (0.0f32, Vec::new(), Closeness::default(), 0.0);
        for (probabilities, closeness) in answers {
            let present = 1.0 - blank.map_or(0.0, |it| probabilities[it]);
            let weight = present * present;
            sum.resize(probabilities.len(), 0.0);
            sum.iter_mut().zip(probabilities).for_each(|(sum, it)| *sum += weight * it);
            presence = presence.max(present);
            close += weight * closeness;
            total += weight;
        }
        if let Some(blank) = blank.filter(|it| *it < sum.len()) {
            sum[blank] = 0.0;
        }
        let all: f32 = sum.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        sum.iter_mut().for_each(|it| *it /= all);
        let closeness = close / total.max(f32::MIN_POSITIVE);
        Together { presence, given_present: sum, closeness, second_closeness: None }
    }

    /// With what is said of the class [sharpened](sharpen).
    pub fn tempered(mut self, sharpness: f32) -> Together {
        sharpen(&mut self.given_present, sharpness);
        self
    }

    /// The likeliest class, where something is there.
    pub fn top(&self) -> Option<usize> {
        (0..self.given_present.len()).max_by(|a, b| self.given_present[*a].total_cmp(&self.given_present[*b]))
    }

    /// The signs of a stranger: how far it is from anything taught, how little sure the answer is (the negative logarithm
    /// of its probability), how little the likeliest class stands out, and how little it does to the second featurizer (0
    /// where that has not seen it).
    pub fn signs(&self) -> [f32; 4] {
        let probability = self.top().map_or(0.0, |it| self.given_present[it]);
        let doubt = -probability.max(1e-6).ln();
        [1.0 - self.closeness.cosine, doubt, -self.closeness.lead, self.second_closeness.map_or(0.0, |it| -it.lead)]
    }

    /// The answer, forced: `blank` where that is likelier than that anything is there, else the likeliest class.
    pub fn answer(&self, blank: Option<usize>) -> Option<usize> {
        if blank.is_some() && self.presence < 0.5 { blank } else { self.top() }
    }

    /// Probability of a class, `blank` among them.
    pub fn probability(&self, class: usize, blank: Option<usize>) -> f32 {
        if blank == Some(class) { 1.0 - self.presence } else { self.presence * self.given_present[class] }
    }
}

/// Raises probabilities to a power and makes them sum to 1: so that an answer is as often right as it says.
pub fn sharpen(probabilities: &mut [f32], sharpness: f32) {
    probabilities.iter_mut().for_each(|it| *it = it.powf(sharpness));
    let all: f32 = probabilities.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    probabilities.iter_mut().for_each(|it| *it /= all);
}
