//! Pictures on disk: encoded as JPEG, written whole or not at all, found again by what the database says of them.
//!
//! A row refers to a picture only once it is on disk, and a picture is deleted only once no row refers to it; so a crash
//! leaves stray files at worst, and [`MediaFolder::sweep`] removes those at the next start.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fast_image_resize::Resizer;
use image::RgbImage;
use jiff::Timestamp;
use jpeg_encoder::{ColorType, Encoder};
use uuid::Uuid;

use crate::domain::{Area, Frame};

/// Below the state folder.
const FOLDER: &str = "media";
/// What a picture is called while it is written.
const UNFINISHED: &str = "tmp";
/// The file by which [`MediaFolder::probe`] tries the folder.
const PROBE: &str = "probe";
/// Bytes of a disk that pictures leave free, at most: a full disk shall still have room for events.
const RESERVE_BYTES: u64 = 64_000_000;
/// The same as a share of the whole disk, for small ones: a twentieth.
const RESERVE_SHARE: u64 = 20;
/// Stray files that a crash can explain: one save's pictures, or one batch of deleted ones.
const MOST_STRAYS: usize = 256;

/// A picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Its pixels cannot be read.
    #[error(transparent)]
    Picture(#[from] crate::capture::picture::PictureError),
    /// The encoder refused it.
    #[error("media: JPEG encoder: {0}")]
    Encode(#[from] jpeg_encoder::EncodingError),
}

/// Part of a frame as JPEG, its longer side at most `longest_px`, never enlarged; `quality` is 1..=100.
pub fn jpeg(
    frame: &Frame,
    area: Area,
    longest_px: u32,
    quality: u8,
    resizer: &mut Resizer,
) -> Result<Vec<u8>, RenderError> {
    jpeg_with(frame, area, longest_px, quality, resizer, |_| ())
}

/// The same, with something done to the picture before it is encoded.
pub fn jpeg_with(
    frame: &Frame,
    area: Area,
    longest_px: u32,
    quality: u8,
    resizer: &mut Resizer,
    change: impl FnOnce(&mut RgbImage),
) -> Result<Vec<u8>, RenderError> {
    let scale = (f64::from(longest_px) / area.width.max(area.height)).min(1.0);
    // `as` saturates, and an area of nothing is refused by the renderer.
    let px = |side: f64| (side * scale).round().clamp(1.0, 65_535.0) as u16;
    let (width, height) = (px(area.width), px(area.height));
    let mut pixels = frame.picture.render(area, width.into(), height.into(), resizer)?;
    change(&mut pixels);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, quality).encode(pixels.as_raw(), width, height, ColorType::Rgb)?;
    Ok(jpeg)
}

/// The folder of kept pictures: `media/YYYY/MM/DD/<uuid>.jpg` (UTC) below the state folder.
#[derive(Debug)]
pub struct MediaFolder {
    state_dir: PathBuf,
    /// Longer side of a picture, px.
    picture_px: u32,
    /// 1..=100.
    jpeg_quality: u8,
}

impl MediaFolder {
    /// The folder below `state_dir`; nothing is made yet.
    pub fn new(state_dir: &Path, picture_px: u32, jpeg_quality: u8) -> MediaFolder {
        MediaFolder { state_dir: state_dir.to_owned(), picture_px: picture_px.clamp(1, 65_535), jpeg_quality }
    }

    /// Where a picture lies, as the database says it: relative to the state folder, with slashes.
    pub fn file(id: Uuid, captured_at: Timestamp) -> String {
        let day = captured_at.strftime("%Y/%m/%d").to_string();
        format!("{FOLDER}/{day}/{id}.jpg")
    }

    /// Part of a frame as JPEG, as the folder keeps pictures.
    pub fn render(&self, frame: &Frame, area: Area, resizer: &mut Resizer) -> Result<Vec<u8>, RenderError> {
        jpeg(frame, area, self.picture_px, self.jpeg_quality, resizer)
    }

