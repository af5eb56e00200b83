//! From predictions to events: aggregation, store, publication.

pub mod event;
pub mod glance;
pub mod people;
pub mod said;
pub mod track;

pub mod reconsider;

mod backlog;
pub mod record;

pub mod media;
pub mod moments;
pub mod store;

pub mod ranked;
pub mod rescore;

pub mod publish;
pub mod stdout;
