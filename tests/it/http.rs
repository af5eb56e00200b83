//! HTTP as it is on the wire, so that a test may say what no well-behaved client would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().filter_map(|it| it.split_once(':')).find(|it| it.0.eq_ignore_ascii_case(name));
        found.map_or("", |it| it.1.trim())
    }
}

/// The address in a daemon's URL.
pub(crate) fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

pub(crate) fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(address(url)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Says `METHOD PATH` and these header lines, and no other but that the connection is to be closed.
pub(crate) fn say(url: &str, request: &str, headers: &[&str]) -> Answer {
    send(url, request, headers, b"")
}

/// The same, and then a body, of which the headers say how long it is.
pub(crate) fn send(url: &str, request: &str, headers: &[&str], body: &[u8]) -> Answer {
    let stream = connect(url);
    speak(stream, request, headers, body).unwrap_or_else(|why| panic!("{request}: {why}"))
}

/// The same; none where the other end is gone before it has answered.
pub(crate) fn try_send(url: &str, request: &str, headers: &[&str], body: &[u8]) -> Option<Answer> {
    speak(TcpStream::connect(address(url)).ok()?, request, headers, body).ok()
}

fn speak(mut stream: TcpStream, request: &str, headers: &[&str], body: &[u8]) -> Result<Answer, String> {
    let mut text = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
    headers.iter().for_each(|it| text.push_str(&format!("{it}\r\n")));
    let asked = stream.write_all(format!("{text}\r\n").as_bytes());
    // Whoever refuses a body need not read it.
    let sent = asked.and(stream.write_all(body));
    let mut answer = Vec::new();
    let heard = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or_else(|| format!("{sent:?}, {heard:?}"))?;
    let head = String::from_utf8(answer[..end].to_vec()).map_err(|it| it.to_string())?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or_else(|| head.clone())?;
    Ok(Answer { status, head, body: answer[end + 4..].to_vec() })
}

/// GET, as a browser on this machine would.
pub(crate) fn get(url: &str, path: &str) -> Answer {
    say(url, &format!("GET {path}"), &[&format!("Host: {}", address(url))])
}
