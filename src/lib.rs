//! Eyeshine: live cameras in, species out, nothing lost on the way.

pub mod domain;

pub mod capture;
pub mod infer;
pub mod observe;

pub mod pipeline;

pub mod clock;
pub mod config;
pub mod metrics;
