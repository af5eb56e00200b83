//! Every key there is: its section, its type and what it may hold. The check walks by this table, and a test holds it
//! against `default.toml` and the typed structs.

use super::kinds::{
    Kind, anything, camera_name, family, file_stem, file_stem_or_none, filled, filter, host, listen, person_name,
    scientific_name, task, time_zone, tls_pin, uri,
};
use super::persons::{self, Role};

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// The sections that are a plain table, by name.
pub(super) const SECTIONS: &[(&str, &[Key])] = &[
    ("state", &[key("dir", Kind::Text(filled))]),
    (
        "models",
        &[
            key("dir", Kind::Text(anything)),
            key("featurizer", Kind::Text(file_stem)),
            key("second", Kind::Text(file_stem_or_none)),
            key("next", Kind::Text(file_stem_or_none)),
            key("runtime", Kind::Text(filled)),
        ],
    ),
    (
        "featurizer",
        &[
            key("workers", Kind::Int(0, 256)),
            key("max_batch", Kind::Int(1, 256)),
            key("queue_frames", Kind::Int(1, 1000)),
            key("second_frames", Kind::Int(1, 8)),
        ],
    ),
    (
        "web",
        &[
            key("listen", Kind::Text(listen)),
            key("allowed_hosts", Kind::Texts(host)),
            key("trusted_proxy", Kind::Texts(persons::address)),
            key("tls_certificate", Kind::Text(anything)),
            key("tls_key", Kind::Text(anything)),
            key("session_hours", Kind::Float(0.1, 8_760.0)),
        ],
    ),
    ("output", &[key("format", Kind::Choice(&["auto", "text", "json", "none"]))]),
    ("log", &[key("filter", Kind::Text(filter))]),
    ("camera_defaults", CAMERA_DEFAULTS),
    ("gate", GATE),
    (
        "novelty",
        &[
            key("whole", Kind::Float(0.0, 2.0)),
            key("crop", Kind::Float(0.0, 2.0)),
            key("sigma", Kind::Float(0.0, 100.0)),
            key("bank", Kind::Int(1, 10_000)),
            key("renew_secs", Kind::Float(0.1, 86_400.0)),
        ],
    ),
    (
        "events",
        &[
            key("gap_secs", Kind::Float(0.1, 3_600.0)),
            key("open_looks", Kind::Float(1.0, 1000.0)),
            key("max_secs", Kind::Float(1.0, 86_400.0)),
            key("threshold", Kind::Float(0.0, 1.0)),
            key("save_secs", Kind::Float(0.1, 5.0)),
        ],
    ),
    (
        "people",
        &[
            key("pictures", Kind::Choice(&["keep", "hide", "discard"])),
            key("probability", Kind::Float(0.0, 1.0)),
            key("starter_probability", Kind::Float(0.0, 1.0)),
        ],
    ),
    (
        "store",
        &[
            key("max_embeddings", Kind::Int(1, 10_000)),
            key("max_pictures", Kind::Int(1, 1000)),
            key("blanks_per_hour", Kind::Int(0, 3600)),
            key("media_max_mb", Kind::Int(10, 100_000_000)),
            key("database_max_mb", Kind::Int(10, 100_000_000)),
            key("picture_px", Kind::Int(64, 8192)),
            key("jpeg_quality", Kind::Int(1, 100)),
        ],
    ),
    ("tape", &[key("hours", Kind::Float(0.0, 168.0)), key("max_mb", Kind::Int(0, 1_000_000))]),
    (
        "teach",
        &[
            key("tasks", Kind::Texts(task)),
            key("protected", Kind::Texts(filled)),
            key("min_new_labels", Kind::Int(0, 1_000_000)),
            key("retrain_hours", Kind::Float(0.0, 8_760.0)),
            key("retrain_max_secs", Kind::Float(1.0, 86_400.0)),
            key("shadow_events", Kind::Int(0, 1_000_000)),
            key("keep_generations", Kind::Int(2, 10_000)),
        ],
    ),
    (
        "ask",
        &[
            key("questions_per_day", Kind::Int(0, 10_000)),
            key("random_share", Kind::Float(0.0, 1.0)),
            key("blank_share", Kind::Float(0.0, 1.0)),
            key("still_share", Kind::Float(0.0, 1.0)),
            key("unknown_share", Kind::Float(0.0, 1.0)),
            key("suspect_share", Kind::Float(0.0, 1.0)),
            key("days", Kind::Float(0.1, 3_650.0)),
            key("refill_secs", Kind::Float(1.0, 86_400.0)),
            key("lease_secs", Kind::Float(1.0, 86_400.0)),
            key("still_moments_per_day", Kind::Float(0.0, 10_000.0)),
            key("still_moments_kept", Kind::Int(0, 1_000_000)),
        ],
    ),
];

