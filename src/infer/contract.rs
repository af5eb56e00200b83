//! What a featurizer is: `models/<name>.toml`, read and checked, so that any ONNX image network with one works.

mod files;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::infer::classifier::Classifier;

/// A contract, or the network behind it, is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The contract cannot be read.
    #[error("{path}: {source}; contracts and networks stand in the folder `models.dir`, `make setup` fills it")]
    Read {
        /// The contract.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{path}: line {line}: {why}")]
    Syntax {
        /// The contract.
        path: String,
        /// From 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// One field is wrong, or the network is not what the field says.
    #[error("{path}: {field}: {why}")]
    Field {
        /// The contract.
        path: String,
        /// `section.key`.
        field: String,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// How the input tensor lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// The input's channels, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luma (BT.601) alone.
    Grey,
}

impl Channels {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Channels::Rgb | Channels::Bgr => 3,
            Channels::Grey => 1,
        }
    }
}

/// How a candidate of another shape becomes the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Both sides to the input's, whatever becomes of the shape.
    Stretch,
    /// As large as fits, centred; the rest holds the mean (0 once normalised).
    Letterbox,
}

/// `[featurizer]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The contract's file name less `.toml`.
    pub name: String,
    /// The ONNX file, relative to the contract.
    pub file: PathBuf,
    /// SHA-256 of the file, hexadecimal; empty is unchecked.
    pub sha256: String,
    /// Length of a feature vector.
    pub dimension: usize,
    /// `fp32`, `int8` …: of weights and activations.
    pub precision: String,
    /// Where the network was cut.
    pub cut: String,
    /// Which pictures it has seen.
    pub trained_on: String,
    /// Of the weights.
    pub licence: String,
    /// Where it came from.
    pub source: String,
    /// SHA-256 of the weights it was made of, hexadecimal.
    pub weights_sha256: String,
    /// SHA-256 of the calibrated ranges; empty where nothing is quantised.
    pub ranges_sha256: String,
    /// Of int8: no two neighbouring weights of one sign exceed 128 together, so that no sum saturates on x86 without VNNI.
    #[serde(default)]
    pub overflow_free: bool,
}

/// `[input]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The graph's name of it.
    pub name: String,
    /// Width, px.
    pub width: u32,
    /// Height, px.
    pub height: u32,
    /// Order in memory.
    pub layout: Layout,
    /// Channels in order.
    pub colour: Channels,
    /// A channel's mean, 0..=255: input = (pixel − mean) / std.
    pub mean: Vec<f32>,
    /// A channel's spread, 0..=255.
    pub std: Vec<f32>,
    /// What becomes of other shapes.
    pub resize: Resize,
}

impl Input {
    /// Numbers in one candidate's input.
    pub fn len(&self) -> usize {
        self.width as usize * self.height as usize * self.colour.count()
    }

    /// Never: sides are at least 1.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensor's shape for `n` candidates.
    pub fn shape(&self, n: usize) -> [usize; 4] {
        let (width, height, channels) = (self.width as usize, self.height as usize, self.colour.count());
        match self.layout {
            Layout::Nchw => [n, channels, height, width],
            Layout::Nhwc => [n, height, width, channels],
        }
    }
}

/// `[outputs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// The graph's name of the feature vectors, `[n, dimension]`.
    pub features: String,
    /// The graph's name of the network's own answer before softmax, `[n, classes]`; empty is none.
    pub logits: String,
    /// CSV of what the logits mean, relative to the contract; empty is none.
    pub classes: PathBuf,
    /// List of the labels of `classes` that are worn, carried or driven by people, relative to the contract; empty is none.
    #[serde(default)]
    pub people: PathBuf,
    /// The layer that makes the logits of the features, for what is stored of these: safetensors, relative to the contract; empty
    /// is none.
    #[serde(default)]
    pub classifier: PathBuf,
}

/// One row of the classes file: what one logit means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkClass {
    /// As the network's makers call it.
    pub label: Arc<str>,
    /// Whether it is an animal; the rest folds to "no animal".
    pub animal: bool,
    /// As people say it; empty for what is no animal.
    pub common_name: Arc<str>,
    /// As science says it; empty for what is not a taxon.
    pub scientific_name: Arc<str>,
    /// The rank of that taxon: species, genus, family …
    pub rank: Arc<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    featurizer: Network,
    input: Input,
    outputs: Outputs,
}

/// A contract, checked as far as it can be without opening the network; [`crate::infer::session`] checks the rest.
#[derive(Debug, Clone)]
pub struct Contract {
    path: PathBuf,
    /// `[featurizer]`.
    pub featurizer: Network,
    /// `[input]`.
    pub input: Input,
    /// `[outputs]`.
    pub outputs: Outputs,
    /// The rows of the classes file, by logit; empty where there is none.
    pub classes: Vec<NetworkClass>,
    /// Of these, by logit, what people wear, carry and drive; empty where nobody says.
    pub people: Vec<usize>,
    /// The network's last layer, where the contract names one.
    pub classifier: Option<Arc<Classifier>>,
}

impl Contract {
    /// Reads `<models_dir>/<name>.toml` and all that it names; the network's bytes are checked where it gives a hash.
    pub fn load(models_dir: &Path, name: &str) -> Result<Contract, ContractError> {
        let path = models_dir.join(format!("{name}.toml"));
        let text = fs::read_to_string(&path)
            .map_err(|source| ContractError::Read { path: path.display().to_string(), source })?;
        let Sections { featurizer, input, outputs } =
            toml::from_str(&text).map_err(|error| located(&path, &text, &error))?;
        let (classes, people, classifier) = (Vec::new(), Vec::new(), None);
        let mut contract = Contract { path, featurizer, input, outputs, classes, people, classifier };
        contract.check(name)?;
        contract.classes = contract.read_classes()?;
        contract.people = contract.read_people()?;
        contract.classifier = contract.read_classifier()?.map(Arc::new);
        contract.check_file()?;
        Ok(contract)
    }

