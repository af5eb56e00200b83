//! Labelled pictures to vectors: through the very same gate and featurizer as a live camera's frames.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::capture::gate::burst;
use crate::capture::still;
use crate::config::CameraConfig;
use crate::domain::{Candidate, Embedding, Frame, Look, View};
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::head::{BLANK, Head};
use crate::infer::second::Second;
use crate::infer::space::kind;
use crate::metrics::Metrics;

use super::label_file::{LabelRow, LabelledBurst};

/// Pictures of a burst held in memory together, at most.
const MAX_TOGETHER: usize = 16;

/// A picture that could be read.
#[derive(Debug)]
pub struct Seen {
    /// What the table says of it.
    pub row: LabelRow,
    /// Of the file.
    pub sha256: [u8; 32],
    /// When it was taken; where nobody knows, when its file was written. No two that are read together are of the same moment.
    pub at: Timestamp,
    /// The gate's look, without what serves to compare.
    pub look: Look,
    /// `embeddings[i]` belongs to `look.candidates[i]`.
    pub embeddings: Vec<Embedding>,
}

/// A picture that could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// In the table.
    pub line: u64,
    /// The picture.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Looks through the pictures of a burst; those of which `known` has the hash are left out, and given back by their rows.
pub fn look_through(
    burst: &LabelledBurst,
    root: &Path,
    gate: &CameraConfig,
    eyes: &mut Eyes,
    known: &dyn Fn(&[u8; 32]) -> bool,
) -> Result<Looked, FeaturizerError> {
    let mut looked = Looked::default();
    let counters = Metrics::new().camera(&gate.name);
    for rows in burst.rows.chunks(MAX_TOGETHER) {
        let (mut frames, mut read) = (Vec::new(), Vec::new());
        for row in rows {
            let number = looked.n_rows;
            looked.n_rows += 1;
            let path = root.join(&row.path);
            let unread = |why: String| Unread { line: row.line, path: path.clone(), why };
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    looked.unread.push(unread(error.to_string()));
                    continue;
                }
            };
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            if known(&sha256) {
                looked.known.push((row.clone(), sha256));
                continue;
            }
            match still::decode(&bytes) {
                Ok(picture) => {
                    let written = fs::metadata(&path).and_then(|it| it.modified()).ok();
                    let written = written.and_then(|it| Timestamp::try_from(it).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
                    // A burst's times are often whole seconds: frames are told apart by the microsecond.
                    let at = row.captured_at.unwrap_or(written) + Duration::from_micros(number);
                    let camera = Arc::clone(&gate.name);
                    let elapsed = Duration::from_secs(number);
                    frames.push(Frame { camera, number, at, elapsed, picture, fate: counters.receive() });
                    read.push((row, sha256));
                }
                Err(why) => looked.unread.push(unread(why)),
            }
        }
        let mut rows = read.into_iter();
        let numbers: Vec<u64> = frames.iter().map(|it| it.number).collect();
        let mut looks = burst::looks(gate, frames).into_iter().peekable();
        for number in numbers {
            let Some((row, sha256)) = rows.next() else { break };
            let Some(mut look) = looks.next_if(|it| it.frame.number == number) else {
                let why = "its pixels cannot be read".into();
                looked.unread.push(Unread { line: row.line, path: root.join(&row.path), why });
                continue;
            };
            look.candidates.retain(|it: &Candidate| it.view != View::Empty);
            let embeddings = eyes.featurizer.featurize(&look.candidates)?;
            look.frame.fate.classified();
            looked.seen.push(Seen { row: row.clone(), sha256, at: look.frame.at, look, embeddings });
        }
    }
    eyes.look_again(&mut looked.seen)?;
    Ok(looked)
}

/// What pictures are looked at with.
pub struct Eyes {
    /// Of every candidate.
    pub featurizer: Featurizer,
    /// Of the best, where there is one.
    pub second: Option<Second>,
    /// How many of a burst it looks at.
    pub second_frames: usize,
    /// Whether what the table says may be used: pictures of nothing are then not looked at again.
    pub to_teach: bool,
    /// Says which are best.
    pub starter: Head,
}

impl Eyes {
    /// Lets the second featurizer look at the best pictures of a burst, or at all where they are to teach: at the whole of
    /// each, and at its best crop.
    fn look_again(&mut self, seen: &mut [Seen]) -> Result<(), FeaturizerError> {
        let Some(second) = &mut self.second else { return Ok(()) };
        let odds = |it: &Seen, i: usize| {
            let kind = kind(it.look.modality, it.look.candidates[i].view);
            self.starter.opinion(&it.embeddings[i], kind).map_or(0.0, |it| it.log_odds)
        };
        let best_crop = |it: &Seen| {
            let crops = (1..it.look.candidates.len()).map(|i| (i, odds(it, i)));
            crops.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|it| it.0)
        };
        let is_blank = |it: &Seen| self.to_teach && it.row.classes.values().any(|it| it == BLANK);
        let shown = seen.iter().enumerate().filter(|(_, it)| !is_blank(it));
        let mut best: Vec<(usize, Option<usize>, f32)> = shown
            .map(|(at, it)| (at, best_crop(it)))
            .map(|(at, crop)| (at, crop, odds(&seen[at], 0).max(crop.map_or(f32::MIN, |it| odds(&seen[at], it)))))
            .collect();
        // Where nothing differs from the rest of the burst there is rarely anything.
        best.sort_by(|a, b| b.1.is_some().cmp(&a.1.is_some()).then(b.2.total_cmp(&a.2)));
        let most = if self.to_teach { MAX_TOGETHER } else { self.second_frames };
        for (at, crop, _) in best.into_iter().take(most) {
            for i in [Some(0), crop].into_iter().flatten() {
                let features = second.look(&seen[at].look.candidates[i..=i])?.pop();
                seen[at].embeddings[i].second = features;
            }
        }
        Ok(())
    }
}

/// What became of a burst's pictures.
#[derive(Debug, Default)]
pub struct Looked {
    /// Read and featurized.
    pub seen: Vec<Seen>,
    /// Not looked at, for they are known.
    pub known: Vec<(LabelRow, [u8; 32])>,
    /// Not readable.
    pub unread: Vec<Unread>,
    n_rows: u64,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.path.display(), self.why)
    }
}
