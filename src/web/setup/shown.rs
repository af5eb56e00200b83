//! What a trial says, for people: what would have been lost and gained, with pictures of the tape and what was stored of it.

use std::sync::Arc;

use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::super::App;
use super::super::api::on_disk;
use super::super::api::setup::around;
use super::super::page::Moment;
use super::super::who::Who;
use crate::observe::store::StoredEvent;
use crate::setup::compare::Burst;
use crate::setup::trial::Trial;

/// Of each list so many are shown.
const SHOWN: usize = 40;
/// Stored events that are held against a trial, at most.
const MAX_EVENTS: usize = 5_000;

/// A trial on the page.
pub(super) struct TrialView {
    /// Percent; 100: it is over.
    pub(super) percent: u32,
    pub(super) running: bool,
    pub(super) camera: String,
    pub(super) summary: Vec<String>,
    pub(super) lists: Vec<BurstList>,
}

pub(super) struct BurstList {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) none: &'static str,
    pub(super) bursts: Vec<BurstView>,
    /// How many more there are.
    pub(super) more: usize,
}

pub(super) struct BurstView {
    pub(super) from: Moment,
    pub(super) lasted: String,
    pub(super) what: String,
    /// Of the stored event; empty where there is none.
    pub(super) event: String,
    /// None where it is hidden.
    pub(super) shown_ms: Option<i64>,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
}

pub(super) async fn result(app: &App, who: &Who, trial: &Arc<Trial>, zone: &str) -> Result<TrialView, Response> {
    let percent = (100.0 * trial.done()).floor().clamp(0.0, 100.0) as u32;
    let camera = trial.camera.to_string();
    let Some(outcome) = trial.outcome() else {
        return Ok(TrialView { percent, running: true, camera, summary: Vec::new(), lists: Vec::new() });
    };
    let (store, of, from, to) = (app.store.clone(), camera.clone(), outcome.from, outcome.to);
    let events = on_disk(app, move || store.events_between(&of, from, to, MAX_EVENTS)).await?;
    let (gap, now) = (app.trials.gap(), Timestamp::now());
    let hides = app.store.hides_people() && !who.sees_people();
    let view = |it: &Burst| burst(it, &events, gap, hides, zone, now);
    let list = |id, title: &str, none, all: &[Burst]| BurstList {
        id,
        title: format!("{title}: {}", all.len()),
        none,
        bursts: all.iter().take(SHOWN).map(view).collect(),
        more: all.len().saturating_sub(SHOWN),
    };
    let it = &outcome.difference;
    let present = it.kept.len() + it.lost.len();
    let known: Vec<&StoredEvent> = events.iter().filter(|it| !it.event.is_blank()).collect();
    let moved =
        |all: &[Burst], event: &StoredEvent| all.iter().any(|it| it.is_about(event.event.start, event.event.end, gap));
    let (n_kept, n_lost) = (
        known.iter().filter(|event| moved(&it.kept, event)).count(),
        known.iter().filter(|event| !moved(&it.kept, event) && moved(&it.lost, event)).count(),
    );
    let mut summary = vec![
        format!(
            "{} to {}: {} frames, in {:.0} s.",
            Moment::of(outcome.from, zone, now).short,
            Moment::of(outcome.to, zone, now).short,
            outcome.frames,
            outcome.took_secs
        ),
        format!(
            "The present settings let {present} bursts of motion through, these {}: {} lost, {} gained.",
            it.kept.len() + it.gained.len(),
            it.lost.len(),
            it.gained.len()
        ),
        format!(
            "{} events with something in them are stored of that time: in {n_kept} something moves by either settings, in \
             {n_lost} no longer by these, and in {} by neither: those were seen in whole frames, which pass once in a while.",
            known.len(),
            known.len() - n_kept - n_lost
        ),
    ];
    if outcome.cut_short {
        summary.push("It ended there: there was more motion than is remembered. Try fewer hours.".into());
    }
    if outcome.recorded_width_px > 0 {
        let px = outcome.recorded_width_px;
        summary.push(format!(
            "Recorded at {px} px: no closer look can be tried, and a wider picture was looked at as that."
        ));
    }
    let lists = vec![
        list("lost", "Lost", "Nothing that moves by the present settings is lost.", &it.lost),
        list("gained", "Gained", "Nothing is gained.", &it.gained),
        list("kept", "Seen by both", "Nothing moves by both.", &it.kept),
    ];
    Ok(TrialView { percent, running: false, camera, summary, lists })
}

fn burst(
    it: &Burst,
    events: &[StoredEvent],
    gap: SignedDuration,
    hides: bool,
    zone: &str,
    now: Timestamp,
) -> BurstView {
    let stored: Vec<&StoredEvent> =
        events.iter().filter(|event| it.is_about(event.event.start, event.event.end, gap)).collect();
    // What something is said to be goes before what nothing is.
    let event = stored.iter().find(|it| !it.event.is_blank()).or(stored.first());
    let labels = |it: &&&StoredEvent| it.event.came_by().iter().map(|it| it.shown()).collect::<Vec<_>>().join(", ");
    let hidden = hides && events.iter().any(|event| event.event.people && around(event, it.shown_at));
    let percent = |it: f64| format!("{:.2}", 100.0 * it);
    let secs = it.to.duration_since(it.from).as_secs_f64();
    BurstView {
        from: Moment::of(it.from, zone, now),
        lasted: format!("{secs:.0}\u{a0}s, {}\u{a0}frames", it.frames),
        what: event.as_ref().map(labels).unwrap_or_else(|| "no event stored".into()),
        event: event.map(|it| it.event.id.to_string()).unwrap_or_default(),
        shown_ms: (!hidden).then(|| it.shown_at.as_millisecond()),
        x: percent(it.shown.x),
        y: percent(it.shown.y),
        width: percent(it.shown.width),
        height: percent(it.shown.height),
    }
}
