//! Every write, sync and rename of heads: in one place, so that a test can end the process before and after each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file, to the platter.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    step();
    let mut file = File::create(path)?;
    step();
    // In halves, for the sake of the test that ends the process between them.
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    step();
    file.write_all(rest)?;
    step();
    file.sync_all()?;
    step();
    Ok(())
}

/// Replaces a file of a folder, whole or not at all.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}.tmp"));
    put(&unfinished, bytes)?;
    rename(&unfinished, &dir.join(name))?;
    sync(dir)
}

/// Renames a file or a folder.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step();
    fs::rename(from, to)?;
    step();
    Ok(())
}

/// What was renamed in a folder stays so.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    step();
    Ok(())
}

/// Removes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    step();
    let gone = match fs::symlink_metadata(path) {
        Ok(it) if it.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    step();
    gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(not(test))]
fn step() {}

/// In a test's child: counts down `EYESHINE_DIE_AT`, and there ends the process as `kill -9` does.
#[cfg(test)]
fn step() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static LEFT: LazyLock<AtomicU32> = LazyLock::new(|| {
        AtomicU32::new(std::env::var("EYESHINE_DIE_AT").ok().and_then(|it| it.parse().ok()).unwrap_or(0))
    });
    if LEFT.load(Ordering::Relaxed) > 0 && LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}
