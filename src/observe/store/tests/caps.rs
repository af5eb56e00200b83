//! What is kept is bounded, and what is not kept is counted.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::super::fixture::{self, FEATURIZER};
use super::super::{Saved, Store};
use super::{bytes, files, number, raw};
use crate::config::StoreConfig;
use crate::domain::{Change, EventUpdate, View};
use crate::metrics::Metrics;

#[test]
fn a_better_one_replaces_the_worst_of_an_event_and_its_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    let skipped = |reason: &str| metrics.media_skipped.with_label_values(&[reason]).get();
    let mut update = fixture::update(Change::Opened, "red fox", 0);
    let frame = fixture::frame(64, 64, [90, 120, 60]);
    let mut bring = |scores: &[f32]| {
        update.keepsakes = scores.iter().map(|&score| fixture::keepsake(&frame, score)).collect();
        let Saved::Stored { media, .. } = store.save(&update, FEATURIZER).unwrap() else { panic!("it is not blank") };
        assert_eq!(files(dir.path()).len(), media.len(), "files and rows differ");
        let vectors = number(&raw(dir.path()), "SELECT count(*) FROM embeddings");
        (media, update.keepsakes.iter().map(|it| it.id).collect::<Vec<_>>(), vectors)
    };
    // Two pictures and four vectors an event.
    let (media, first, vectors) = bring(&[0.1, 0.3]);
    assert_eq!((media, vectors), (vec![first[1], first[0]], 2));
    let (media, second, vectors) = bring(&[0.2, 0.9]);
    assert_eq!((media, vectors), (vec![second[1], first[1]], 4));
    assert_eq!((skipped("pictures_full"), skipped("replaced")), (1, 1));
    // Worse than all: neither. Better than the worst vector, not than the worst picture: its vector alone.
    let (media, _, vectors) = bring(&[0.05, 0.25]);
    assert_eq!((media, vectors), (vec![second[1], first[1]], 4));
    assert_eq!((skipped("pictures_full"), skipped("replaced"), skipped("embeddings_full")), (3, 2, 1));
    assert!(fixture::picture_file(&store, first[0]).is_none());
    // More at once than there is room for.
    let (media, third, vectors) = bring(&[0.91, 0.92, 0.93, 0.94, 0.95, 0.96]);
    assert_eq!((media, vectors), (vec![third[5], third[4]], 4));
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM media"), 4, "a row without either is left");
    assert_eq!(metrics.media_bytes.get() as u64, bytes(dir.path()));
}

#[test]
fn few_blank_events_an_hour_and_camera_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    let start: Timestamp = "2026-11-24T07:00:00Z".parse().unwrap();
    let blank = |minutes, camera: &str| {
        let mut update = fixture::update(Change::Opened, "blank", 1);
        update.event.start = start + SignedDuration::from_mins(minutes);
        update.event.camera = camera.into();
        update
    };
    let is_stored = |update: &EventUpdate| matches!(store.save(update, FEATURIZER).unwrap(), Saved::Stored { .. });
    let first = blank(0, "feeder");
    assert!(is_stored(&first) && is_stored(&blank(10, "feeder")));
    let mut third = blank(20, "feeder");
    assert!(!is_stored(&third), "a third within the hour");
    assert_eq!(metrics.media_skipped.with_label_values(&["blank"]).get(), 1);
    assert!(is_stored(&blank(20, "trail")), "another camera has its own share");
    assert!(is_stored(&first), "one that was stored goes on");
    assert!(is_stored(&blank(65, "feeder")), "the first is more than an hour ago");
    assert!(!is_stored(&blank(66, "feeder")));
    // What turns out to be an animal is stored whenever that is.
    third.event.observations = vec![fixture::observation("red fox")];
    assert!(is_stored(&third));
    assert_eq!(store.latest_events(10, None).unwrap().len(), 1, "blank events are not shown");
    assert_eq!(store.counts().unwrap().events, 5);
    assert_eq!(store.counts().unwrap().blanks, 4);
}

