//! A camera's user name and password: where they come from, and that they never go anywhere outward.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::capture::error::CameraError;
use crate::config::CameraConfig;

/// User name and password. Neither can be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// The user name, for GStreamer alone.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, for GStreamer alone.
    pub fn password(&self) -> &str {
        &self.password
    }
}

/// What a camera logs in with, and its URI without it.
///
/// `env` looks up an environment variable. `password_file` comes before `password_env`, and both before the URI. They
/// are read anew at each try, so that a password that was put right is found.
pub fn resolve(
    config: &CameraConfig,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(String, Option<Credentials>), CameraError> {
    let (uri, from_uri) = split(config.uri.expose());
    let password = if !config.password_file.as_os_str().is_empty() {
        Some(from_file(&config.password_file, env)?)
    } else if !config.password_env.is_empty() {
        let value = env(&config.password_env).and_then(|it| it.into_string().ok());
        Some(value.ok_or_else(|| CameraError::PasswordEnv(config.password_env.clone()))?)
    } else {
        None
    };
    let (uri_user, uri_password) = from_uri.unwrap_or_default();
    let user = if config.username.is_empty() { uri_user } else { config.username.clone() };
    let password = password.unwrap_or(uri_password);
    let some = !(user.is_empty() && password.is_empty());
    Ok((uri, some.then_some(Credentials { user, password })))
}

/// The first line of the password file; a name without a slash is looked for where systemd puts credentials first.
fn from_file(path: &Path, env: &dyn Fn(&str) -> Option<OsString>) -> Result<String, CameraError> {
    let plain = path.components().count() == 1 && !path.is_absolute();
    let credential = env("CREDENTIALS_DIRECTORY").map(|dir| PathBuf::from(dir).join(path));
    let path = credential.filter(|it| plain && it.exists()).unwrap_or_else(|| path.to_path_buf());
    let text =
        std::fs::read_to_string(&path).map_err(|source| CameraError::PasswordFile { path: path.clone(), source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Splits `scheme://user:password@host/…` into the URI without, and the decoded user name and password.
fn split(uri: &str) -> (String, Option<(String, String)>) {
    match (uri.split_once("://"), user_info(uri)) {
        (Some((scheme, rest)), Some(info)) => {
            let (user, password) = info.split_once(':').unwrap_or((info, ""));
            let bare = format!("{scheme}://{}", &rest[info.len() + 1..]);
            (bare, Some((percent_decoded(user), percent_decoded(password))))
        }
        _ => (uri.to_owned(), None),
    }
}

/// What stands before the '@' that ends user name and password, as it is written.
///
/// People paste passwords as they are. A '/', '?' or '#' in one would end the authority, and leave a "port" that is none:
/// then the password goes on to the first '@' that a host can follow.
fn user_info(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let end = |text: &str| text.find(['/', '?', '#']).unwrap_or(text.len());
    let authority = &rest[..end(rest)];
    if let Some(at) = authority.rfind('@') {
        return Some(&rest[..at]);
    }
    let (_, port) = authority.split_once(':').filter(|_| !authority.starts_with('['))?;
    if !port.is_empty() && port.parse::<u16>().is_ok() {
        return None;
    }
    let is_host = |host: &str| !host.is_empty() && !host.contains('@');
    rest.match_indices('@')
        .map(|(at, _)| at)
        .find(|at| is_host(&rest[at + 1..][..end(&rest[at + 1..])]))
        .map(|at| &rest[..at])
}

/// `%41` becomes `A`; what is no escape stays as it is.
pub fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|it| std::str::from_utf8(it).ok());
        match hex.filter(|_| bytes[i] == b'%').and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                i += 3;
            }
            None => {
                decoded.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Takes secrets out of texts that others wrote, such as GStreamer's errors.
///
/// Of an URI only scheme, host and port stay: cameras take passwords in user info, path and query alike.
#[derive(Default, Clone)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// Knows the password as it is, and as it stands in the configured URI.
    pub fn new(config: &CameraConfig, credentials: Option<&Credentials>) -> Redactor {
        let mut secrets: Vec<String> = credentials.map(|it| it.password.clone()).into_iter().collect();
        let raw = user_info(config.uri.expose()).and_then(|it| it.split_once(':')).map(|(_, it)| it.to_owned());
        secrets.extend(raw);
        secrets.retain(|it| !it.is_empty());
        // The longest first: one may contain the other.
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        Redactor { secrets }
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut text = without_uris(text);
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "…");
        }
        text
    }
}

