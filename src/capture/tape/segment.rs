//! A segment of tape: a file of frames, each with its header, one after the other. What is torn at its end is left out.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use image::ImageFormat;
use jiff::Timestamp;
use jpeg_encoder::{ColorType, Encoder};

use super::Taped;
use crate::domain::{CameraName, Modality};

/// What a segment begins with; the last byte is the version.
const MAGIC: [u8; 8] = *b"eyetape1";
/// Bytes before a frame's picture.
const HEADER: usize = 8 + 8 + 8 + 1 + 4 + 4 + 4;
/// Bytes of a picture, at most: a header that says more is no header.
const MAX_PICTURE: usize = 4 << 20;
/// 1..=100: what is lost is less than what makes a pixel move.
const JPEG_QUALITY: u8 = 80;

/// Begins a segment.
pub(super) fn begin(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&MAGIC)
}

/// Appends a frame; how many bytes it took.
pub(super) fn append(to: &mut impl Write, frame: &Taped) -> io::Result<u64> {
    let side = |it: u32| u16::try_from(it).map_err(io::Error::other);
    let (width, height) = (side(frame.luma.width())?, side(frame.luma.height())?);
    let mut bytes = Vec::with_capacity(16 << 10);
    bytes.extend(frame.take.as_microsecond().to_le_bytes());
    bytes.extend(frame.at.as_microsecond().to_le_bytes());
    bytes.extend(u64::try_from(frame.elapsed.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.push(u8::from(frame.modality == Modality::Infrared));
    bytes.extend(frame.size_px.0.to_le_bytes());
    bytes.extend(frame.size_px.1.to_le_bytes());
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, JPEG_QUALITY);
    encoder.encode(frame.luma.as_raw(), width, height, ColorType::Luma).map_err(io::Error::other)?;
    bytes.extend(u32::try_from(jpeg.len()).map_err(io::Error::other)?.to_le_bytes());
    bytes.extend(jpeg);
    to.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}

/// Reads the frames of a segment, of which each is one of `camera`.
#[derive(Debug)]
pub struct Frames<R> {
    camera: CameraName,
    from: R,
    begun: bool,
}

/// A frame of which the picture is not decoded yet.
#[derive(Debug)]
pub struct Packed {
    frame: Taped,
    jpeg: Vec<u8>,
}

impl<R: Read> Frames<R> {
    /// All there are, in their order.
    pub(super) fn of(camera: &CameraName, from: R) -> Frames<R> {
        Frames { camera: Arc::clone(camera), from, begun: false }
    }

    fn next_frame(&mut self) -> io::Result<Packed> {
        let torn = || io::Error::from(io::ErrorKind::InvalidData);
        if !self.begun {
            let mut magic = [0; MAGIC.len()];
            self.from.read_exact(&mut magic)?;
            if magic != MAGIC {
                return Err(torn());
            }
            self.begun = true;
        }
        let mut header = [0; HEADER];
        self.from.read_exact(&mut header)?;
        let mut rest = &header[..];
        let take = timestamp(i64::from_le_bytes(part(&mut rest)))?;
        let at = timestamp(i64::from_le_bytes(part(&mut rest)))?;
        let elapsed = Duration::from_micros(u64::from_le_bytes(part(&mut rest)));
        let modality = if part::<1>(&mut rest) == [0] { Modality::Colour } else { Modality::Infrared };
        let size_px = (u32::from_le_bytes(part(&mut rest)), u32::from_le_bytes(part(&mut rest)));
        let n = u32::from_le_bytes(part(&mut rest)) as usize;
        if n > MAX_PICTURE || size_px.0 == 0 || size_px.1 == 0 {
            return Err(torn());
        }
        let mut jpeg = vec![0; n];
        self.from.read_exact(&mut jpeg)?;
        let camera = Arc::clone(&self.camera);
        Ok(Packed { frame: Taped { camera, take, at, elapsed, modality, size_px, luma: Default::default() }, jpeg })
    }
}

impl<R: Read> Iterator for Frames<R> {
    type Item = Packed;

    fn next(&mut self) -> Option<Packed> {
        // What is being written ends somewhere, and so does what a crash cut short.
        self.next_frame().ok()
    }
}

impl Packed {
    /// When it was taken.
    pub fn at(&self) -> Timestamp {
        self.frame.at
    }

    /// Its picture as it is kept: JPEG.
    pub fn into_jpeg(self) -> Vec<u8> {
        self.jpeg
    }

    /// The frame with its picture; none where that cannot be read.
    pub fn unpack(mut self) -> Option<Taped> {
        let picture = image::load_from_memory_with_format(&self.jpeg, ImageFormat::Jpeg).ok()?;
        self.frame.luma = picture.into_luma8();
        Some(self.frame)
    }
}

fn timestamp(us: i64) -> io::Result<Timestamp> {
    Timestamp::from_microsecond(us).map_err(io::Error::other)
}

/// The next bytes of a header, which is as long as all of them together.
fn part<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    match rest.split_first_chunk::<N>() {
        Some((first, others)) => {
            *rest = others;
            *first
        }
        None => [0; N],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use image::{GrayImage, Luma};

    use super::*;

    pub(super) fn frame(nth: i64) -> Taped {
        Taped {
            camera: "garden".into(),
            take: Timestamp::from_microsecond(1_000_001).unwrap(),
            at: Timestamp::from_microsecond(5_000_000 + nth).unwrap(),
            elapsed: Duration::from_micros(u64::try_from(nth).unwrap()),
            modality: if nth % 2 == 0 { Modality::Colour } else { Modality::Infrared },
            size_px: (1920, 1080),
            luma: GrayImage::from_fn(320, 180, |x, y| Luma([(x / 4 + y / 3) as u8])),
        }
    }

    #[test]
    fn frames_come_back_as_they_were_but_for_a_shade() {
        let mut bytes = Vec::new();
        begin(&mut bytes).unwrap();
        let n: u64 = (0..3).map(|nth| append(&mut bytes, &frame(nth)).unwrap()).sum();
        assert_eq!(n + 8, bytes.len() as u64);
        let camera: CameraName = "garden".into();
        let read: Vec<Taped> = Frames::of(&camera, &*bytes).map(|it| it.unpack().unwrap()).collect();
        assert_eq!(read.len(), 3);
        for (nth, it) in read.into_iter().enumerate() {
            let wanted = frame(nth as i64);
            let off = it.luma.pixels().zip(wanted.luma.pixels()).map(|(a, b)| a.0[0].abs_diff(b.0[0])).max();
            assert!(off <= Some(5), "{off:?}");
            assert_eq!(Taped { luma: wanted.luma.clone(), ..it }, wanted);
        }
    }

    #[test]
    fn what_is_torn_ends_there_and_what_is_no_tape_holds_nothing() {
        let mut bytes = Vec::new();
        begin(&mut bytes).unwrap();
        for nth in 0..3 {
            append(&mut bytes, &frame(nth)).unwrap();
        }
        let camera: CameraName = "garden".into();
        let n = |bytes: &[u8]| Frames::of(&camera, bytes).filter_map(Packed::unpack).count();
        let third = 8 + 2 * (bytes.len() - 8) / 3;
        for (len, frames) in [(0, 0), (7, 0), (8, 0), (third - 1, 1), (third, 2), (third + HEADER, 2), (bytes.len(), 3)]
        {
            assert_eq!(n(&bytes[..len]), frames, "{len} bytes");
        }
        let mut lying = bytes.clone();
        lying[8 + HEADER - 4..8 + HEADER].fill(0xff);
        assert_eq!(n(&lying), 0, "a picture of 4 GB");
        assert_eq!(n(b"no tape of ours, and longer than any header that we write"), 0);
    }
}
