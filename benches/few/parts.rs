//! What a head of ours is made of, each part alone, with its one number tuned by cross-validation.

use std::collections::BTreeMap;

use eyeshine::teach::logistic::{Care, Logistic};
use eyeshine::teach::taught::Samples;
use eyeshine::teach::whitened::Scatter;
use faer::Mat;

const RIDGES: [f64; 6] = [1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6];
const SHRINKAGES: [f64; 5] = [0.1, 0.3, 0.6, 0.9, 1.0];
/// What a cosine is multiplied with before it is a logarithm of odds.
const COSINE_SCALE: f64 = 10.0;

/// Logits `[asked][classes]` of coordinates `[asked][directions]`.
pub(crate) type Scores = Box<dyn Fn(&Mat<f64>) -> Mat<f64>>;

/// Each part, by name, fitted on the lessons.
pub(crate) fn parts(lessons: &Samples) -> anyhow::Result<Vec<(&'static str, Scores)>> {
    let ridge = tuned(lessons, RIDGES.len(), 3, &logistic)?;
    let shrinkage = tuned(lessons, SHRINKAGES.len(), 2, &whitened)?;
    Ok(vec![
        ("cosine to class means", whitened(lessons, SHRINKAGES.len() - 1)?),
        ("logistic regression, L2 tuned", logistic(lessons, ridge)?),
        ("whitened cosine, shrinkage tuned", whitened(lessons, shrinkage)?),
    ])
}

/// The reference recipe's cosines, shrunk by .3.
pub(crate) fn reference(lessons: &Samples) -> anyhow::Result<Scores> {
    whitened(lessons, 1)
}

fn logistic(samples: &Samples, at: usize) -> anyhow::Result<Scores> {
    let fitted = Logistic::fit(samples, RIDGES[at], None, Care::Trial);
    Ok(Box::new(move |x| fitted.scores(x)))
}

fn whitened(samples: &Samples, at: usize) -> anyhow::Result<Scores> {
    let fitted = Scatter::of(samples).whitened(SHRINKAGES[at])?;
    Ok(Box::new(move |x| fitted.cosines(x) * faer::Scale(COSINE_SCALE)))
}

/// The best class of each.
pub(crate) fn best(scores: &Mat<f64>) -> Vec<usize> {
    (0..scores.nrows())
        .map(|i| (0..scores.ncols()).max_by(|a, b| scores[(i, *a)].total_cmp(&scores[(i, *b)])).unwrap_or(0))
        .collect()
}

/// The setting that names most lessons rightly which it was not fitted on, events dealt in five; `default` where no class
/// has two.
fn tuned(
    lessons: &Samples,
    n_settings: usize,
    default: usize,
    of: &impl Fn(&Samples, usize) -> anyhow::Result<Scores>,
) -> anyhow::Result<usize> {
    let mut seen = vec![0; lessons.n_classes];
    let mut deal_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (event, class) in lessons.event.iter().zip(&lessons.class) {
        deal_of.entry(*event).or_insert_with(|| {
            seen[*class] += 1;
            seen[*class] % 5
        });
    }
    if seen.iter().all(|it| *it < 2) {
        return Ok(default);
    }
    let deals: Vec<usize> = lessons.event.iter().map(|it| deal_of[it]).collect();
    let mut right = vec![0; n_settings];
    for deal in 0..5 {
        let (rest, asked) = (lessons.only(|i| deals[i] != deal), lessons.only(|i| deals[i] == deal));
        for (setting, right) in right.iter_mut().enumerate().filter(|_| !asked.class.is_empty()) {
            let answers = best(&of(&rest, setting)?(&asked.x));
            *right += answers.iter().zip(&asked.class).filter(|it| it.0 == it.1).count();
        }
    }
    Ok((0..n_settings).max_by_key(|&it| (right[it], it == default)).unwrap_or(default))
}
