//! Every problem of a configuration at once, with file, line and key.
