//! The commands: one file each, a few lines over the library.

pub mod ask;
pub mod check_config;
pub mod classify;
pub mod demo;
pub mod erase;
pub mod eval;
pub mod heads;
pub mod label;
pub mod migrate;
mod replay;
pub mod rescore;
pub mod run;
pub mod train;

use std::fmt;
use std::io;

use crate::config::Config;
use crate::config::load::ConfigErrors;
use crate::infer::featurizer::FeaturizerError;
use crate::infer::heads::Heads;
use crate::infer::models::{Models, ModelsError};
use crate::observe::store::StoreError;
use crate::teach::follow;
use crate::teach::generations::GenerationError;
use crate::web::WebError;

/// What the process says to who started it (sysexits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong use of the command line.
    Usage = 64,
    /// What may pass: a port in use, a locked or unwritable store.
    TryAgain = 75,
    /// What only a person can mend: config or model, an address that is the system's.
    Config = 78,
}

impl Exit {
    /// What an error means.
    pub fn of(error: &anyhow::Error) -> Exit {
        for cause in error.chain() {
            if let Some(store) = cause.downcast_ref::<StoreError>() {
                return if store.exit_code() == Exit::Config as u8 { Exit::Config } else { Exit::TryAgain };
            }
            match cause.downcast_ref() {
                // The system's ports stay the system's.
                Some(WebError::Bind(_, error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Exit::Config;
                }
                Some(_) => return Exit::TryAgain,
                None => {}
            }
            if cause.is::<ConfigErrors>() || cause.is::<ModelsError>() || cause.is::<FeaturizerError>() {
                return Exit::Config;
            }
        }
        Exit::Failed
    }
}

/// The heads that serve in the state folder, for commands that look at pictures.
fn serving(config: &Config, models: &Models) -> Result<Heads, GenerationError> {
    follow::serving(&config.state.dir, &config.teach.tasks, &models.contract.identity(), models.starter())
}

/// Whoever read our output may go when they have seen enough: that is no error.
fn unless_gone(written: io::Result<()>) -> io::Result<()> {
    written.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// An error with all its causes, each said once.
pub struct Said<'a>(pub &'a anyhow::Error);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for cause in self.0.chain().map(ToString::to_string) {
            if !said.contains(&cause) {
                if !said.is_empty() {
                    said.push_str(": ");
                }
                said.push_str(&cause);
            }
        }
        f.write_str(&said)
    }
}
