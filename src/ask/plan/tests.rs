//! Plans on synthetic events.