/// What a `[[camera]]` holds beside [`CAMERA_DEFAULTS`] and `[camera.gate]`.
pub(super) const CAMERA_OWN: &[Key] = &[key("name", Kind::Text(camera_name)), key("uri", Kind::Text(uri))];

/// What a `[[web.person]]` holds.
pub(super) const PERSON: &[Key] = &[
    key("name", Kind::Text(person_name)),
    key("role", Kind::Choice(&Role::WORDS)),
    key("token_file", Kind::Text(filled)),
    key("token_env", Kind::Text(filled)),
];

/// What a `[[taxon]]` holds.
pub(super) const TAXON: &[Key] = &[
    key("name", Kind::Text(filled)),
    key("scientific_name", Kind::Text(scientific_name)),
    key("family", Kind::Text(family)),
];

/// What holds for every camera that does not say otherwise.
pub(super) const CAMERA_DEFAULTS: &[Key] = &[
    key("enabled", Kind::Bool),
    key("transport", Kind::Choice(&["tcp", "udp"])),
    key("tls", Kind::Choice(&["verify", "pin", "insecure"])),
    key("tls_pin", Kind::Text(tls_pin)),
    key("username", Kind::Text(anything)),
    key("password_file", Kind::Text(anything)),
    key("password_env", Kind::Text(anything)),
    key("latency_ms", Kind::Int(0, 10_000)),
    key("connect_secs", Kind::Float(0.5, 600.0)),
    key("stall_secs", Kind::Float(0.5, 600.0)),
    key("backoff_min_secs", Kind::Float(0.05, 3_600.0)),
    key("backoff_max_secs", Kind::Float(0.05, 86_400.0)),
    key("healthy_secs", Kind::Float(0.0, 86_400.0)),
    key("trust_camera_clock", Kind::Bool),
    key("loop", Kind::Bool),
    key("analysis_fps", Kind::Float(0.1, 60.0)),
    key("masks", Kind::Polygons),
    key("place", Kind::Text(anything)),
    key("latitude", Kind::Float(-90.0, 90.0)),
    key("longitude", Kind::Float(-180.0, 180.0)),
    key("time_zone", Kind::Text(time_zone)),
    key("since", Kind::Moment),
];

/// `[gate]` and `[camera.gate]`.
pub(super) const GATE: &[Key] = &[
    key("width_px", Kind::Int(64, 1920)),
    key("sigma", Kind::Float(0.5, 100.0)),
    key("min_luma", Kind::Float(0.0, 255.0)),
    key("min_area", Kind::Float(0.0, 1.0)),
    key("max_area", Kind::Float(0.01, 1.0)),
    key("background_secs", Kind::Float(1.0, 86_400.0)),
    key("max_crops", Kind::Int(0, 64)),
    key("margin", Kind::Float(0.0, 5.0)),
    key("min_crop_px", Kind::Int(8, 4096)),
    key("time_lapse_secs", Kind::Float(0.05, 86_400.0)),
    key("linger_secs", Kind::Float(0.0, 3_600.0)),
    key("find_clock", Kind::Bool),
];

/// The keys of a section, if it is one.
pub(super) fn section(name: &str) -> Option<&'static [Key]> {
    SECTIONS.iter().find(|(it, _)| *it == name).map(|(_, keys)| *keys)
}

/// A key of a list, by name.
pub(super) fn find(keys: &[Key], name: &str) -> Option<Key> {
    keys.iter().find(|it| it.name == name).copied()
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}
