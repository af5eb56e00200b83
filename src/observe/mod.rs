//! From predictions to events: aggregation, store, publication.

pub mod event;
pub mod track;
