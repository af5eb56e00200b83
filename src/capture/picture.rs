//! A picture as the decoder gave it: planes with strides. Colour is computed only for what is asked for, at the size asked for.

use std::fmt;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use image::{GrayImage, RgbImage};

use crate::domain::Area;

/// A picture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The pixel format is none of [`FORMATS`].
    #[error("picture: pixel format {0} is not one that Eyeshine reads")]
    Format(String),
    /// The buffer does not hold what its caps say.
    #[error("picture: {0}")]
    Buffer(String),
    /// The area lies outside the picture or is empty.
    #[error("picture: area {0:?} lies outside of {1}x{2} px")]
    Area(Area, u32, u32),
}

/// The raw formats that are read as they are; GStreamer converts every other (10 bit, packed, 4:1:1 …) to one of them.
pub const FORMATS: [gst_video::VideoFormat; 5] = [
    gst_video::VideoFormat::I420,
    gst_video::VideoFormat::Nv12,
    gst_video::VideoFormat::Gray8,
    gst_video::VideoFormat::Y42b,
    gst_video::VideoFormat::Y444,
];

/// A picture of `width` x `height` px; cheap to hold, never copied.
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Pixels,
}

enum Pixels {
    /// A decoder's buffer: YUV or grey.
    Decoded { frame: Box<gst_video::VideoFrame<gst_video::video_frame::Readable>>, colour: Colour },
    /// A still.
    Still(RgbImage),
}

/// How YUV becomes RGB: r = y + rv·v, g = y + gu·u + gv·v, b = y + bu·u, after offset and scale of the range.
#[derive(Clone, Copy)]
struct Colour {
    luma_offset: f32,
    luma_scale: f32,
    rv: f32,
    gu: f32,
    gv: f32,
    bu: f32,
}

