//! Where tapes lie: `tapes/<camera>.<when its first frame was taken, ms>.tape` below the state folder, a file a minute. The oldest
//! go; and so does each that holds anything of a time that is erased.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::segment::{Frames, Packed};
use crate::config::TapeConfig;
use crate::domain::CameraName;

const FOLDER: &str = "tapes";
const ENDING: &str = ".tape";
/// The longest a segment is.
pub(super) const SEGMENT: SignedDuration = SignedDuration::from_secs(60);
/// What is erased reaches so far beyond an event on either side: an animal, or somebody, is seen coming and going.
pub const AROUND: SignedDuration = SignedDuration::from_secs(30);

/// A segment on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: Timestamp,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// When it was begun by the frames' clock, or last written by the system's, whichever is earlier: a clock that was ahead
    /// makes nothing younger than it is.
    kept_since: Timestamp,
}

/// All tapes.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: Arc<Path>,
    hours: f64,
    max_bytes: u64,
}

/// What there is of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// When the first frame was taken.
    pub from: Timestamp,
    /// When about the last was.
    pub to: Timestamp,
    /// What it takes.
    pub bytes: u64,
}

impl Shelf {
    /// The tapes below a state folder, of which so much is kept.
    pub fn of(state_dir: &Path, config: &TapeConfig) -> Shelf {
        let max_bytes = config.max_mb.saturating_mul(1_000_000);
        Shelf { dir: state_dir.join(FOLDER).into(), hours: config.hours, max_bytes }
    }

    /// Whether anything is kept at all.
    pub fn keeps(&self) -> bool {
        self.hours > 0.0 && self.max_bytes > 0
    }

    /// Their folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What there is of a camera; none where there is nothing.
    pub fn holdings(&self, camera: &str) -> io::Result<Option<Holdings>> {
        let segments = self.segments(camera)?;
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(None) };
        let written = fs::metadata(&last.path).and_then(|it| it.modified()).ok();
        let written = written.and_then(|it| Timestamp::try_from(it).ok()).unwrap_or(last.from);
        let longest = last.from.checked_add(SEGMENT).unwrap_or(last.from);
        let to = written.clamp(last.from, longest);
        Ok(Some(Holdings { from: first.from, to, bytes: segments.iter().map(|it| it.bytes).sum() }))
    }

    /// The frames of a camera from then on, in the order in which they were taken. What goes meanwhile is left out.
    pub fn frames(&self, camera: &CameraName, from: Timestamp) -> io::Result<impl Iterator<Item = Packed> + use<>> {
        let mut segments = self.segments(camera)?;
        let begin = from.checked_sub(SEGMENT).unwrap_or(Timestamp::MIN);
        segments.retain(|it| it.from >= begin);
        let camera = Arc::clone(camera);
        let open = segments.into_iter().filter_map(|it| File::open(it.path).ok());
        Ok(open.flat_map(move |it| Frames::of(&camera, BufReader::new(it))).filter(move |it| it.at() >= from))
    }

    /// The picture of a camera that was taken then, to the millisecond, as JPEG.
    pub fn picture(&self, camera: &CameraName, at_ms: i64) -> io::Result<Option<Vec<u8>>> {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return Ok(None) };
        let begun = |it: &Packed| it.at().as_millisecond() <= at_ms;
        let mut frames = self.frames(camera, at)?.take_while(begun);
        Ok(frames.find(|it| it.at().as_millisecond() == at_ms).map(Packed::into_jpeg))
    }

    /// Removes every segment of a camera that holds anything of a time, or of what was around it.
    pub fn erase(&self, camera: &str, from: Timestamp, to: Timestamp) -> io::Result<()> {
        let begin = from.checked_sub(AROUND + SEGMENT).unwrap_or(Timestamp::MIN);
        let end = to.checked_add(AROUND).unwrap_or(Timestamp::MAX);
        self.segments(camera)?
            .iter()
            .filter(|it| it.from >= begin && it.from <= end)
            .try_for_each(|it| remove(&it.path))
    }

    /// The cameras of which there is anything of a time.
    pub fn cameras(&self, from: Timestamp, to: Timestamp) -> io::Result<BTreeSet<String>> {
        let begin = from.checked_sub(SEGMENT).unwrap_or(Timestamp::MIN);
        let all = self.named()?.into_iter().filter(|it| it.from >= begin && it.from <= to);
        Ok(all.map(|it| it.camera).collect())
    }

    /// Removes all there is.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where a new segment lies.
    pub(super) fn create(&self, camera: &str, from: Timestamp) -> io::Result<File> {
        fs::create_dir_all(&self.dir)?;
        File::create(self.dir.join(format!("{camera}.{}{ENDING}", from.as_millisecond())))
    }

    /// Removes what is too old, and the oldest of what is too much; how much is left, in bytes.
    pub(super) fn prune(&self, camera: &str, now: Timestamp) -> io::Result<u64> {
        let age = Duration::try_from_secs_f64(self.hours * 3_600.0).unwrap_or(Duration::MAX);
        let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let segments = self.segments(camera)?;
        let mut bytes: u64 = segments.iter().map(|it| it.bytes).sum();
        for it in segments {
            if it.kept_since >= oldest && bytes <= self.max_bytes {
                continue;
            }
            remove(&it.path)?;
            bytes -= it.bytes;
        }
        Ok(bytes)
    }

    /// The same of every camera of which there is anything, also of one that sends no more; how much is left of each.
    pub(super) fn prune_all(&self, now: Timestamp) -> io::Result<Vec<(String, u64)>> {
        let cameras: BTreeSet<String> = self.named()?.into_iter().map(|it| it.camera).collect();
        cameras.into_iter().map(|it| self.prune(&it, now).map(|bytes| (it, bytes))).collect()
    }

    /// The segments of a camera, the oldest first.
    pub(super) fn segments(&self, camera: &str) -> io::Result<Vec<Segment>> {
        let own = self.named()?.into_iter().filter(|it| it.camera == camera);
        // One that has just gone is none.
        let mut segments: Vec<Segment> = own.filter_map(|it| Segment::of(it.path, it.from).ok()).collect();
        segments.sort_by_key(|it| it.from);
        Ok(segments)
    }

    /// What every segment is called.
    fn named(&self) -> io::Result<Vec<Named>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(it) => it,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut named = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let begun = path.file_name().and_then(begun);
            named.extend(begun.map(|(camera, from)| Named { camera, from, path }));
        }
        Ok(named)
    }
}

impl Segment {
    fn of(path: PathBuf, from: Timestamp) -> io::Result<Segment> {
        let meta = fs::metadata(&path)?;
        let written = meta.modified().ok().and_then(|it| Timestamp::try_from(it).ok());
        Ok(Segment { from, path, bytes: meta.len(), kept_since: written.map_or(from, |it| it.min(from)) })
    }
}

/// What a segment's name says.
struct Named {
    camera: String,
    from: Timestamp,
    path: PathBuf,
}

/// Of which camera a segment is, and when it begins, as its file's name says.
fn begun(name: &OsStr) -> Option<(String, Timestamp)> {
    let (camera, from) = name.to_str()?.strip_suffix(ENDING)?.rsplit_once('.')?;
    Some((camera.to_owned(), Timestamp::from_millisecond(from.parse().ok()?).ok()?))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
