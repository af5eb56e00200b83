//! What tests of the store are made of.

use std::sync::Arc;

use crate::capture::picture::Picture;
use crate::domain::Frame;
use crate::metrics::Metrics;

/// A picture of one colour.
pub(crate) fn frame(width: u32, height: u32, colour: [u8; 3]) -> Arc<Frame> {
    let image = image::RgbImage::from_pixel(width, height, image::Rgb(colour));
    let fate = Metrics::new().camera("feeder").receive();
    Arc::new(Frame {
        camera: "feeder".into(),
        number: 0,
        at: "2026-11-24T07:17:40Z".parse().expect("a time"),
        elapsed: Default::default(),
        picture: Picture::still(image),
        fate,
    })
}