#[test]
fn the_oldest_pictures_go_before_the_cap_is_passed() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let mut config = fixture::config();
    config.media_max_mb = 1;
    let store = Store::open(dir.path(), &config, Arc::clone(&metrics)).unwrap();
    let start: Timestamp = "2026-11-24T07:00:00Z".parse().unwrap();
    let mut pictures = Vec::new();
    for minute in 0..8 {
        let mut update = fixture::update(Change::Ended, "red fox", 0);
        let frame = fixture::noise(512, start + SignedDuration::from_mins(minute));
        update.keepsakes = vec![fixture::keepsake(&frame, 0.5)];
        pictures.push((update.event.id, update.keepsakes[0].id));
        store.save(&update, FEATURIZER).unwrap();
        assert!(bytes(dir.path()) <= 1_000_000);
        assert_eq!(metrics.media_bytes.get() as u64, bytes(dir.path()));
    }
    let left = files(dir.path()).len();
    assert!((3..8).contains(&left), "{left} pictures are left");
    assert_eq!(metrics.media_deleted.get(), 8 - left as u64);
    for (nth, (event, picture)) in pictures.iter().enumerate() {
        let kept = nth >= 8 - left;
        assert_eq!(fixture::picture_file(&store, *picture).is_some_and(|path| path.exists()), kept, "picture {nth}");
        assert_eq!(store.event(*event).unwrap().unwrap().event.media.len(), usize::from(kept));
    }
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM embeddings"), 8, "vectors stay");
    // One that alone is too large is not kept, and costs no other its place.
    let mut update = fixture::update(Change::Ended, "red fox", 0);
    update.keepsakes = vec![fixture::keepsake(&fixture::noise(1280, Timestamp::now()), 0.5)];
    store.save(&update, FEATURIZER).unwrap();
    assert_eq!(metrics.media_skipped.with_label_values(&["media_cap"]).get(), 1);
    assert_eq!(files(dir.path()).len(), left);
    drop(store);

    // A smaller cap holds from the start.
    config.media_max_mb = 0;
    let metrics = Metrics::new();
    let store = Store::open(dir.path(), &config, Arc::clone(&metrics)).unwrap();
    assert_eq!((files(dir.path()).len(), metrics.media_bytes.get()), (0, 0));
    assert_eq!(metrics.media_deleted.get(), left as u64);
    assert_eq!(store.counts().unwrap().pictures, 0);
}

#[test]
fn the_oldest_vectors_go_before_the_database_grows_beyond_its_cap() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let config = StoreConfig { database_max_mb: 2, ..fixture::config() };
    let store = Store::open(dir.path(), &config, Arc::clone(&metrics)).unwrap();
    let frame = fixture::frame(64, 64, [90, 120, 60]);
    let mut first = None;
    for _ in 0..150 {
        let mut update = fixture::update(Change::Ended, "red fox", 0);
        update.keepsakes = (0..4).map(|_| fixture::keepsake(&frame, 0.5)).collect();
        for (nth, it) in update.keepsakes.iter_mut().enumerate() {
            it.embedding.features = vec![0.25; 1280].into();
            it.picture = nth == 0;
        }
        first.get_or_insert((update.event.id, update.keepsakes[0].id));
        store.save(&update, FEATURIZER).unwrap();
    }
    let db = raw(dir.path());
    let kept = number(&db, "SELECT count(*) FROM embeddings") as u64;
    assert_eq!(kept + metrics.embeddings_deleted.get(), 600);
    assert!((150..550).contains(&kept), "{kept}");
    let pages = number(&db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
    assert!(pages < 2_500_000, "{pages} bytes: what is free is not taken again");
    // What was seen stays, with its picture; what has neither vector nor picture goes.
    assert_eq!(store.counts().unwrap().events, 150);
    let (event, picture) = first.unwrap();
    assert_eq!(store.event(event).unwrap().unwrap().event.media, [picture]);
    let sql = "SELECT count(*) FROM media WHERE file IS NULL AND id NOT IN (SELECT media FROM embeddings)";
    assert_eq!(number(&db, sql), 0);
}

#[test]
fn crops_and_empty_squares_keep_their_kind() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let mut update = fixture::update(Change::Opened, "red fox", 3);
    update.keepsakes[1].view = View::Crop;
    update.keepsakes[2].view = View::Empty;
    update.keepsakes.iter_mut().for_each(|it| it.picture = false);
    store.save(&update, FEATURIZER).unwrap();
    for view in ["whole", "crop", "empty"] {
        let sql =
            format!("SELECT count(*) FROM media WHERE view = '{view}' AND modality = 'infrared' AND file IS NULL");
        assert_eq!(number(&raw(dir.path()), &sql), 1, "{view}");
    }
}
