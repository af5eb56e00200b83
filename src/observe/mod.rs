//! From predictions to events: aggregation, store, publication.
