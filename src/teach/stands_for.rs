//! How much of its site each labelled event stands for.
//!
//! People are asked about what differs most, so that what they label is no fair sample of what comes by: an odd picture is one
//! label, and so is the fox of every night. A head that weighs both alike is bent towards the odd. So it is counted how many of the
//! site's events lie nearest to each labelled one, and within its class that weighs as the root of it (weights for what
//! is no fair sample, flattened by a power: Shimodaira 2000). What a class weighs stays as it is, one for each event: a species of
//! three labels loses nothing to one that is seen daily. What is blank weighs what it did: the site's events are those in which
//! something was.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

use crate::infer::space::{centred, kind, shares};

use super::directions::means;
use super::recipe::Recipe;
use super::side_by_side::side_by_side;
use super::taught::{Lesson, Taught, TaughtView, impress};

/// Events of the site that are looked at, at most.
pub const SITE_EVENTS: usize = 1_000;
/// Of the site's events, those compared with all labelled ones at a time.
const BLOCK: usize = 128;
/// Of what is labelled, vectors of which there are impressions at a time: those of all would be the largest thing in memory.
const AT_A_TIME: usize = 1_024;

impl Taught {
    /// Counts for each event how many of the site's lie nearest to it; `site` is a view of each of those, whether labelled or not.
    /// Where there are none all stay as they are. Events that are left out later keep their share: they are not counted anew.
    pub fn stand_for(&mut self, site: &[TaughtView]) {
        let counts = self.nearest_of(site);
        for (event, n) in self.events.iter_mut().zip(counts) {
            event.stands_for = n.max(1) as f64;
        }
    }

    /// How many of the site's events have each labelled one nearest.
    fn nearest_of(&self, site: &[TaughtView]) -> Vec<usize> {
        let whole = |it: &&TaughtView| it.features.len() == self.dimension && it.features.iter().all(|x| x.is_finite());
        let mut site: Vec<Lesson<'_>> = site.iter().filter(whole).map(of_site).collect();
        if site.is_empty() {
            return Vec::new();
        }
        if let Some(it) = self.last_layer() {
            impress(&mut site, it);
        }
        let n_seen = self.last_layer().map_or(0, |it| it.n_classes());
        let usual = means(self.dimension, &site, |it| site[it].features);
        let usually_seen = means(n_seen, &site, |it| &*site[it].impression);
        // Features and impression less what is usual, side by side: as heads are taught them.
        let at = |it: &Lesson<'_>| {
            let mut at = centred(it.features, &usual, it.kind);
            if n_seen > 0 {
                let (own, seen) = shares(Recipe::PRIOR.impression as f32);
                at.iter_mut().for_each(|x| *x *= own);
                at.extend(centred(&it.impression, &usually_seen, it.kind).iter().map(|x| seen * x));
            }
            at
        };
        let length = self.dimension + n_seen;
        let mut taught = Mat::<f32>::zeros(length, self.events.len());
        let mut lessons = self.plain_lessons();
        lessons.retain(|it| it.class == self.events[it.event].class);
        for block in lessons.chunks_mut(AT_A_TIME) {
            if let Some(it) = self.last_layer() {
                impress(block, it);
            }
            for it in block {
                let weight = it.weight as f32;
                taught.col_mut(it.event).iter_mut().zip(at(it)).for_each(|(sum, x)| *sum += weight * x);
                it.impression = Vec::new();
            }
        }
        for it in taught.col_iter_mut() {
            // What holds no number is near to nothing.
            let length = it.norm_l2();
            let scale = if length.is_normal() { 1.0 / length } else { 0.0 };
            it.iter_mut().for_each(|x| *x = if scale > 0.0 { scale * *x } else { 0.0 });
        }
        let blocks: Vec<&[Lesson<'_>]> = site.chunks(BLOCK).collect();
        let nearest = side_by_side(blocks.len(), |i| {
            let mut own = Mat::<f32>::zeros(length, blocks[i].len());
            for (to, it) in own.col_iter_mut().zip(blocks[i]) {
                to.iter_mut().zip(at(it)).for_each(|(to, x)| *to = x);
            }
            // One of the site's a column.
            let mut cosines = Mat::<f32>::zeros(self.events.len(), blocks[i].len());
            matmul(cosines.as_mut(), Accum::Replace, taught.transpose(), own.as_ref(), 1.0, Par::Seq);
            let first = |of: faer::ColRef<'_, f32>| {
                of.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1)).map(|it| it.0)
            };
            cosines.col_iter().filter_map(first).collect::<Vec<usize>>()
        });
        let mut counts = vec![0; self.events.len()];
        nearest.into_iter().flatten().for_each(|it| counts[it] += 1);
        counts
    }
}

fn of_site(it: &TaughtView) -> Lesson<'_> {
    let kind = kind(it.modality, it.view);
    Lesson { event: 0, class: 0, kind, features: &it.features, impression: Vec::new(), weight: 1.0 }
}

#[cfg(test)]
mod tests;