impl Colour {
    /// From ITU-R BT.601/709/2020 luma weights; MJPEG is full range, broadcast video is 16..=235.
    fn new(info: &gst_video::VideoInfo) -> Colour {
        use gst_video::{VideoColorMatrix as Matrix, VideoColorRange as Range};
        let (kr, kb) = match info.colorimetry().matrix() {
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        let full = info.colorimetry().range() == Range::Range0_255;
        let (luma_offset, luma_scale, chroma_scale) =
            if full { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
        let kg = 1.0 - kr - kb;
        Colour {
            luma_offset,
            luma_scale,
            rv: 2.0 * (1.0 - kr) * chroma_scale,
            gu: -2.0 * (1.0 - kb) * kb / kg * chroma_scale,
            gv: -2.0 * (1.0 - kr) * kr / kg * chroma_scale,
            bu: 2.0 * (1.0 - kb) * chroma_scale,
        }
    }

    fn rgb(self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (f32::from(y) - self.luma_offset) * self.luma_scale + 0.5;
        let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
        // `as` saturates: that is the clamp.
        [(y + self.rv * v) as u8, (y + self.gu * u + self.gv * v) as u8, (y + self.bu * u) as u8]
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

impl Picture {
    /// Takes a decoder's buffer as it is, in one of [`FORMATS`].
    pub fn decoded(buffer: gst::Buffer, info: &gst_video::VideoInfo) -> Result<Picture, PictureError> {
        if !FORMATS.contains(&info.format()) {
            return Err(PictureError::Format(info.format().to_string()));
        }
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, info)
            .map_err(|_| PictureError::Buffer("the buffer is smaller than its caps say".into()))?;
        let colour = Colour::new(info);
        Ok(Picture {
            width: info.width(),
            height: info.height(),
            pixels: Pixels::Decoded { frame: Box::new(frame), colour },
        })
    }

    /// Takes a still.
    pub fn still(image: RgbImage) -> Picture {
        Picture { width: image.width(), height: image.height(), pixels: Pixels::Still(image) }
    }

    /// Width, px.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height, px.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All of it.
    pub fn area(&self) -> Area {
        Area { x: 0.0, y: 0.0, width: self.width.into(), height: self.height.into() }
    }

    /// The luma of the whole picture at `width` x `height` px, averaged over what each pixel covers.
    pub fn luma(&self, width: u32, height: u32, resizer: &mut Resizer) -> Result<GrayImage, PictureError> {
        match &self.pixels {
            Pixels::Decoded { .. } => {
                let luma = self.plane(0, PixelType::U8, self.area(), width, height, FilterType::Box, resizer)?;
                GrayImage::from_raw(width, height, luma).ok_or_else(|| PictureError::Buffer("luma".into()))
            }
            Pixels::Still(_) => {
                let small = self.rgb(self.area(), width, height, FilterType::Box, resizer)?;
                Ok(image::DynamicImage::ImageRgb8(small).into_luma8())
            }
        }
    }

    /// An area as RGB, resized (and stretched, where its shape is another) to `width` x `height` px.
    ///
    /// The planes are resized before they are converted, with an antialiased bilinear filter: work grows with the
    /// output, not with the camera's resolution.
    pub fn render(&self, area: Area, width: u32, height: u32, resizer: &mut Resizer) -> Result<RgbImage, PictureError> {
        self.rgb(area, width, height, FilterType::Bilinear, resizer)
    }

    /// Mean distance of the chroma from grey, 0..=1, over a small rendering: near 0 is an infrared picture.
    pub fn colourfulness(&self, resizer: &mut Resizer) -> Result<f32, PictureError> {
        let small = self.rgb(self.area(), 32, 32, FilterType::Box, resizer)?;
        let spread = |p: &image::Rgb<u8>| f32::from(p.0.iter().max().unwrap_or(&0) - p.0.iter().min().unwrap_or(&0));
        Ok(small.pixels().map(spread).sum::<f32>() / (32.0 * 32.0 * 255.0))
    }

    fn rgb(
        &self,
        area: Area,
        width: u32,
        height: u32,
        filter: FilterType,
        resizer: &mut Resizer,
    ) -> Result<RgbImage, PictureError> {
        let (frame, colour) = match &self.pixels {
            Pixels::Still(image) => {
                let source = ImageRef::new(self.width, self.height, image.as_raw(), PixelType::U8x3).map_err(buffer)?;
                let data = resize(&source, PixelType::U8x3, area, width, height, filter, resizer)?;
                return RgbImage::from_raw(width, height, data).ok_or_else(|| PictureError::Buffer("rgb".into()));
            }
            Pixels::Decoded { frame, colour } => (frame, *colour),
        };
        let y = self.plane(0, PixelType::U8, area, width, height, filter, resizer)?;
        let mut data = Vec::with_capacity(y.len() * 3);
        match frame.n_planes() {
            1 => y.iter().for_each(|&y| data.extend(colour.rgb(y, 128, 128))),
            2 => {
                let uv = self.plane(1, PixelType::U8x2, area, width, height, filter, resizer)?;
                y.iter().zip(uv.chunks_exact(2)).for_each(|(&y, uv)| data.extend(colour.rgb(y, uv[0], uv[1])));
            }
            _ => {
                let u = self.plane(1, PixelType::U8, area, width, height, filter, resizer)?;
                let v = self.plane(2, PixelType::U8, area, width, height, filter, resizer)?;
                y.iter().zip(u.iter().zip(&v)).for_each(|(&y, (&u, &v))| data.extend(colour.rgb(y, u, v)));
            }
        }
        RgbImage::from_raw(width, height, data).ok_or_else(|| PictureError::Buffer("rgb".into()))
    }

    /// One plane of a decoded picture, resized.
    #[expect(clippy::too_many_arguments, reason = "the resizer's own parameters, once more")]
    fn plane(
        &self,
        idx: u32,
        pixel: PixelType,
        area: Area,
        width: u32,
        height: u32,
        filter: FilterType,
        resizer: &mut Resizer,
    ) -> Result<Vec<u8>, PictureError> {
        let Pixels::Decoded { frame, .. } = &self.pixels else {
            return Err(PictureError::Buffer("a still has no planes".into()));
        };
        let data = frame.plane_data(idx).map_err(buffer)?;
        let stride = usize::try_from(frame.plane_stride()[idx as usize]).map_err(buffer)?;
        // Component 1 is the first chroma of every layout but grey.
        let component = idx.min(1);
        let plane_width = frame.comp_width(component);
        let plane_height = frame.comp_height(component);
        let columns = u32::try_from(stride / pixel.size()).map_err(buffer)?;
        // A decoder's last row may end with its pixels, not with its stride.
        let needed = stride * plane_height as usize;
        let padded: Vec<u8>;
        let data = if data.len() < needed {
            padded = data.iter().copied().chain(std::iter::repeat(0)).take(needed).collect();
            &padded
        } else {
            &data[..needed]
        };
        let rows = ImageRef::new(columns, plane_height, data, pixel).map_err(buffer)?;
        let source = CroppedImage::new(&rows, 0, 0, plane_width, plane_height).map_err(buffer)?;
        let (sx, sy) =
            (f64::from(plane_width) / f64::from(self.width), f64::from(plane_height) / f64::from(self.height));
        let area = Area { x: area.x * sx, y: area.y * sy, width: area.width * sx, height: area.height * sy };
        resize(&source, pixel, area, width, height, filter, resizer)
    }
}

fn resize(
    source: &impl fast_image_resize::IntoImageView,
    pixel: PixelType,
    area: Area,
    width: u32,
    height: u32,
    filter: FilterType,
    resizer: &mut Resizer,
) -> Result<Vec<u8>, PictureError> {
    let mut target = Image::new(width, height, pixel);
    let (w, h) = (f64::from(source.width()), f64::from(source.height()));
    let (x, y) = (area.x.clamp(0.0, w), area.y.clamp(0.0, h));
    let (crop_w, crop_h) = (area.width.min(w - x), area.height.min(h - y));
    // Rounding may take a hair off an edge; a crop of less than a pixel has nothing in it.
    if !(crop_w > 0.5 && crop_h > 0.5 && width > 0 && height > 0) {
        return Err(PictureError::Area(area, source.width(), source.height()));
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(x, y, crop_w, crop_h);
    resizer.resize(source, &mut target, &options).map_err(buffer)?;
    Ok(target.into_vec())
}

fn buffer(error: impl fmt::Display) -> PictureError {
    PictureError::Buffer(error.to_string())
}
