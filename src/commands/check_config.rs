//! `eyeshine check-config`: everything that is wrong with a configuration, by file, line and key.

use std::io::{self, Write};
use std::path::Path;

use crate::commands::{Exit, unless_gone};
use crate::config::check;
use crate::config::environment::Environment;
use crate::config::load::{self, Overrides};
use crate::config::overlay;
use crate::infer::models::Contracts;

/// Lists every problem on standard error; where there is none, what people saved that goes before the files.
pub fn check_config(path: Option<&Path>, overrides: &Overrides) -> io::Result<Exit> {
    let problems = check::problems(path, overrides, &Environment::of_process());
    let mut lines: String = problems.iter().map(|it| format!("{it}\n")).collect();
    // What is named is to be there, too.
    if problems.is_empty()
        && let Ok(config) = load::load(path, overrides.clone())
        && let Err(error) = Contracts::load(&config.models)
    {
        lines = format!("models: {error}\n");
    }
    let (said, exit) = if lines.is_empty() {
        let saved = overlay::listed(path, overrides, &Environment::of_process());
        ("the configuration is good\n".to_owned() + &saved, Exit::Done)
    } else {
        (lines, Exit::Config)
    };
    unless_gone(io::stderr().lock().write_all(said.as_bytes()))?;
    Ok(exit)
}
