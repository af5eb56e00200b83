//! The store's thread: saves every update, then tells those who want to know.
//!
//! Saving comes first, always. While the disk refuses, events wait in a bounded backlog, unannounced, and the flow goes on.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use uuid::Uuid;

use crate::domain::{Change, Event, EventUpdate};
use crate::metrics::Metrics;
use crate::observe::backlog::{Backlog, Pending};
use crate::observe::publish::Sink;
use crate::observe::store::{Piece, Saved, Store, StoreError, WRITE};

/// Waits between the first tries of a save: so long it may hold up the flow.
const HURRIED: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];
/// The wait before the backlog is tried again, which doubles from …
const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// … up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Tries of the backlog at the end, [`BACKOFF_MIN`] apart: within the grace of a shutdown.
const LAST_TRIES: u32 = 3;
/// Times that a store which can write may refuse one event, before that event is given up.
const MOST_REFUSALS: u32 = 10;

/// Starts the thread `store`. It first closes and announces the events that a crash left open; it ends when its input has
/// closed and everything is saved (or, where the disk refuses to the last, counted as lost), dropping the sinks.
///
/// `featurizer` is the identity of the featurizer that made the updates' vectors.
pub fn spawn_recorder(
    updates: Receiver<EventUpdate>,
    store: Store,
    sinks: Vec<Box<dyn Sink>>,
    featurizer: Arc<str>,
    metrics: Arc<Metrics>,
) -> io::Result<JoinHandle<()>> {
    let recorder = Recorder {
        store,
        sinks,
        featurizer,
        metrics,
        open: HashSet::new(),
        announced: HashSet::new(),
        backlog: Backlog::default(),
        recovered: false,
        wait: BACKOFF_MIN,
        due: Instant::now(),
    };
    thread::Builder::new().name("store".into()).spawn(move || recorder.run(&updates))
}

struct Recorder {
    store: Store,
    sinks: Vec<Box<dyn Sink>>,
    featurizer: Arc<str>,
    metrics: Arc<Metrics>,
    /// Events that go on.
    open: HashSet<Uuid>,
    /// Those of them that somebody has heard of.
    announced: HashSet<Uuid>,
    backlog: Backlog,
    /// Whether the events that a crash left open are closed.
    recovered: bool,
    /// The next wait, and when it is over.
    wait: Duration,
    due: Instant,
}

