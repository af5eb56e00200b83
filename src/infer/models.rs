//! What must be there before anything is looked at: ONNX Runtime, the featurizer's contract, the starter head.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::ModelsConfig;
use crate::infer::contract::{Contract, ContractError};
use crate::infer::head::Head;
use crate::infer::runtime::{Runtime, RuntimeError};
use crate::infer::taxonomy::Taxonomy;

/// The models cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// No folder of models.
    #[error("models.dir: none of {0} is there: run `make setup`, or name the folder in the config")]
    Folder(String),
    /// The contract, or what it names.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The library.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The loaded models.
#[derive(Debug, Clone)]
pub struct Models {
    /// ONNX Runtime.
    pub runtime: Runtime,
    /// The featurizer's contract.
    pub contract: Arc<Contract>,
    /// The second featurizer's, where there is one.
    pub second: Option<Arc<Contract>>,
    /// What the names of classes mean.
    pub taxonomy: Taxonomy,
}

impl Models {
    /// Loads what the config names.
    pub fn open(config: &ModelsConfig) -> Result<Models, ModelsError> {
        let dir = folder(&config.dir)?;
        let contract = Arc::new(Contract::load(&dir, &config.featurizer)?);
        let second = second(config, &dir)?.map(Arc::new);
        let runtime = Runtime::load(&dir, &config.runtime)?;
        let taxonomy = Taxonomy::new(&config.taxa, &contract.classes);
        Ok(Models { runtime, contract, second, taxonomy })
    }

    /// Generation 0.
    pub fn starter(&self) -> Head {
        Head::starter_with(&self.contract.classes, self.taxonomy.clone())
    }
}

/// The featurizers' contracts, for those who look at no picture.
#[derive(Debug, Clone)]
pub struct Contracts {
    /// The featurizer's.
    pub first: Contract,
    /// The second's, where there is one.
    pub second: Option<Contract>,
    /// What the names of classes mean.
    pub taxonomy: Taxonomy,
}

impl Contracts {
    /// Loads what the config names.
    pub fn load(config: &ModelsConfig) -> Result<Contracts, ModelsError> {
        let dir = folder(&config.dir)?;
        let first = Contract::load(&dir, &config.featurizer)?;
        let taxonomy = Taxonomy::new(&config.taxa, &first.classes);
        Ok(Contracts { first, second: second(config, &dir)?, taxonomy })
    }

    /// Generation 0.
    pub fn starter(&self) -> Head {
        Head::starter_with(&self.first.classes, self.taxonomy.clone())
    }
}

/// Every contract of the folder, by name; those that cannot be used say why.
pub fn installed(config: &ModelsConfig) -> Result<Vec<Result<Contract, ContractError>>, ModelsError> {
    let dir = folder(&config.dir)?;
    let read = |source| ContractError::Read { path: dir.display().to_string(), source };
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .map_err(read)?
        .filter_map(|it| Some(it.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    names.sort();
    Ok(names.iter().map(|it| Contract::load(&dir, it)).collect())
}

fn second(config: &ModelsConfig, dir: &Path) -> Result<Option<Contract>, ContractError> {
    (!config.second.is_empty()).then(|| Contract::load(dir, &config.second)).transpose()
}

/// The configured folder; if none is, the first that is there of `./models`, the one beside the build, and the system's.
fn folder(configured: &Path) -> Result<PathBuf, ModelsError> {
    if !configured.as_os_str().is_empty() {
        return Ok(configured.to_path_buf());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let beside_build = program.ancestors().nth(3).map(|it| it.join("models"));
    let mut places = vec![PathBuf::from("models")];
    places.extend(beside_build);
    places.push("/usr/lib/eyeshine/models".into());
    let is_there = |it: &&PathBuf| it.join("imagenet-classes.csv").is_file() || it.join("README.md").is_file();
    places.iter().find(is_there).cloned().ok_or_else(|| {
        let tried: Vec<String> = places.iter().map(|it| it.display().to_string()).collect();
        ModelsError::Folder(tried.join(", "))
    })
}
