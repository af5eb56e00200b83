//! Merges the layers: compiled-in default, file, environment, command line.

/// x
pub fn camera(name: &str, uri: &str) -> super::CameraConfig {
    let mut table: toml::Table = super::DEFAULT.parse().unwrap();
    let gate = table.remove("gate").unwrap();
    let mut it = table.remove("camera_defaults").unwrap().as_table().unwrap().clone();
    it.insert("gate".into(), gate);
    it.insert("name".into(), name.into());
    it.insert("uri".into(), uri.into());
    toml::Value::Table(it).try_into().unwrap()
}
