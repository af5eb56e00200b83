//! Merges the layers: compiled-in default, file, environment, command line.
