//! Bad input: one clear message that names the culprit, and the right exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::daemon::{Daemon, eyeshine, free_port, output};

const TRY_AGAIN: i32 = 75;
const CONFIG: i32 = 78;

/// Runs `eyeshine run` with a config text; code and message.
fn refused(text: &str, args: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    fs::write(&config, text).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let (code, _, message) = output(
        eyeshine(&dir.path().join("state"))
            .arg("--config")
            .arg(&config)
            .args(["run", "--for", "1s", "--listen", &listen])
            .args(args),
    );
    (code, message)
}

/// A folder of models like the real one, whose files the test may spoil.
fn models(dir: &Path) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for entry in fs::read_dir(real).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".toml") || name.ends_with(".csv") || name.ends_with("people.txt") {
            fs::copy(entry.path(), dir.join(&*name)).unwrap();
        } else if name.ends_with(".onnx") || name.ends_with(".safetensors") || name.contains(".so") {
            std::os::unix::fs::symlink(entry.path(), dir.join(&*name)).unwrap();
        }
    }
}

fn refused_models(spoil: impl FnOnce(&Path)) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    models(dir.path());
    spoil(dir.path());
    refused(&format!("[models]\ndir = {:?}\n", dir.path()), &[])
}

#[test]
fn several_config_problems_are_listed_at_once_with_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    fs::write(
        &config,
        "[events]\ngap_sec = 3.0\n\n[[camera]]\nname = \"a\"\nuri = \"rtsp://127.0.0.1/1\"\nanalysis_fps = 900\n\n\
         [[camera]]\nname = \"a\"\nuri = \"rtsp://127.0.0.1/2\"\n",
    )
    .unwrap();
    let (code, out, err) = output(eyeshine(dir.path()).arg("--config").arg(&config).arg("check-config"));
    let all = out + &err;
    assert_eq!(code, CONFIG, "{all}");
    for expected in ["site.toml:2", "gap_sec", "site.toml:7", "analysis_fps", "site.toml:10", "\"a\""] {
        assert!(all.contains(expected), "{expected} is not in:\n{all}");
    }
    let (code, message) = refused(&fs::read_to_string(&config).unwrap(), &[]);
    assert_eq!(code, CONFIG, "{message}");
}

#[test]
fn a_good_config_passes() {
    let state = tempfile::tempdir().unwrap();
    let mut command = eyeshine(state.path());
    command.args(["--config", "config/example.toml", "check-config"]);
    let (code, _, err) = output(command.env("FEEDER_PASSWORD", "hidden"));
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = output(command.env_remove("FEEDER_PASSWORD"));
    assert!(code == CONFIG && err.contains("FEEDER_PASSWORD"), "{code}: {err}");
}

#[test]
fn a_missing_model_is_named() {
    let (code, message) = refused_models(|dir| fs::remove_file(dir.join("efficientnet-lite0-int8.onnx")).unwrap());
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("efficientnet-lite0-int8.onnx"), "{message}");
}

#[test]
fn a_corrupt_model_is_refused() {
    let (code, message) = refused_models(|dir| {
        let file = dir.join("efficientnet-lite0-int8.onnx");
        let mut bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(&file, bytes).unwrap();
    });
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("efficientnet-lite0-int8"), "{message}");
}

#[test]
fn a_contract_of_another_shape_is_refused_by_its_field() {
    let (code, message) = refused_models(|dir| {
        let file = dir.join("efficientnet-lite0-int8.toml");
        let text = fs::read_to_string(&file).unwrap().replace("dimension = 1280", "dimension = 1281");
        fs::write(&file, text).unwrap();
    });
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("dimension") && message.contains("1281"), "{message}");
}

#[test]
fn a_missing_runtime_is_named() {
    let (code, message) = refused("[models]\nruntime = \"libnothing.so\"\n", &[]);
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("libnothing.so"), "{message}");
}

