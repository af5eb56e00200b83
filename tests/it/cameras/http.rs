//! MJPEG cameras over HTTP, as small as they come: they log in, change their size, fall silent and hang up.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// How a connection goes.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// It goes on, in one size after the other.
    Steady,
    /// So many frames, then nothing more, while the connection stays.
    SilentAfter(usize),
    /// So many frames, then the end.
    ClosedAfter(usize),
    /// Not a byte, ever.
    Mute,
}

pub(crate) struct Server {
    over: Arc<AtomicBool>,
    pub(crate) uri: String,
    /// Without a scheme and user name.
    pub(super) address: String,
}

impl Server {
    /// Shows `sizes` of a picture, a second each, 10 frames a second; `login` is user name and password.
    pub(super) fn start(manner: Manner, sizes: &[(u32, u32)], login: Option<(&str, &str)>) -> Server {
        Server::showing(manner, sizes.iter().flat_map(|size| (0..10).map(move |n| jpeg(*size, n))).collect(), login)
    }

    /// Shows pictures again and again, 10 a second, from the first on for whoever connects.
    pub(crate) fn film(frames: Vec<Vec<u8>>) -> Server {
        Server::showing(Manner::Steady, frames, None)
    }

    fn showing(manner: Manner, frames: Vec<Vec<u8>>, login: Option<(&str, &str)>) -> Server {
        let frames = Arc::new(frames);
        let expected = login.map(|(user, password)| {
            format!("Authorization: Basic {}", glib::base64_encode(format!("{user}:{password}").as_bytes()))
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&over);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::Relaxed) {
                    break;
                }
                let (frames, expected, over) = (Arc::clone(&frames), expected.clone(), Arc::clone(&ending));
                thread::spawn(move || serve(stream, manner, &frames, expected.as_deref(), &over));
            }
        });
        Server { over, uri: format!("http://{address}/video"), address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It waits for a connection.
        let _ = TcpStream::connect(&self.address);
    }
}

/// One connection. An error is the client's going.
fn serve(stream: TcpStream, manner: Manner, frames: &[Vec<u8>], expected: Option<&str>, over: &AtomicBool) {
    let _ = answer(stream, manner, frames, expected, over);
}

fn answer(
    mut stream: TcpStream,
    manner: Manner,
    frames: &[Vec<u8>],
    expected: Option<&str>,
    over: &AtomicBool,
) -> std::io::Result<()> {
    let stay = || {
        while !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    };
    if matches!(manner, Manner::Mute) {
        stay();
        return Ok(());
    }
    let head: Vec<String> =
        BufReader::new(stream.try_clone()?).lines().map_while(Result::ok).take_while(|it| !it.is_empty()).collect();
    if expected.is_some_and(|expected| !head.iter().any(|it| it == expected)) {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"\r\nContent-Length: 0\r\n\
              Connection: close\r\n\r\n",
        );
    }
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n",
    )?;
    for (n, frame) in frames.iter().cycle().enumerate() {
        match manner {
            Manner::SilentAfter(most) if n >= most => {
                stay();
                return Ok(());
            }
            Manner::ClosedAfter(most) if n >= most => return Ok(()),
            _ if over.load(Ordering::Relaxed) => return Ok(()),
            _ => {}
        }
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", frame.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(frame)?;
        stream.write_all(b"\r\n")?;
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Something that moves to the right.
fn jpeg((width, height): (u32, u32), n: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let inside = (x + width - n * width / 10) % width < width / 8 && (height / 4..height / 2).contains(&y);
        if inside { Rgb([220, 200, 40]) } else { Rgb([(x % 97) as u8, 90, (y % 53) as u8]) }
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&image).unwrap();
    bytes
}
