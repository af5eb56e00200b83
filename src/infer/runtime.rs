//! ONNX Runtime, loaded once per process from a file beside the models.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

/// ONNX Runtime cannot be had; `path` is the library, `why` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ONNX Runtime: {path}: {why}")]
pub struct RuntimeError {
    /// The library.
    pub path: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

/// The loaded library: what every session is made in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    version: Arc<str>,
}

// A process can have one environment, for ever: a second one is refused even after the first has gone.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads `file` of the folder `models_dir`; the second time it is the same runtime again.
    ///
    /// A failed load leaves nothing behind: it may be tried again with another file.
    pub fn load(models_dir: &Path, file: &Path) -> Result<Runtime, RuntimeError> {
        let asked = models_dir.join(file);
        let refuse = |why: String| RuntimeError { path: asked.display().to_string(), why };
        // An absolute path: the loader would look for a relative one beside the executable.
        let path = asked.canonicalize().map_err(|error| refuse(format!("{error}; `make setup` puts it there")))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.path == path {
                return Ok(runtime.clone());
            }
            let why = format!("{} is loaded already, and a process can hold one only", runtime.path.display());
            return Err(refuse(why));
        }
        let version = inspect(&path).map_err(refuse)?;
        let environment = ort::init_from(&path)
            .map_err(|error| refuse(error.to_string()))?
            .with_name("eyeshine")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, category, _id, place, message| log(level, category, place, message)))
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        // With a logger of one's own it starts at verbose, which costs time at every run.
        environment.set_log_level(LogLevel::Warning);
        let runtime = Runtime { environment, path, version: version.into() };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Its version, such as `1.32.0`, for `eyeshine_build_info`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What sessions are made in.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Looks at the file before the system's loader does: the loader kills the process where a library was cut off (its
/// segments are mapped, and read beyond the file's end). Gives the version that the library's symbols carry.
fn inspect(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let mut head = Vec::new();
    file.take(128 * 1024).read_to_end(&mut head).map_err(|error| error.to_string())?;
    if head.len() < 64 || !head.starts_with(b"\x7fELF\x02\x01") {
        return Err("not a 64-bit shared library; `make setup` puts the right one there".into());
    }
    let number =
        |at: usize, size: usize| head[at..at + size].iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    // ELF64 header: the table of sections (e_shoff, e_shentsize, e_shnum) is the last thing in the file.
    let end = number(0x28, 8).saturating_add(number(0x3A, 2) * number(0x3C, 2));
    if end > bytes {
        return Err(format!("cut off: {bytes} of {end} bytes; delete it and run `make setup`"));
    }
    let mark = b"VERS_";
    let version = head.windows(mark.len()).position(|it| it == mark).map(|at| {
        let rest = head[at + mark.len()..].iter();
        rest.take_while(|it| it.is_ascii_digit() || **it == b'.').map(|&it| char::from(it)).collect::<String>()
    });
    Ok(version.filter(|it| !it.is_empty()).unwrap_or_else(|| "unknown".into()))
}

fn log(level: LogLevel, category: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::debug!(category, place, "onnxruntime: {message}"),
        LogLevel::Warning => tracing::warn!(category, place, "onnxruntime: {message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, place, "onnxruntime: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::tiny;

    #[test]
    fn a_missing_or_wrong_library_is_refused_and_the_right_one_still_loads() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Runtime::load(dir.path(), Path::new("none.so")).unwrap_err().to_string();
        assert!(missing.contains("none.so") && missing.contains("make setup"), "{missing}");

        std::fs::write(dir.path().join("text.so"), "no library at all").unwrap();
        // Refused as what it is, or (where another test came first) because a runtime is loaded.
        Runtime::load(dir.path(), Path::new("text.so")).unwrap_err();
        let text = inspect(&dir.path().join("text.so")).unwrap_err();
        assert!(text.starts_with("not a 64-bit shared library"), "{text}");

        let real = tiny::models_dir().join(tiny::LIBRARY);
        let mut start = vec![0; 1_000_000];
        File::open(&real).unwrap().read_exact(&mut start).unwrap();
        std::fs::write(dir.path().join("cut.so"), start).unwrap();
        let cut = inspect(&dir.path().join("cut.so")).unwrap_err();
        assert!(cut.starts_with("cut off: 1000000 of "), "{cut}");

        let runtime = tiny::runtime();
        assert!(tiny::LIBRARY.ends_with(runtime.version()), "{}", runtime.version());
        assert_eq!(tiny::runtime().path, runtime.path, "the second load is the first");
        let other = Runtime::load(dir.path(), Path::new("cut.so")).unwrap_err().to_string();
        assert!(other.contains("is loaded already"), "{other}");
    }
}
