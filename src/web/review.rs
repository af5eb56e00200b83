//! The review page: one question after the other. Every answer is a form; a script sends the same forms in the background.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::App;
use super::api::on_disk;
use super::frame::{Frame, not_done, page};
use super::learning::{self, Learning};
use super::names::{Choice, Offered, choices};
use super::page::Moment;
use super::said;
use super::who::Who;
use crate::domain::Modality;
use crate::observe::ranked::{guess_of, ranked};
use crate::observe::store::{KeptFrame, Question, QueueState, Standing, Store, StoreError, StoredEvent};

/// Questions that are lent out at once.
const MAX_AHEAD: usize = 20;
/// Guesses on a card.
const N_GUESSES: usize = 4;
/// What is less likely is not shown.
const MIN_SHOWN: f32 = 0.01;

#[derive(Template)]
#[template(path = "review.html")]
struct Review {
    frame: Frame,
    task: String,
    tasks: Vec<String>,
    /// So long a question is lent.
    lease_secs: f64,
    progress: Progress,
    learning: Learning,
    classes: Vec<Choice>,
    cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "review-cards.html")]
struct Cards {
    frame: Frame,
    progress: Progress,
    classes: Vec<Choice>,
    cards: Vec<Card>,
}

/// How far the day's work is.
pub(super) struct Progress {
    left: u64,
    pub(super) said: String,
}

/// One question.
struct Card {
    why: &'static str,
    reason: String,
    blind: bool,
    picture: Option<Shown>,
    /// Why there is no picture.
    nothing: &'static str,
    frames: Vec<FrameLink>,
    guesses: Vec<GuessLine>,
    hint: String,
    /// What people have said of it.
    said: Vec<String>,
    /// Other events that look like it.
    n_alike: usize,
    camera: String,
    place: String,
    time: Moment,
    infrared: bool,
    answer: AnswerFields,
}

/// What the forms of an answer hold.
pub(super) struct AnswerFields {
    pub(super) key: String,
    pub(super) task: String,
    pub(super) question: String,
    pub(super) event: String,
    /// The picture that is shown.
    pub(super) frame: String,
    pub(super) names: Arc<[Offered]>,
}

/// The picture that is shown large.
pub(super) struct Shown {
    pub(super) src: String,
    pub(super) alt: String,
}

/// A frame that can be shown instead.
pub(super) struct FrameLink {
    pub(super) at: String,
    pub(super) whole: Option<Uuid>,
    pub(super) crop: Option<Uuid>,
    /// The picture that is shown, where it is of this frame.
    pub(super) shown: Option<Uuid>,
}

impl FrameLink {
    pub(super) fn is_shown(&self, media: &Uuid) -> bool {
        self.shown == Some(*media)
    }
}

struct GuessLine {
    name: String,
    scientific_name: String,
    percent: String,
    probability: f32,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    task: String,
    question: Option<Uuid>,
    media: Option<Uuid>,
    n: Option<usize>,
}

/// The page with the next question.
pub(super) async fn review(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    let made = async {
        let (task, cards, classes, progress) = cards(&app, &who, &asked, 1).await?;
        let (frame, learning) = (Frame::new("Review", &who), learning::of(&app, &task).await?);
        let (tasks, lease_secs) = (app.teach.tasks.clone(), app.lease_secs);
        Ok(page(&Review { frame, task, tasks, lease_secs, progress, learning, classes, cards }))
    };
    made.await.unwrap_or_else(|it: Response| it)
}

/// The next questions, for the script: what is shown of them is made by the same templates.
pub(super) async fn more(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    let made = async {
        let n = asked.n.unwrap_or(1).clamp(1, MAX_AHEAD);
        let (_, cards, classes, progress) = cards(&app, &who, &asked, n).await?;
        Ok(page(&Cards { frame: Frame::new("Review", &who), progress, classes, cards }))
    };
    made.await.unwrap_or_else(|it: Response| it)
}