impl Recorder {
    fn run(mut self, updates: &Receiver<EventUpdate>) {
        self.retry();
        loop {
            let update = if self.is_behind() {
                updates.recv_deadline(self.due)
            } else {
                updates.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match update {
                Ok(update) => self.record(update),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.is_behind() && Instant::now() >= self.due {
                self.retry();
            }
        }
        self.finish();
    }

    fn is_behind(&self) -> bool {
        !self.recovered || !self.backlog.is_empty() || !self.store.is_writable()
    }

    fn record(&mut self, update: EventUpdate) {
        let EventUpdate { change, event, keepsakes, .. } = update;
        match change {
            Change::Ended => self.open.remove(&event.id),
            _ => self.open.insert(event.id),
        };
        self.metrics.events_open.set(i64::try_from(self.open.len()).unwrap_or(i64::MAX));
        let pieces: Vec<Piece> = keepsakes.iter().map(Piece::from).collect();
        drop(keepsakes);
        let pending = Pending { event, change, pieces, refused: 0 };
        // Once one waits all wait, so that nobody hears of an end before the beginning.
        if !self.backlog.is_empty() {
            return self.put_off(pending);
        }
        let mut result = self.save(&pending);
        for wait in HURRIED {
            if result.is_ok() {
                break;
            }
            thread::sleep(wait);
            result = self.save(&pending);
        }
        match result {
            Ok(saved) => self.announce(pending, saved),
            Err(error) => {
                tracing::error!(%error, "events wait in memory until they can be saved");
                (self.wait, self.due) = (BACKOFF_MIN, Instant::now() + BACKOFF_MIN);
                self.put_off(pending);
            }
        }
    }

    fn save(&self, it: &Pending) -> Result<Saved, StoreError> {
        self.store.save_pieces(&it.event, &it.pieces, &self.featurizer)
    }

    fn put_off(&mut self, pending: Pending) {
        let lost = self.backlog.add(pending);
        self.metrics.media_skipped.with_label_values(&[WRITE]).inc_by((lost.pictures + lost.vectors) as u64);
        if let Some(event) = lost.event {
            self.lose(event);
        }
    }

    fn lose(&self, event: Uuid) {
        tracing::error!(%event, "an event is lost: it could not be saved");
        self.metrics.store_errors.with_label_values(&["lost"]).inc();
    }

    /// Tries what could not be done yet, in order, until it fails again.
    fn retry(&mut self) {
        let done = self.catch_up();
        self.wait = if done { BACKOFF_MIN } else { (self.wait * 2).min(BACKOFF_MAX) };
        self.due = Instant::now() + self.wait;
    }

    fn catch_up(&mut self) -> bool {
        if !self.recovered {
            match self.store.recover() {
                Ok(events) => {
                    self.recovered = true;
                    events.into_iter().for_each(|event| self.announce_recovered(event));
                }
                Err(error) => tracing::warn!(%error, "events that were left open could not be closed yet"),
            }
        }
        let waiting = self.backlog.len();
        while let Some(mut pending) = self.backlog.pop() {
            match self.save(&pending) {
                Ok(saved) => self.announce(pending, saved),
                Err(StoreError::Io { .. } | StoreError::Corrupt { .. })
                    if self.store.probe().is_ok() && pending.refused >= MOST_REFUSALS =>
                {
                    self.lose(pending.event.id);
                }
                Err(error) => {
                    tracing::warn!(%error, events = self.backlog.len() + 1, "events still wait to be saved");
                    pending.refused += u32::from(self.store.is_writable());
                    self.backlog.unpop(pending);
                    return false;
                }
            }
        }
        if waiting > 0 {
            tracing::info!(events = waiting, "events that waited are saved");
        }
        self.recovered && (self.store.is_writable() || self.store.probe().is_ok())
    }

    fn finish(mut self) {
        for _ in 0..LAST_TRIES {
            if self.backlog.is_empty() || self.catch_up() {
                break;
            }
            thread::sleep(BACKOFF_MIN);
        }
        while let Some(pending) = self.backlog.pop() {
            self.lose(pending.event.id);
        }
    }

    fn announce_recovered(&mut self, event: Event) {
        let saved = Saved::Stored { media: event.media.clone(), people: event.people };
        self.announce(Pending { event, change: Change::Ended, pieces: Vec::new(), refused: 0 }, saved);
    }

    /// Tells of what is on disk: first that an event opened, whatever its change; never of one that was always blank.
    fn announce(&mut self, pending: Pending, saved: Saved) {
        let Pending { mut event, change, .. } = pending;
        let heard = self.announced.contains(&event.id);
        event.people = event.may_show_people();
        if let Saved::Stored { media, people } = saved {
            // What the store did not keep nobody can look at, and what a label says goes before what a head does.
            (event.media, event.people) = (media, people);
            let change = match change {
                Change::Changed | Change::Progressed if !heard => Change::Opened,
                change => change,
            };
            if change != Change::Progressed && (heard || !event.is_blank()) {
                self.announced.insert(event.id);
                self.sinks.iter_mut().for_each(|sink| sink.publish(&event, change));
            }
        }
        if change == Change::Ended {
            self.announced.remove(&event.id);
            self.metrics.events_people.inc_by(event.people.into());
            for it in &event.observations {
                self.metrics.events.with_label_values(&[&*it.generation.task, &it.label()]).inc();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crossbeam_channel::{Sender, bounded, unbounded};

    use super::*;
    use crate::domain::EventState;
    use crate::observe::store::fixture::{self, FEATURIZER};

    /// Hears an event, and what the store has of it at that moment.
    struct Ear(Sender<(Event, Change, Option<Event>)>, Store);

    impl Sink for Ear {
        fn publish(&mut self, event: &Event, change: Change) {
            let stored = self.1.event(event.id).unwrap().map(|it| it.event);
            self.0.send((event.clone(), change, stored)).unwrap();
        }
    }

    /// Records `updates` to their end; what was heard, with the metrics.
    fn record(store: &Store, metrics: &Arc<Metrics>, updates: Vec<EventUpdate>) -> Vec<(Event, Change)> {
        let (ear, heard) = unbounded();
        let (send, input) = bounded(1);
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(Ear(ear, store.clone()))];
        let recorder = spawn_recorder(input, store.clone(), sinks, FEATURIZER.into(), Arc::clone(metrics)).unwrap();
        updates.into_iter().for_each(|it| send.send(it).unwrap());
        drop(send);
        recorder.join().unwrap();
        let check = |(event, change, stored)| {
            assert_eq!(stored, Some(Event::clone(&event)), "it was told otherwise than it is stored");
            (event, change)
        };
        heard.iter().map(check).collect()
    }

    /// The event's later updates: `change`s with what is seen.
    fn life(camera: &str, changes: &[(Change, &str)]) -> Vec<EventUpdate> {
        let mut update = fixture::update(Change::Opened, "blank", 0);
        update.event.camera = camera.into();
        let next = |&(change, class): &(Change, &str)| {
            update.change = change;
            update.event.observations = vec![fixture::observation(class)];
            update.event.state = if change == Change::Ended { EventState::Ended } else { EventState::Open };
            update.clone()
        };
        changes.iter().map(next).collect()
    }

    #[test]
    fn what_is_told_is_stored_and_what_is_blank_or_only_goes_on_is_not_told() {
        use Change::{Changed, Ended, Opened, Progressed};
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = fixture::open(dir.path());
        let told = |changes: &[(Change, &str)]| {
            let heard = record(&store, &metrics, life("feeder", changes));
            heard.into_iter().map(|(event, change)| (change, event.observations[0].label())).collect::<Vec<_>>()
        };
        let words = |wanted: &[(Change, &str)]| -> Vec<(Change, String)> {
            wanted.iter().map(|&(change, class)| (change, class.to_owned())).collect()
        };
        let fox = [(Opened, "red fox"), (Progressed, "red fox"), (Changed, "badger"), (Ended, "badger")];
        assert_eq!(told(&fox), words(&[(Opened, "red fox"), (Changed, "badger"), (Ended, "badger")]));
        assert_eq!(told(&[(Opened, "blank"), (Progressed, "blank"), (Ended, "blank")]), []);
        let late = [(Opened, "blank"), (Changed, "red fox"), (Ended, "red fox")];
        assert_eq!(told(&late), words(&[(Opened, "red fox"), (Ended, "red fox")]), "nobody had heard of its opening");
        let taken_back = [(Opened, "red fox"), (Changed, "blank"), (Ended, "blank")];
        assert_eq!(told(&taken_back), words(&taken_back), "who heard of it hears that it was nothing");
        // Blank ones beyond the hour's share are not even stored, and are counted.
        for _ in 0..3 {
            assert_eq!(told(&[(Opened, "blank"), (Ended, "blank")]), []);
        }
        assert_eq!(store.counts().unwrap().blanks, 2);
        let ended = |class| metrics.events.with_label_values(&["species", class]).get();
        assert_eq!((ended("badger"), ended("red fox"), ended("blank")), (1, 1, 5));
        assert_eq!(metrics.events_open.get(), 0);
    }

    #[test]
    fn open_events_are_counted_and_after_a_crash_told_as_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = fixture::open(dir.path());
        let fox = life("feeder", &[(Change::Opened, "red fox"), (Change::Progressed, "red fox")]);
        let blank = life("trail", &[(Change::Opened, "blank")]);
        let id = fox[0].event.id;
        record(&store, &metrics, fox.into_iter().chain(blank).collect());
        assert_eq!(metrics.events_open.get(), 2);
        drop(store);

        let (store, metrics) = fixture::open(dir.path());
        let heard = record(&store, &metrics, Vec::new());
        assert_eq!(heard.iter().map(|(event, change)| (event.id, *change)).collect::<Vec<_>>(), [(id, Change::Ended)]);
        assert_eq!(heard[0].0.state, EventState::Ended);
        assert_eq!(metrics.events.with_label_values(&["species", "red fox"]).get(), 1);
        assert_eq!(metrics.events.with_label_values(&["species", "blank"]).get(), 1);
        assert_eq!(record(&store, &metrics, Vec::new()), []);
    }

    #[test]
    fn pictures_that_are_told_are_those_that_were_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = fixture::open(dir.path());
        let mut update = fixture::update(Change::Opened, "red fox", 3);
        update.event.media = update.keepsakes.iter().map(|it| it.id).collect();
        let best = vec![update.keepsakes[2].id, update.keepsakes[1].id];
        let heard = record(&store, &metrics, vec![update]);
        assert_eq!(heard[0].0.media, best);
    }
}
