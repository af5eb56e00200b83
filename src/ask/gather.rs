//! Gathers from the store what a day's questions are chosen from. However much there is, so much is read: the latest events, some
//! of earlier ones, the latest labels.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use super::fill::FillError;
use super::pool::{Candidate, Day, Lesson, Pool, vector};
use super::usual::Usual;
use crate::domain::Observation;
use crate::infer::classifier::Classifier;
use crate::infer::head::{BLANK, Head, Opinion};
use crate::infer::learned;
use crate::infer::space::{Space, kind};
use crate::infer::together::Together;
use crate::observe::store::{Featurizers, Labelling, PastView, Reader};
use crate::teach::generations::Generations;
use crate::teach::held_out::held_out;
use crate::teach::stands_for::SITE_EVENTS;
use crate::teach::taught::Taught;

/// Events that are not blank: the latest, at most.
const NEWEST: usize = 4_500;
/// Blank ones: a head is taught those too, and they are much alike.
const BLANKS: usize = 250;
/// Draws of earlier events.
const EARLIER: usize = 250;
/// Labelled events, the latest: each is held in memory with all its vectors for a while.
const LESSONS: usize = 1_500;
/// Views of an event: the most telling.
const VIEWS: usize = 4;
/// Events of which it is told what is usual.
const USUAL: usize = 500;
/// Probability from which on an event may be of a protected species.
const MAY_BE: f32 = 0.05;
/// How long an event is where none was seen.
const EVENT_SECS: f64 = 5.0;

/// What is gathered for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) store: &'a Reader,
    pub(super) generations: &'a Generations,
    pub(super) head: &'a Arc<Head>,
    /// Identities: the first's, and the second's where there is one.
    pub(super) featurizers: Featurizers<'a>,
    /// The first's last layer, where it is known.
    pub(super) classifier: Option<&'a Arc<Classifier>>,
    pub(super) protected: &'a [String],
    /// Below it a species is unknown.
    pub(super) threshold: f32,
}

/// What is known of an event without a vector.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// What holds of it.
    pub(super) observed: Vec<Observation>,
    /// Whether it is taken for blank.
    pub(super) blank: bool,
}

/// What questions are chosen from.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    pub(super) pool: Pool,
    /// Further events, of which no vector is kept.
    pub(super) seen: Vec<(Uuid, Seen)>,
    /// How many still moments there were.
    pub(super) n_moments: f64,
}