/// In a sentence.
pub(super) fn progress(state: &QueueState) -> Progress {
    let all = state.open + state.answered_today;
    let said = match state.open {
        0 => format!("{} today, nothing left", state.answered_today),
        _ => format!("{} of {all} today", state.answered_today),
    };
    Progress { left: state.open, said }
}

type Made = (String, Vec<Card>, Vec<Choice>, Progress);

/// Borrows up to `n` questions, or that one that is named, and makes cards of them.
async fn cards(app: &App, who: &Who, asked: &Asked, n: usize) -> Result<Made, Response> {
    let task = said::task(app, &asked.task).map_err(|(status, why)| not_done(who, status, why, "/review"))?;
    let (named, offered) = said::offered(app, &task).await?;
    let names: Arc<[Offered]> = offered.into();
    let (of, name, lease_secs) = (task.clone(), who.name.clone(), app.lease_secs);
    let (id, media) = (asked.question, asked.media);
    let maker = Maker { app: app.clone(), names, media };
    let (cards, state) = on_disk(app, move || {
        let store = &maker.app.store;
        let mut questions = store.lease(&of, &name, n, lease_secs)?;
        if let Some(id) = id {
            // One that was asked before, or goes before the others.
            let found = store.question(id)?.filter(|it| it.task == of);
            questions = found.into_iter().chain(questions.into_iter().filter(|it| it.id != id)).take(n).collect();
        }
        let cards: Result<Vec<Card>, StoreError> = questions.iter().map(|it| maker.card(it)).collect();
        Ok((cards?, store.queue_state(&of)?))
    })
    .await?;
    Ok((task, cards, choices(&named), progress(&state)))
}

/// Makes cards.
struct Maker {
    app: App,
    names: Arc<[Offered]>,
    media: Option<Uuid>,
}

impl Maker {
    fn card(&self, question: &Question) -> Result<Card, StoreError> {
        let store = &self.app.store;
        let now = Timestamp::now();
        let answer = AnswerFields {
            key: Uuid::now_v7().to_string(),
            task: question.task.clone(),
            question: question.id.to_string(),
            event: question.event.map(|it| it.to_string()).unwrap_or_default(),
            frame: String::new(),
            names: Arc::clone(&self.names),
        };
        let mut card = Card {
            why: word(question),
            reason: question.reason.clone(),
            blind: question.blind,
            picture: None,
            nothing: "There is no picture of it any more",
            frames: Vec::new(),
            guesses: Vec::new(),
            hint: String::new(),
            said: Vec::new(),
            n_alike: 0,
            camera: String::new(),
            place: String::new(),
            time: Moment::of(question.asked_at, "UTC", now),
            infrared: false,
            answer,
        };
        if let Some(moment) = question.moment {
            if let Some(it) = store.moment(moment)? {
                card.infrared = it.modality == Modality::Infrared;
                card.time = Moment::of(it.captured_at, &it.time_zone, now);
                (card.camera, card.place) = (it.camera, it.place);
            }
            let alt = format!("{}, {}", card.camera, card.time.short);
            card.picture = Some(Shown { src: format!("/media/{moment}"), alt });
        }
        let Some(stored) = question.event.map(|it| store.event(it)).transpose()?.flatten() else { return Ok(card) };
        let event = &stored.event;
        card.time = Moment::of(event.start, &stored.time_zone, now);
        card.infrared = event.modality == Modality::Infrared;
        (card.camera, card.place) = (event.camera.to_string(), stored.place.clone());
        // People may be in it: whoever is here may label, and is asked just that.
        let frames = store.frames(event.id)?;
        let first = self.media.filter(|it| frames.iter().any(|frame| frame.has(*it))).or(question.media);
        let shown = shown(&frames, first.or(event.media.first().copied()));
        card.frames = frame_links(&frames, shown, &stored, now);
        card.answer.frame = shown.map(|it| it.to_string()).unwrap_or_default();
        let alt = format!("{}, {}", event.camera, card.time.short);
        card.picture = shown.map(|it| Shown { src: format!("/media/{it}"), alt });
        card.n_alike = store.beside(question.id)?.len();
        if !question.blind {
            card.guesses = self.guesses(&stored, &question.task)?;
            card.hint = hint(&stored, &question.task);
            let recorded = store.recorded(None, Some(event.id))?;
            let holds = recorded.iter().filter(|it| it.task == question.task && it.standing == Standing::Holds);
            card.said = holds.map(|it| format!("{} said {}.", it.labeller, it.classes)).collect();
        }
        Ok(card)
    }