    /// The network's file.
    pub fn file(&self) -> PathBuf {
        self.beside(&self.featurizer.file)
    }

    /// A short stable hash of what makes its features what they are: weights, cut, preprocessing, precision and
    /// ranges. The same on every machine that makes the network: the file's own hash is not in it, nor the tensor's
    /// order in memory.
    pub fn identity(&self) -> String {
        let Contract { featurizer: it, input, .. } = self;
        // The first word stands for how this program resizes: it changes where render() or the letterbox does.
        let text = format!(
            "eyeshine-1\nweights {}\ncut {}\ndimension {}\nprecision {}{}\nranges {}\ninput {}x{} {:?} mean {:?} std {:?} {:?}\n",
            it.weights_sha256.to_lowercase(),
            it.cut,
            it.dimension,
            it.precision,
            if it.overflow_free { " overflow-free" } else { "" },
            it.ranges_sha256.to_lowercase(),
            input.width,
            input.height,
            input.colour,
            input.mean,
            input.std,
            input.resize,
        );
        hex(&Sha256::digest(text))[..16].to_owned()
    }

    /// A refusal that names this contract and a field of it.
    pub(crate) fn refuse(&self, field: &str, why: impl fmt::Display) -> ContractError {
        ContractError::Field { path: self.path.display().to_string(), field: field.into(), why: why.to_string() }
    }

    fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| file.to_path_buf(), |dir| dir.join(file))
    }

    fn check(&self, name: &str) -> Result<(), ContractError> {
        let Contract { featurizer, input, outputs, .. } = self;
        if featurizer.name != name {
            let why = format!("\"{}\", but the file's name says \"{name}\"", featurizer.name);
            return Err(self.refuse("featurizer.name", why));
        }
        if !(1..=65_536).contains(&featurizer.dimension) {
            return Err(self.refuse("featurizer.dimension", format!("{} is not in 1..=65536", featurizer.dimension)));
        }
        for (field, text) in [
            ("featurizer.precision", &featurizer.precision),
            ("featurizer.cut", &featurizer.cut),
            ("input.name", &input.name),
            ("outputs.features", &outputs.features),
        ] {
            if text.trim().is_empty() {
                return Err(self.refuse(field, "must not be empty"));
            }
        }
        for (field, hash, needed) in [
            ("featurizer.sha256", &featurizer.sha256, false),
            ("featurizer.weights_sha256", &featurizer.weights_sha256, true),
            ("featurizer.ranges_sha256", &featurizer.ranges_sha256, false),
        ] {
            if hash.is_empty() && needed {
                let why = "must not be empty: it is part of the featurizer's identity; for a network of your own give \
                           the sha256 of its file";
                return Err(self.refuse(field, why));
            }
            let is_sha256 = hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit());
            if !(hash.is_empty() || is_sha256) {
                return Err(self.refuse(field, "is not a sha256: 64 hexadecimal digits"));
            }
        }
        for (field, side) in [("input.width", input.width), ("input.height", input.height)] {
            if !(1..=4096).contains(&side) {
                return Err(self.refuse(field, format!("{side} px is not in 1..=4096")));
            }
        }
        for (field, values) in [("input.mean", &input.mean), ("input.std", &input.std)] {
            let channels = input.colour.count();
            if values.len() != channels {
                let why = format!("has {} entries, input.colour needs {channels}", values.len());
                return Err(self.refuse(field, why));
            }
            if !values.iter().all(|it| it.is_finite()) {
                return Err(self.refuse(field, "must be finite numbers"));
            }
        }
        if input.std.iter().any(|&it| it <= 0.0) {
            return Err(self.refuse("input.std", "must be above 0"));
        }
        if outputs.logits.is_empty() && !outputs.classes.as_os_str().is_empty() {
            return Err(self.refuse("outputs.classes", "says what the logits mean, but outputs.logits is empty"));
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the field that the parser means: it gives a span, people want `section.key`.
fn located(path: &Path, text: &str, error: &toml::de::Error) -> ContractError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or(text);
    let line_number = before.matches('\n').count();
    let line = text.lines().nth(line_number).unwrap_or_default();
    let why = error.message().to_owned();
    let path = path.display().to_string();
    let header = |line: &str| Some(line.trim().strip_prefix('[')?.split(']').next()?.trim().to_owned());
    let section = text.lines().take(line_number + 1).filter_map(header).last();
    let missing = why.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let key = match missing {
        Some(key) => Some(key.to_owned()),
        None => line.split_once('=').map(|(key, _)| key.trim().to_owned()),
    };
    // A section that is missing, or that has no business here, is a field by itself.
    let sections = ["featurizer", "input", "outputs"];
    match (section, key) {
        (_, Some(key)) if missing.is_some() && sections.contains(&&*key) => {
            ContractError::Field { path, field: key, why }
        }
        (Some(section), Some(key)) => ContractError::Field { path, field: format!("{section}.{key}"), why },
        (Some(section), None) if header(line).is_some() => ContractError::Field { path, field: section, why },
        (None, Some(key)) => ContractError::Field { path, field: key, why },
        _ => ContractError::Syntax { path, line: line_number + 1, why },
    }
}

#[cfg(test)]
mod tests;