impl Asked<'_> {
    /// Everything; candidates since one moment, the random check of what happened from one to another. What began after that
    /// is no candidate yet: no check was drawn of it, and what is asked for its doubt, and answered, before one is would be led
    /// by the guess.
    pub(super) fn gather(
        &self,
        since: Timestamp,
        (from, to): (Timestamp, Timestamp),
        seed: u64,
    ) -> Result<Gathered, FillError> {
        let task = self.generations.task();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ids: Vec<(Uuid, bool)> = Vec::new();
        let latest = (since.min(to), to);
        ids.extend(self.store.askable(task, latest, false, NEWEST)?.into_iter().map(|it| (it, false)));
        ids.extend(self.store.askable(task, latest, true, BLANKS)?.into_iter().map(|it| (it, true)));
        ids.extend(self.store.askable_before(task, latest.0, EARLIER, &mut rng)?.into_iter().map(|it| (it, false)));
        let usual = self.usual(&ids)?;
        let is_taught = self.head.generation().number > 0;
        let names = || self.head.classes().iter().map(|it| it.name.to_string());
        let classes: Vec<String> = if is_taught { names().collect() } else { Vec::new() };
        let mut gathered = Gathered::default();
        for (id, blank) in ids {
            let observed = self.store.observed(id, task)?;
            let views = self.views(id)?;
            match self.candidate(id, &views, &observed, &usual) {
                Some(it) => gathered.pool.events.push(it),
                None => gathered.seen.push((id, Seen { observed, blank })),
            }
        }
        for event in self.store.open_questions(task)?.iter().filter_map(|it| it.event) {
            let views = self.views(event)?;
            gathered.pool.asked.extend(self.candidate(event, &views, &[], &usual).map(|it| it.vector));
        }
        gathered.pool.taught = self.lessons(&usual, &classes)?;
        gathered.pool.blank = classes.iter().position(|it| it == BLANK);
        gathered.pool.classes = classes;
        (gathered.pool.day, gathered.n_moments) = self.day(from, to)?;
        Ok(gathered)
    }

    /// The most telling views of an event, and what the network says of each: heads are asked with that, too.
    fn views(&self, event: Uuid) -> Result<Vec<PastView>, FillError> {
        let mut views = self.store.best_views(event, self.featurizers, VIEWS)?;
        let unasked = |it: &&mut PastView| it.embedding.logits.is_none();
        for view in views.iter_mut().filter(unasked) {
            let features = &view.embedding.features;
            let layer = self.classifier.filter(|it| it.dimension() == features.len());
            view.embedding.logits = layer.map(|it| it.logits(features).into());
        }
        Ok(views)
    }

    fn candidate(&self, id: Uuid, views: &[PastView], observed: &[Observation], usual: &Space) -> Option<Candidate> {
        let opinions: Vec<Option<Opinion>> = views.iter().map(|it| self.opinion(it)).collect();
        // Where no head knows what nothing looks like, the score says how surely something is there.
        let presence = |it: &PastView, opinion: &Option<Opinion>| match opinion {
            Some(opinion) if self.head.knows_blank() => 1.0 - opinion.probabilities[0],
            _ => it.score,
        };
        let looks: Vec<(Vec<f32>, f32)> =
            views.iter().zip(&opinions).map(|(it, opinion)| (centred(usual, it), presence(it, opinion))).collect();
        let vector = vector(looks.iter().map(|it| (&*it.0, it.1)))?;
        let settled = self.settled(opinions.into_iter().flatten());
        let probabilities: Vec<f32> = settled
            .iter()
            .flat_map(|it| (0..it.given_present.len()).map(|class| it.probability(class, Some(0))))
            .collect();
        let strangeness = settled.as_ref().map(|it| self.head.strangeness(it, self.threshold));
        let is_protected = |name: &str| self.protected.iter().any(|it| it == name);
        let of_head = self.head.classes().iter().zip(&probabilities);
        let protected = of_head.into_iter().any(|(class, it)| *it >= MAY_BE && is_protected(&class.name))
            || observed.iter().flat_map(|it| it.class.iter().chain(&it.hint)).any(|it| is_protected(&it.name));
        Some(Candidate { id, vector, probabilities, strangeness, protected })
    }

    /// What a head that people have taught says of a view.
    fn opinion(&self, view: &PastView) -> Option<Opinion> {
        let is_taught = self.head.generation().number > 0;
        is_taught.then(|| self.head.own_opinion(&view.embedding, kind(view.modality, view.view))).flatten()
    }

    fn settled(&self, opinions: impl Iterator<Item = Opinion>) -> Option<Together> {
        let opinions: Vec<Opinion> = opinions.collect();
        if opinions.is_empty() {
            return None;
        }
        let first = Together::of(opinions.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
        let second: Vec<&learned::Answer> = opinions.iter().filter_map(|it| it.second.as_ref()).collect();
        let second = (!second.is_empty())
            .then(|| Together::of(second.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0)));
        Some(self.head.settled(first, second.as_ref()))
    }

    /// What is usual for each kind of view, told from the latest events. A kind of which there is little is compared with all.
    fn usual(&self, ids: &[(Uuid, bool)]) -> Result<Space, FillError> {
        let mut usual = Usual::default();
        let every = ids.len().div_ceil(USUAL).max(1);
        for (id, _) in ids.iter().step_by(every) {
            for view in self.views(*id)? {
                let PastView { modality, view, embedding, .. } = view;
                usual.add(kind(modality, view), &embedding.features, embedding.logits.as_deref());
            }
        }
        if usual.is_empty() {
            // Nothing new: of what is taught.
            for event in self.store.taught_lately(self.generations.task(), self.featurizers, USUAL)?.events {
                for view in event.frames.iter().flat_map(|it| &it.views) {
                    let layer = self.classifier.filter(|it| it.dimension() == view.features.len());
                    let logits = layer.map(|it| it.logits(&view.features));
                    usual.add(kind(view.modality, view.view), &view.features, logits.as_deref());
                }
            }
        }
        Ok(usual.space(self.classifier))
    }

    fn lessons(&self, usual: &Space, classes: &[String]) -> Result<Vec<Lesson>, FillError> {
        let task = self.generations.task();
        let mut taught = self.store.taught_lately(task, self.featurizers, LESSONS)?;
        let answers = self.out_of_fold(&mut taught)?;
        let place: HashMap<&str, usize> = taught.classes.iter().enumerate().map(|(i, it)| (&*it.name, i)).collect();
        let mut lessons = Vec::new();
        for (nth, event) in taught.events.iter().enumerate() {
            let Ok(id) = Uuid::try_parse(&event.id) else { continue };
            let looks: Vec<(Vec<f32>, f32)> = event
                .frames
                .iter()
                .flat_map(|frame| {
                    let presence = if Some(frame.class) == taught.blank() { 0.0 } else { 1.0 };
                    frame
                        .views
                        .iter()
                        .filter(|it| it.features.len() == usual.dimension)
                        .map(move |it| (usual.centred(&it.features, None, kind(it.modality, it.view)), presence))
                })
                .collect();
            let Some(vector) = vector(looks.iter().map(|it| (&*it.0, it.1))) else { continue };
            let said = taught.classes[event.class].name.to_string();
            let out_of_fold = answers.get(nth).and_then(Option::as_ref).map(|it| {
                let of =
                    |class: &String| place.get(&**class).map_or(0.0, |class| it.probability(*class, taught.blank()));
                classes.iter().map(of).collect()
            });
            let Labelling { labeller, settled, asked_again } = self.store.labelling(id, task)?;
            lessons.push(Lesson { id, vector, said, labeller, settled, asked_again, out_of_fold });
        }
        Ok(lessons)
    }

    /// Where no head can be fitted on the rest nothing looks wrong.
    fn out_of_fold(&self, taught: &mut Taught) -> Result<Vec<Option<Together>>, FillError> {
        let number = self.head.generation().number;
        if number > 0 {
            // As a training counts: its answers out of fold are to be those of its like.
            taught.classifier = self.classifier.cloned();
            taught.stand_for(&self.store.of_site(self.featurizers.0, SITE_EVENTS)?);
            // Heads that are asked bring theirs, those that have one.
            taught.classifier = None;
        }
        Ok(held_out(taught, self.generations, number, self.featurizers).unwrap_or_else(|error| {
            tracing::debug!(task = self.generations.task(), %error, "no answer is looked at again");
            Vec::new()
        }))
    }

    fn day(&self, from: Timestamp, to: Timestamp) -> Result<(Day, f64), FillError> {
        let happened = self.store.happened((from, to), false)?;
        let blanks = self.store.happened((from, to), true)?.into_iter().map(|it| it.0).collect();
        let still = self.store.still(self.generations.task(), from, to)?;
        let secs: f64 = happened.iter().map(|it| it.1.max(0.0)).sum();
        // A moment is as long as an event: so many would have found room in what was still.
        let event_secs = if happened.is_empty() { EVENT_SECS } else { (secs / happened.len() as f64).max(1.0) };
        let n_moments = still.secs / event_secs;
        let events = happened.into_iter().map(|it| it.0).collect();
        // `as` saturates.
        let day = Day { events, blanks, moments: still.moments, n_moments: n_moments.round() as u64 };
        Ok((day, n_moments))
    }
}

fn centred(usual: &Space, view: &PastView) -> Vec<f32> {
    let embedding = &view.embedding;
    usual.centred(&embedding.features, embedding.logits.as_deref(), kind(view.modality, view.view))
}

/// How far back candidates are looked for.
pub(super) fn since(now: Timestamp, days: f64) -> Timestamp {
    let back = SignedDuration::try_from_secs_f64(days * 86_400.0).unwrap_or_default();
    now.checked_sub(back).unwrap_or(Timestamp::MIN)
}