/// `rtsp://user:password@host:554/path?query` becomes `rtsp://host:554/…`.
fn without_uris(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|it: char| it.is_whitespace() || "\"'<>()".contains(it)).unwrap_or(after.len());
        let (uri, next) = after.split_at(end);
        let file = before.ends_with("file://");
        let authority = &uri[..uri.find(['/', '?', '#']).unwrap_or(uri.len())];
        if file {
            out.push_str(uri);
        } else {
            out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
            // A raw '@' or '/' in a password ends the authority too early: then nothing of the URI is shown.
            if uri[authority.len()..].contains('@') {
                out.truncate(out.len() - authority.len());
                out.push('…');
            } else if authority.len() < uri.len() {
                out.push_str("/…");
            }
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testing::config;

    #[test]
    fn the_uri_gives_up_its_credentials() {
        let (uri, credentials) = resolve(&config("rtsp://ann:p%40ss@cam:554/s"), &|_| None).expect("resolves");
        assert_eq!(uri, "rtsp://cam:554/s");
        let credentials = credentials.expect("some");
        assert_eq!((credentials.user(), credentials.password()), ("ann", "p@ss"));
        assert_eq!(format!("{credentials:?}"), "Credentials(…)");
        assert_eq!(resolve(&config("/tmp/a@b.mp4"), &|_| None).expect("resolves"), ("/tmp/a@b.mp4".to_owned(), None));
    }

    #[test]
    fn a_password_that_was_pasted_as_it_is_is_found() {
        for (uri, user, password, bare) in [
            ("rtsp://ann:a/b@cam:554/live", "ann", "a/b", "rtsp://cam:554/live"),
            ("rtsp://ann:a?b#c@cam/live?x=1", "ann", "a?b#c", "rtsp://cam/live?x=1"),
            ("rtsp://ann:/@cam/live", "ann", "/", "rtsp://cam/live"),
            ("rtsp://ann:a@b@cam/live", "ann", "a@b", "rtsp://cam/live"),
            ("rtsp://ann:a/b@c@cam/live", "ann", "a/b@c", "rtsp://cam/live"),
            ("rtsp://ann:a:b%2f%zz ü@[::1]:554/", "ann", "a:b/%zz ü", "rtsp://[::1]:554/"),
            ("http://:only@cam", "", "only", "http://cam"),
        ] {
            let (found, credentials) = resolve(&config(uri), &|_| None).expect("resolves");
            let credentials = credentials.expect("some");
            assert_eq!((credentials.user(), credentials.password(), &*found), (user, password, bare), "{uri}");
            let said = Redactor::new(&config(uri), Some(&credentials)).redact(&format!("{uri}: no {password}"));
            assert!(!said.contains(password) || password == "/", "{said}");
        }
        // A port, a host in brackets, and an '@' in a path are none.
        for uri in ["rtsp://cam:554/a@b", "rtsp://cam/a@b", "rtsp://[::1]/a@b", "rtsp://[::1]:554/a@b:c@d"] {
            assert_eq!(resolve(&config(uri), &|_| None).expect("resolves"), (uri.to_owned(), None));
        }
    }

    #[test]
    fn a_password_comes_from_systemds_credentials_first_and_from_the_environment() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("feeder"), "one\nmore\n").expect("writes");
        let credentials_dir = dir.path().as_os_str().to_owned();
        let env = |key: &str| match key {
            "CREDENTIALS_DIRECTORY" => Some(credentials_dir.clone()),
            "PASS" => Some("two".into()),
            _ => None,
        };
        let mut config = config("rtsp://cam/s");
        config.username = "ann".into();
        config.password_env = "PASS".into();
        let password = |config: &CameraConfig| resolve(config, &env).map(|(_, it)| it.expect("some").password);
        assert_eq!(password(&config).expect("resolves"), "two");
        config.password_file = "feeder".into();
        assert_eq!(password(&config).expect("resolves"), "one");
        config.password_file = "/nonexistent/file".into();
        assert!(password(&config).expect_err("refuses").to_string().starts_with("password_file: /nonexistent/file"));
        config.password_file = PathBuf::new();
        config.password_env = "UNSET".into();
        assert!(password(&config).expect_err("refuses").to_string().starts_with("password_env: UNSET"));
    }

    #[test]
    fn no_part_of_an_uri_that_may_hold_a_secret_is_left() {
        let config = config("rtsp://ann:s3cr%20t@cam/live");
        let (_, credentials) = resolve(&config, &|_| None).expect("resolves");
        let redactor = Redactor::new(&config, credentials.as_ref());
        let text = redactor.redact("no rtsp://ann:s3cr%20t@cam:554/live?pw=x (http://h/user=a_password=b): s3cr t");
        assert_eq!(text, "no rtsp://cam:554/… (http://h/…): …");
        assert!(!without_uris("rtsp://ann:a/b@cam/live").contains("a/b"));
        assert!(!without_uris("rtsp://ann:a/b@cam/live").contains("ann:a"));
        assert_eq!(without_uris("/dev/video0"), "/dev/video0");
    }
}
