//! Eyeshine: live cameras in, species out, nothing lost on the way.

pub mod domain;

pub mod capture;
pub mod infer;
pub mod observe;
pub mod teach;

pub mod ask;
pub mod setup;

pub mod pipeline;

pub mod web;

pub mod commands;

pub mod demo;

pub mod logging;
pub mod shutdown;
pub mod watchdog;

pub mod clock;
pub mod config;
pub mod metrics;
