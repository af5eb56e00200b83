//! `eyeshine check-config`: everything that is wrong with a configuration, by file, line and key.

use std::io::{self, Write};
use std::path::Path;

use crate::commands::{Exit, unless_gone};
use crate::config::check;
use crate::config::environment::Environment;
use crate::config::load::Overrides;
use crate::config::overlay;

/// Lists every problem on standard error; where there is none, what people saved that goes before the files.
pub fn check_config(path: Option<&Path>, overrides: &Overrides) -> io::Result<Exit> {
    let problems = check::problems(path, overrides, &Environment::of_process());
    let lines: String = problems.iter().map(|it| format!("{it}\n")).collect();
    let (said, exit) = if problems.is_empty() {
        let saved = overlay::listed(path, overrides, &Environment::of_process());
        ("the configuration is good\n".to_owned() + &saved, Exit::Done)
    } else {
        (lines, Exit::Config)
    };
    unless_gone(io::stderr().lock().write_all(said.as_bytes()))?;
    Ok(exit)
}
