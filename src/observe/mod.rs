//! From predictions to events: aggregation, store, publication.

mod backlog;
pub mod media;
pub mod publish;
pub mod record;
pub mod stdout;
pub mod store;
