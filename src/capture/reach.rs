//! Why a camera cannot be reached, in words that help: GStreamer says no more than that it could not open a resource.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use crate::capture::intake::Stop;

/// A camera that does not take a connection within this is not there.
const PATIENCE: Duration = Duration::from_secs(2);
/// For all of it, with its name looked up.
const IN_ALL: Duration = Duration::from_secs(5);

/// Host and port of a camera's address, the scheme's own port where none is named.
pub(super) fn address(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let port = match scheme.to_ascii_lowercase().as_str() {
        "rtsp" => 554,
        "rtsps" => 322,
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |it| it.1);
    // The address of an IPv6 host stands in brackets, and has colons of its own.
    let named = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match host {
        "" => None,
        host if named => Some(host.to_owned()),
        host => Some(format!("{}:{port}", host.trim_end_matches(':'))),
    }
}

/// What keeps a connection from an address; none where there is one, or nobody can say in time. Who waits for it can be stopped.
pub(super) fn why_not(address: &str, stop: &Stop) -> Option<String> {
    let (tell, told) = bounded(1);
    let wanted = address.to_owned();
    // Looking up a name cannot be given up.
    thread::Builder::new().name("reach".into()).spawn(move || try_it(&wanted, &tell)).ok()?;
    crossbeam_channel::select! {
        recv(told) -> it => it.ok().flatten(),
        recv(stop) -> _ => None,
        default(IN_ALL) => Some("its name is not looked up in time".into()),
    }
}

fn try_it(address: &str, tell: &Sender<Option<String>>) {
    let why = match address.to_socket_addrs().map(|mut it| it.next()) {
        Err(error) => Some(format!("its name cannot be looked up: {error}")),
        Ok(None) => Some("its name has no address".into()),
        Ok(Some(at)) => match TcpStream::connect_timeout(&at, PATIENCE) {
            Ok(_) => None,
            Err(error) => Some(match error.kind() {
                ErrorKind::ConnectionRefused => "the connection is refused: is the port right?".into(),
                ErrorKind::TimedOut => "no answer: is the camera on, and in this network?".into(),
                _ => error.to_string(),
            }),
        },
    };
    let _ = tell.send(why);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        for (uri, expected) in [
            ("rtsp://10.0.0.7/stream", Some("10.0.0.7:554")),
            ("RTSPS://cam.lan", Some("cam.lan:322")),
            ("rtsp://cam:8554/a@b?c=d:1", Some("cam:8554")),
            ("http://[fe80::1]/video", Some("[fe80::1]:80")),
            ("https://[fe80::1]:8443/video", Some("[fe80::1]:8443")),
            ("rtsp://", None),
            ("file:///a.mp4", None),
            ("a.mp4", None),
        ] {
            assert_eq!(address(uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn what_keeps_a_connection_is_said_and_nothing_where_there_is_one() {
        let (daemon, stop) = bounded::<Infallible>(0);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(why_not(&address, &stop), None);
        drop(listener);
        assert!(why_not(&address, &stop).unwrap().contains("refused"));
        let why = why_not("no-such-camera.invalid:554", &stop).unwrap();
        assert!(why.contains("its name"), "{why}");
        drop(daemon);
    }
}
