//! Picture files.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{ImageError, ImageReader};

use crate::capture::picture::Picture;

/// Reads a JPEG or PNG, whatever its name says it is; else why it cannot be read.
pub fn read(path: &Path) -> Result<Picture, String> {
    fs::read(path).map_err(|error| error.to_string()).and_then(|bytes| decode(&bytes))
}

/// Decodes the bytes of a JPEG or PNG; else why they cannot be.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(ImageError::from);
    let decoded = reader.and_then(ImageReader::decode);
    decoded.map(|it| Picture::still(it.into_rgb8())).map_err(|error| format!("not a readable picture: {error}"))
}
