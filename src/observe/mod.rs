//! From predictions to events: aggregation, store, publication.

pub mod media;
pub mod store;