    /// Makes the folder, and a file in it, and removes that again: whether pictures can be kept at all.
    pub fn probe(&self) -> io::Result<()> {
        let folder = self.state_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let file = folder.join(PROBE).with_extension(UNFINISHED);
        fs::write(&file, [])?;
        match fs::remove_file(file) {
            // Another program tried at the same time: its file was ours.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// How many of the `kept` bytes of pictures must go before one of `bytes` finds room on the disk; none where something
    /// else fills it: then they are not what is in the way.
    pub fn shortage(&self, kept: u64, bytes: u64) -> u64 {
        let Ok(disk) = Disk::of(&self.state_dir) else { return 0 };
        if kept > disk.taken / 2 { disk.reserve.saturating_add(bytes).saturating_sub(disk.available) } else { 0 }
    }

    /// Writes a picture; once this returns it is on disk under its name, and survives a power cut.
    ///
    /// The disk counts as full before its last bytes are taken: those are for the database.
    pub fn write(&self, file: &str, jpeg: &[u8]) -> io::Result<()> {
        let target = self.state_dir.join(file);
        let folder = target.parent().unwrap_or(&self.state_dir);
        let unfinished = MediaFolder::unfinished(&target);
        let write = || {
            make(folder)?;
            let disk = Disk::of(folder)?;
            if disk.available < disk.reserve.saturating_add(jpeg.len() as u64) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let mut picture = File::create(&unfinished)?;
            picture.write_all(jpeg)?;
            picture.sync_data()?;
            fs::rename(&unfinished, &target)?;
            File::open(folder)?.sync_all()
        };
        write().inspect_err(|_| {
            // What could not be finished must not take the room that is short.
            let _ = fs::remove_file(&unfinished);
        })
    }

    /// Deletes a picture that no row refers to any more. One that is gone already is fine; one that resists is left to
    /// the next [`sweep`](Self::sweep).
    pub fn delete(&self, file: &str) {
        if let Err(error) = fs::remove_file(self.state_dir.join(file))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file, %error, "a picture could not be deleted");
        }
    }

    /// Looks for pictures that are not in `known` (as [`file`](Self::file) says it) and for unfinished ones, and removes
    /// them; names that are not ours are left alone. Beside another program that may be saving, what is younger than `age`
    /// may be on its way to a row, and stays, and so do folders.
    ///
    /// A crash leaves a few. Where there are more, the database was lost or replaced: then they may be all that is left,
    /// and stay.
    pub fn sweep(&self, known: &HashSet<String>, age: Option<Duration>) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let mut stray = Vec::new();
        walk(&self.state_dir.join(FOLDER), FOLDER, known, age.is_none(), &mut swept.present, &mut stray)?;
        let is_old = |it: &PathBuf, age| {
            let written = fs::metadata(it).and_then(|it| it.modified());
            written.is_ok_and(|it| it.elapsed().is_ok_and(|it| it > age))
        };
        stray.retain(|it| age.is_none_or(|age| is_old(it, age)));
        if stray.len() > MOST_STRAYS {
            swept.left = stray.len();
            return Ok(swept);
        }
        for path in stray {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                removed => swept.removed += usize::from(removed.is_ok()),
            }
        }
        Ok(swept)
    }

    /// What a picture is called while it is written.
    pub fn unfinished(picture: &Path) -> PathBuf {
        picture.with_extension(UNFINISHED)
    }
}

/// Bytes that are free on the disk of a folder.
pub(crate) fn available(folder: &Path) -> io::Result<u64> {
    Disk::of(folder).map(|it| it.available)
}

/// A disk, in bytes.
struct Disk {
    taken: u64,
    available: u64,
    /// What pictures leave free.
    reserve: u64,
}

impl Disk {
    fn of(folder: &Path) -> io::Result<Disk> {
        let it = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(it.f_frsize);
        Ok(Disk {
            taken: bytes(it.f_blocks.saturating_sub(it.f_bfree)),
            available: bytes(it.f_bavail),
            reserve: (bytes(it.f_blocks) / RESERVE_SHARE).min(RESERVE_BYTES),
        })
    }
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The known pictures that are there.
    pub present: HashSet<String>,
    /// Stray files removed.
    pub removed: usize,
    /// Stray files left, because they are too many for a crash.
    pub left: usize,
}

/// Makes a folder and those that it lies in; each is on disk when this returns, so that no picture goes with its folder.
fn make(folder: &Path) -> io::Result<()> {
    let n_missing = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).count();
    fs::create_dir_all(folder)?;
    let mut parents = folder.ancestors().skip(1).take(n_missing).filter(|it| !it.as_os_str().is_empty());
    parents.try_for_each(|it| File::open(it)?.sync_all())
}

