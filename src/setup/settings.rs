//! What the gates of all cameras go by: as configured, with what people saved over it; the running gates follow.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::error::SetupError;
use super::versions::Versions;
use crate::capture::gate::Followed;
use crate::config::overlay::Overlay;
use crate::config::{CameraConfig, GateSettings};
use crate::domain::CameraName;

/// The settings of all cameras.
#[derive(Debug)]
pub struct Settings {
    cameras: Vec<Camera>,
    versions: Versions,
    /// One writes at a time.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Camera {
    name: CameraName,
    configured: GateSettings,
    /// What holds, and what the gate follows.
    live: Arc<ArcSwap<GateSettings>>,
}

/// What holds of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The version; 0: as configured, nobody has saved anything.
    pub number: u32,
    /// What holds.
    pub settings: GateSettings,
    /// What the configuration says.
    pub configured: GateSettings,
}

/// A version that was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number.
    pub number: u32,
    /// What it says, by whom and when.
    pub overlay: Overlay,
}

impl Settings {
    /// Reads what was saved for these cameras.
    pub fn open(state_dir: &Path, cameras: &[CameraConfig]) -> Result<Settings, SetupError> {
        let versions = Versions::of(state_dir);
        let open = |it: &CameraConfig| {
            let configured = it.gate_settings();
            let holds = match versions.newest(&it.name)? {
                Some((_, overlay)) => over(&overlay, &configured)?,
                None => configured.clone(),
            };
            let live = Arc::new(ArcSwap::from_pointee(holds));
            Ok(Camera { name: Arc::clone(&it.name), configured, live })
        };
        let cameras = cameras.iter().map(open).collect::<Result<Vec<_>, SetupError>>()?;
        Ok(Settings { cameras, versions, writing: Mutex::default() })
    }

    /// The name of a camera that is there, as the configuration has it.
    pub fn camera(&self, name: &str) -> Result<CameraName, SetupError> {
        self.find(name).map(|it| Arc::clone(&it.name))
    }

    /// What each camera's gate follows.
    pub fn followed(&self) -> Followed {
        self.cameras.iter().map(|it| (Arc::clone(&it.name), Arc::clone(&it.live))).collect()
    }

    /// What holds of a camera.
    pub fn current(&self, name: &str) -> Result<Current, SetupError> {
        let it = self.find(name)?;
        let number = self.versions.newest(&it.name)?.map_or(0, |it| it.0);
        Ok(Current { number, settings: (**it.live.load()).clone(), configured: it.configured.clone() })
    }

    /// Every version that is kept, the newest first.
    pub fn history(&self, name: &str) -> Result<Vec<Version>, SetupError> {
        let all = self.versions.all(&self.find(name)?.name)?;
        Ok(all.into_iter().map(|(number, overlay)| Version { number, overlay }).collect())
    }

    /// Saves settings, and lets the gate take them up; their number. `expected` is what whoever saves them has seen, `tried` whether
    /// they have also seen what becomes of events.
    pub fn save(
        &self,
        name: &str,
        expected: u32,
        wanted: &GateSettings,
        (who, tried): (&str, bool),
    ) -> Result<u32, SetupError> {
        let it = self.find(name)?;
        let overlay = Overlay::between(&it.configured, wanted, (Timestamp::now(), who, tried));
        self.append(it, expected, &overlay)
    }

    /// Goes back to what an earlier version said; 0: to the configuration. That is a new version.
    pub fn restore(&self, name: &str, expected: u32, number: u32, who: &str) -> Result<u32, SetupError> {
        let it = self.find(name)?;
        let earlier = match number {
            0 => None,
            number => Some(self.versions.get(&it.name, number)?),
        };
        let (masks, gate) = earlier.map(|it| (it.masks, it.gate)).unwrap_or_default();
        let overlay = Overlay { changed_at: Timestamp::now(), changed_by: who.into(), tried: false, masks, gate };
        self.append(it, expected, &overlay)
    }

    fn append(&self, camera: &Camera, expected: u32, overlay: &Overlay) -> Result<u32, SetupError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = over(overlay, &camera.configured)?;
        let number = self.versions.append(&camera.name, expected, overlay)?;
        camera.live.store(Arc::new(holds));
        let (camera, who, keys) = (&*camera.name, &overlay.changed_by, overlay.keys());
        tracing::info!(camera, number, who, ?keys, tried = overlay.tried, "a camera goes by other settings");
        Ok(number)
    }

    fn find(&self, name: &str) -> Result<&Camera, SetupError> {
        self.cameras.iter().find(|it| *it.name == *name).ok_or_else(|| SetupError::NoCamera(name.into()))
    }
}

fn over(overlay: &Overlay, configured: &GateSettings) -> Result<GateSettings, SetupError> {
    overlay.over(configured).map_err(|why| SetupError::Wrong(vec![why]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_saved_holds_at_once_and_after_a_start_and_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let camera = crate::capture::testing::config("/dev/null");
        let settings = Settings::open(dir.path(), std::slice::from_ref(&camera)).unwrap();
        let live = Arc::clone(&settings.followed()["cam"]);
        assert_eq!((settings.current("cam").unwrap().number, (**live.load()).clone()), (0, camera.gate_settings()));
        let mut wanted = camera.gate_settings();
        wanted.gate.sigma = 5.0;
        wanted.masks = vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]]];
        assert_eq!(settings.save("cam", 0, &wanted, ("ada", true)).unwrap(), 1);
        assert_eq!(**live.load(), wanted);
        assert!(matches!(settings.save("cam", 0, &wanted, ("lea", true)), Err(SetupError::Overtaken { .. })));
        assert!(matches!(settings.save("../etc", 0, &wanted, ("lea", true)), Err(SetupError::NoCamera(_))));

        let again = Settings::open(dir.path(), std::slice::from_ref(&camera)).unwrap();
        assert_eq!(again.current("cam").unwrap().settings, wanted);
        assert_eq!(again.restore("cam", 1, 0, "vic").unwrap(), 2);
        assert_eq!(again.current("cam").unwrap().settings, camera.gate_settings());
        assert_eq!(again.restore("cam", 2, 1, "vic").unwrap(), 3);
        assert_eq!(again.current("cam").unwrap().settings, wanted);
        let said: Vec<(u32, String, bool)> = again
            .history("cam")
            .unwrap()
            .into_iter()
            .map(|it| (it.number, it.overlay.changed_by, it.overlay.tried))
            .collect();
        assert_eq!(said, [(3, "vic".into(), false), (2, "vic".into(), false), (1, "ada".into(), true)]);
    }
}
