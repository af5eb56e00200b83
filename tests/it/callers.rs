//! Callers who say nothing, or not to the end: they are let go, and keep nobody out.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::http::{address, connect, get};

/// More than the daemon holds.
const N_SILENT: usize = 400;

/// Open connections, every other of which says half of a request.
fn silent(url: &str, n: usize) -> Vec<TcpStream> {
    let open = |nth: usize| {
        let mut stream = connect(url);
        if nth % 2 == 1 {
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nX-Slow", address(url)).unwrap();
        }
        stream.set_nonblocking(true).unwrap();
        stream
    };
    (0..n).map(open).collect()
}

/// Whether the daemon has hung up (after saying that it waited too long, where it does).
fn is_over(stream: &mut TcpStream) -> bool {
    let mut said = [0; 1024];
    loop {
        match stream.read(&mut said) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn descriptors(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

#[test]
fn hundreds_of_silent_connections_keep_nobody_out_and_are_let_go() {
    let mut daemon = Daemon::run(&[]);
    let before = descriptors(&daemon);
    let mut silent_ones = silent(&daemon.url, N_SILENT);
    for _ in 0..3 {
        assert!(daemon.metrics().0.contains("eyeshine_build_info"));
    }
    assert_eq!(get(&daemon.url, "/readyz").status, 200);
    let held = descriptors(&daemon) - before;
    assert!(held <= 300, "{held} descriptors are held");
    // Whoever goes on saying nothing is let go, without anybody else calling.
    daemon.wait("the silent ones to be let go", 60, |_| silent_ones.iter_mut().all(is_over));
    daemon.wait("their descriptors", 10, |it| descriptors(it) <= before + 10);
    // Nor do they hold up the end.
    let _silent_ones = silent(&daemon.url, N_SILENT / 2);
    let ended = daemon.stop();
    assert!(ended.status.success(), "{}", ended.log);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn a_connection_answers_again_and_again_and_a_head_without_end_is_refused() {
    let daemon = Daemon::run(&[]);
    let mut stream = connect(&daemon.url);
    for _ in 0..3 {
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", address(&daemon.url)).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\nalive\n") {
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {}\r\nX-Long: ", address(&daemon.url)).unwrap();
    let mut said = 0;
    // It hangs up long before a megabyte; what it says before that may be lost on the way.
    while said < 1_000_000 && stream.write_all(&[b'x'; 4096]).is_ok() {
        said += 4096;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(get(&daemon.url, "/healthz").status, 200);
}
