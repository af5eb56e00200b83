//! The flows, on the real binary: real GStreamer, RTSP, ONNX Runtime, SQLite and HTTP. One binary, a module a flow.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "tests")]

mod api;
mod attacks;
mod bad_input;
mod browser;
mod callers;
mod cameras;
mod classify;
mod clips;
mod daemon;
mod docs;
mod history;
mod http;
mod kills;
mod labels;
mod latencies;
mod life_cycle;
mod load;
mod million;
mod newcomer;
mod people;
mod reserve;
mod retrain;
mod review;
mod schema;
mod setup;
mod shadow;
mod slips;
mod tasks;
mod teach;
mod tls;
mod web;
mod who;