/// Sorts the files below `folder`, called `name`, into those known and those stray; with `tidy` empty folders go. What goes
/// meanwhile is not there.
fn walk(
    folder: &Path,
    name: &str,
    known: &HashSet<String>,
    tidy: bool,
    present: &mut HashSet<String>,
    stray: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = match entry.file_type() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            kind => kind?,
        };
        if kind.is_dir() {
            walk(&path, &name, known, tidy, present, stray)?;
            if tidy {
                // Fails where something is left in it, as it should.
                let _ = fs::remove_dir(&path);
            }
        } else if known.contains(&name) {
            present.insert(name);
        } else if is_ours(&path) {
            stray.push(path);
        }
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    let part = |it: Option<&std::ffi::OsStr>| it.and_then(|it| it.to_str()).unwrap_or_default().to_owned();
    let (stem, extension) = (part(path.file_stem()), part(path.extension()));
    let named = stem == PROBE || Uuid::try_parse(&stem).is_ok();
    named && (extension == "jpg" || extension == UNFINISHED)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::observe::store::fixture;

    #[test]
    fn a_picture_is_scaled_down_to_its_longer_side_and_never_up() {
        let dir = tempfile::tempdir().unwrap();
        let folder = MediaFolder::new(dir.path(), 100, 85);
        let frame = fixture::frame(400, 300, [200, 40, 40]);
        let size = |area| {
            let jpeg = folder.render(&frame, area, &mut Resizer::new()).unwrap();
            let picture = image::load_from_memory(&jpeg).unwrap().into_rgb8();
            let middle = picture.get_pixel(picture.width() / 2, picture.height() / 2).0;
            assert!(middle[0] > 180 && middle[1] < 60 && middle[2] < 60, "the colour is another: {middle:?}");
            picture.dimensions()
        };
        assert_eq!(size(frame.picture.area()), (100, 75));
        assert_eq!(size(Area { x: 10.0, y: 10.0, width: 60.0, height: 80.0 }), (60, 80));
        let outside = Area { x: 500.0, y: 0.0, width: 60.0, height: 80.0 };
        assert!(matches!(folder.render(&frame, outside, &mut Resizer::new()), Err(RenderError::Picture(_))));
        let nothing = Area { x: 0.0, y: 0.0, width: 0.0, height: f64::NAN };
        assert!(folder.render(&frame, nothing, &mut Resizer::new()).is_err());
    }

    #[test]
    fn a_sweep_keeps_what_is_known_and_removes_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let folder = MediaFolder::new(dir.path(), 100, 85);
        let file = |day: &str| MediaFolder::file(Uuid::now_v7(), day.parse().unwrap());
        let (kept, stray, gone) =
            (file("2026-11-24T01:00:00Z"), file("2026-11-24T02:00:00Z"), file("2026-11-23T23:59:59Z"));
        assert!(kept.starts_with("media/2026/11/24/") && gone.starts_with("media/2026/11/23/"));
        assert_eq!(folder.sweep(&HashSet::new(), None).unwrap(), Swept::default(), "no folder yet");
        folder.write(&kept, b"kept").unwrap();
        folder.write(&stray, b"stray").unwrap();
        let old = MediaFolder::file(Uuid::now_v7(), "2025-01-01T00:00:00Z".parse().unwrap());
        folder.write(&old, b"old").unwrap();
        let day = dir.path().join("media/2026/11/24");
        fs::write(day.join(format!("{}.tmp", Uuid::now_v7())), b"ha").unwrap();
        fs::write(day.join("somebody's.txt"), b"note").unwrap();
        let known = HashSet::from([kept.clone(), gone]);
        let aside = folder.sweep(&known, Some(Duration::from_secs(600))).unwrap();
        assert_eq!(aside, Swept { present: HashSet::from([kept.clone()]), removed: 0, left: 0 }, "they are young");
        assert!(dir.path().join(&old).exists());
        let swept = folder.sweep(&known, None).unwrap();
        assert_eq!(swept, Swept { present: HashSet::from([kept.clone()]), removed: 3, left: 0 });
        assert_eq!(fs::read(dir.path().join(kept)).unwrap(), b"kept");
        assert!(!dir.path().join(stray).exists());
        assert!(day.join("somebody's.txt").exists());
        folder.sweep(&known, None).unwrap();
        assert!(!dir.path().join("media/2025").exists(), "an empty folder goes");
    }

    #[test]
    fn where_the_database_was_lost_its_pictures_stay() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("media/2026/11/24");
        fs::create_dir_all(&day).unwrap();
        for _ in 0..=MOST_STRAYS {
            fs::write(day.join(format!("{}.jpg", Uuid::now_v7())), b"a picture").unwrap();
        }
        let swept = MediaFolder::new(dir.path(), 100, 85).sweep(&HashSet::new(), None).unwrap();
        assert_eq!((swept.removed, swept.left), (0, MOST_STRAYS + 1));
        assert_eq!(fs::read_dir(day).unwrap().count(), MOST_STRAYS + 1);
    }
}