#[test]
fn an_unreachable_camera_at_start_is_absorbed() {
    let uri = format!("gone=rtsp://127.0.0.1:{}/none", free_port());
    let mut daemon = Daemon::run(&["--camera", &uri]);
    daemon.wait("the camera to be tried again", 20, |it| {
        let metrics = it.metrics();
        metrics.is_in_state("gone", "reconnecting") || metrics.is_in_state("gone", "failed")
    });
    let ended = daemon.stop();
    assert!(ended.status.success(), "{}", ended.log);
}

#[test]
fn a_text_file_as_a_camera_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    fs::write(&file, "badger at dusk\n".repeat(100)).unwrap();
    let mut daemon = Daemon::run(&["--camera", &format!("notes={}", file.display())]);
    daemon.wait("the state failed", 20, |it| it.metrics().is_in_state("notes", "failed"));
    let ended = daemon.stop();
    assert!(ended.status.success(), "{}", ended.log);
    assert!(ended.log.contains("notes"), "{}", ended.log);
}

#[test]
fn a_port_in_use_is_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let state = tempfile::tempdir().unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, _, message) = output(eyeshine(state.path()).args(["run", "--listen", &listen]));
    assert_eq!(code, TRY_AGAIN, "{message}");
    assert!(message.contains(&listen), "{message}");
}

#[test]
fn a_second_daemon_on_the_same_state_is_kept_out() {
    let first = Daemon::run(&[]);
    let listen = format!("127.0.0.1:{}", free_port());
    let (code, _, message) = output(eyeshine(first.state.path()).args(["run", "--listen", &listen]));
    assert_eq!(code, TRY_AGAIN, "{message}");
    assert!(message.contains(&*first.state.path().to_string_lossy()), "{message}");
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(state.path().join("eyeshine.db")).unwrap();
    database.execute_batch("PRAGMA user_version = 9999; CREATE TABLE later (x)").unwrap();
    drop(database);
    let listen = format!("127.0.0.1:{}", free_port());
    let (code, _, message) = output(eyeshine(state.path()).args(["run", "--listen", &listen]));
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("9999"), "{message}");
}

#[test]
fn a_state_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    fs::write(&file, "of somebody else").unwrap();
    for args in [vec!["check-config"], vec!["run", "--for", "1s"]] {
        let (code, out, err) = output(eyeshine(&file).args(&args));
        let said = format!("{} is to be a folder, and is none", file.display());
        assert!(code == CONFIG && (out.clone() + &err).contains(&said), "{args:?}: {code}: {out}{err}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "of somebody else");
}

#[test]
fn a_port_of_the_systems_is_refused_with_the_reason() {
    // Where anybody may listen there, there is nothing to refuse.
    let own = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if own.trim().parse::<u16>().unwrap() <= 81 {
        return println!("skipped: port 81 is anybody's here");
    }
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, message) = as_nobody(state.path(), "127.0.0.1:81");
    assert_eq!(code, CONFIG, "{message}");
    assert!(message.contains("ports below 1024 are the system's"), "{message}");
}

#[test]
fn a_read_only_state_folder_is_tried_again() {
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let (code, message) = as_nobody(state.path(), &format!("127.0.0.1:{}", free_port()));
    assert_eq!(code, TRY_AGAIN, "{message}");
    assert!(message.contains(&*state.path().to_string_lossy()), "{message}");
}

/// Root may write and listen anywhere: the daemon runs as nobody, from a copy that nobody may read. Code and message.
fn as_nobody(state: &Path, listen: &str) -> (i32, String) {
    let copy = tempfile::tempdir().unwrap();
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = copy.path().join("eyeshine");
    fs::copy(env!("CARGO_BIN_EXE_eyeshine"), &binary).unwrap();
    let is_root = output(std::process::Command::new("id").arg("-u")).1.trim() == "0";
    let mut command = std::process::Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "env"]);
    }
    command.args(["HOME=/tmp", "GST_REGISTRY=/dev/null"]).arg(&binary).arg("--state-dir").arg(state);
    let (code, _, message) = output(command.current_dir("/").args(["run", "--listen", listen]));
    (code, message)
}

#[test]
fn wrong_use_is_said() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(output(eyeshine(state.path()).args(["run", "--for", "soon"])).0, 64);
    assert_eq!(output(eyeshine(state.path()).args(["fly"])).0, 64);
}
