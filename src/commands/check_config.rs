//! `eyeshine check-config`: everything that is wrong with a configuration, by file, line and key.

use std::io::{self, Write};
use std::path::Path;

use crate::commands::Exit;
use crate::config::check;
use crate::config::environment::Environment;
use crate::config::load::Overrides;

/// Lists every problem on standard error.
pub fn check_config(path: Option<&Path>, overrides: &Overrides) -> io::Result<Exit> {
    let problems = check::problems(path, overrides, &Environment::of_process());
    let mut err = io::stderr().lock();
    for problem in &problems {
        writeln!(err, "{problem}")?;
    }
    if problems.is_empty() {
        writeln!(err, "the configuration is good")?;
        return Ok(Exit::Done);
    }
    Ok(Exit::Config)
}