    /// What the head that serves holds possible, and where it cannot say so the event's own answer.
    fn guesses(&self, stored: &StoredEvent, task: &str) -> Result<Vec<GuessLine>, StoreError> {
        let app = &self.app;
        let heads = app.heads.load();
        let identity = app.contracts.first.identity();
        let second = app.contracts.second.as_ref().map(|it| it.identity());
        let mut guesses = Vec::new();
        if let Some(head) = heads.iter().find(|it| &*it.generation().task == task) {
            let views = self.app.store.past_views(stored.event.id, (&identity, second.as_deref()))?;
            let possible = ranked(head, &views, N_GUESSES);
            guesses.extend(possible.into_iter().filter(|it| it.probability >= MIN_SHOWN).map(|it| {
                let scientific = app.contracts.taxonomy.scientific_name(&it.class.name);
                line(&it.class.name, &scientific, it.probability)
            }));
        }
        if guesses.is_empty() {
            let own = stored.event.observations.iter().filter(|it| &*it.generation.task == task);
            let own = own.filter_map(guess_of);
            guesses.extend(own.map(|it| line(&it.class.name, &it.class.scientific_name, it.probability)));
        }
        Ok(guesses)
    }
}

fn line(name: &str, scientific_name: &str, probability: f32) -> GuessLine {
    let percent = format!("{:.0} %", 100.0 * probability);
    GuessLine { name: name.into(), scientific_name: scientific_name.into(), percent, probability }
}

/// Why it is asked, in a word for people.
fn word(question: &Question) -> &'static str {
    use crate::observe::store::Why;
    match question.why {
        Why::Unsure => "unsure",
        Why::Cover => "something else",
        Why::Strange => "strange",
        Why::Protected => "protected",
        Why::Suspect => "looks wrong",
        Why::Random => "random check",
        Why::Still => "was anything missed?",
    }
}

/// What the starter head guessed, in a sentence.
fn hint(stored: &StoredEvent, task: &str) -> String {
    let of_task = |it: &&crate::domain::Observation| &*it.generation.task == task;
    let all = stored.first.iter().chain(&stored.event.observations).filter(of_task);
    let said = |it: &crate::domain::Observation| match (it.generation.number, it.hint.as_ref()?) {
        (0, hint) => Some(format!("The starter head takes it for {}, but is not sure.", hint.name)),
        (_, hint) => Some(format!("Before it was taught anything it would have said {}.", hint.name)),
    };
    all.filter_map(said).next().unwrap_or_default()
}

/// The picture that is shown: the one that is wanted, where it is on disk.
pub(super) fn shown(frames: &[KeptFrame], wanted: Option<Uuid>) -> Option<Uuid> {
    let there = wanted.filter(|it| frames.iter().any(|frame| frame.has(*it)));
    there.or_else(|| frames.iter().find_map(KeptFrame::best))
}

pub(super) fn frame_links(
    frames: &[KeptFrame],
    shown: Option<Uuid>,
    stored: &StoredEvent,
    now: Timestamp,
) -> Vec<FrameLink> {
    let link = |it: &KeptFrame| FrameLink {
        at: Moment::of(it.at, &stored.time_zone, now).clock,
        whole: it.whole,
        crop: it.crop,
        shown: shown.filter(|shown| it.has(*shown)),
    };
    frames.iter().map(link).collect()
}

/// Whether the store's pictures of an event are hidden from somebody.
pub(super) fn is_hidden(store: &Store, who: &Who, stored: &StoredEvent) -> bool {
    stored.event.people && store.hides_people() && !who.sees_people()
}
