//! A picture as the decoder gave it: planes with strides. Colour is computed only for what is asked for, at the size asked for.

use std::fmt;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3};
use fast_image_resize::{FilterType, ImageView, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use image::{GrayImage, RgbImage};

use crate::capture::colour::Colour;
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

/// Room for a rendering, to be used again and again.
#[derive(Debug, Default)]
pub struct Canvas {
    planes: [Vec<u8>; 3],
    rgb: Vec<u8>,
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
        let size = Size { area: self.area(), width, height, filter: FilterType::Box };
        match &self.pixels {
            Pixels::Decoded { frame, .. } => {
                let mut luma = Vec::new();
                self.plane::<U8>(frame, 0, size, resizer, &mut luma)?;
                GrayImage::from_raw(width, height, luma).ok_or_else(|| PictureError::Buffer("luma".into()))
            }
            Pixels::Still(_) => Ok(image::DynamicImage::ImageRgb8(self.rgb(size, resizer)?).into_luma8()),
        }
    }

    /// An area as RGB, resized (and stretched, where its shape is another) to `width` x `height` px.
    ///
    /// The planes are resized before they are converted, with an antialiased bilinear filter: work grows with the
    /// output, not with the camera's resolution.
    pub fn render(&self, area: Area, width: u32, height: u32, resizer: &mut Resizer) -> Result<RgbImage, PictureError> {
        self.rgb(Size { area, width, height, filter: FilterType::Bilinear }, resizer)
    }

    /// [`Picture::render`] in room that is there already: three bytes a pixel, row by row.
    pub fn render_on<'a>(
        &self,
        area: Area,
        width: u32,
        height: u32,
        resizer: &mut Resizer,
        canvas: &'a mut Canvas,
    ) -> Result<&'a [u8], PictureError> {
        self.paint(Size { area, width, height, filter: FilterType::Bilinear }, resizer, canvas)?;
        Ok(&canvas.rgb)
    }

    /// Mean distance of the chroma from grey, 0..=1, over a small rendering: near 0 is an infrared picture.
    pub fn colourfulness(&self, resizer: &mut Resizer) -> Result<f32, PictureError> {
        let small = self.rgb(Size { area: self.area(), width: 32, height: 32, filter: FilterType::Box }, resizer)?;
        let spread = |p: &image::Rgb<u8>| f32::from(p.0.iter().max().unwrap_or(&0) - p.0.iter().min().unwrap_or(&0));
        Ok(small.pixels().map(spread).sum::<f32>() / (32.0 * 32.0 * 255.0))
    }

    fn rgb(&self, size: Size, resizer: &mut Resizer) -> Result<RgbImage, PictureError> {
        let mut canvas = Canvas::default();
        self.paint(size, resizer, &mut canvas)?;
        RgbImage::from_raw(size.width, size.height, canvas.rgb).ok_or_else(|| PictureError::Buffer("rgb".into()))
    }

    fn paint(&self, size: Size, resizer: &mut Resizer, canvas: &mut Canvas) -> Result<(), PictureError> {
        let Canvas { planes: [y, u, v], rgb } = canvas;
        let (frame, colour) = match &self.pixels {
            Pixels::Still(image) => {
                let source =
                    TypedImageRef::<U8x3>::from_buffer(self.width, self.height, image.as_raw()).map_err(buffer)?;
                return resize(&source, size, resizer, rgb);
            }
            Pixels::Decoded { frame, colour } => (frame, colour.tables()),
        };
        self.plane::<U8>(frame, 0, size, resizer, y)?;
        rgb.resize(y.len() * 3, 0);
        let pixels = rgb.chunks_exact_mut(3).zip(&*y);
        match frame.n_planes() {
            1 => pixels.for_each(|(rgb, &y)| rgb.copy_from_slice(&colour.rgb(y, 128, 128))),
            2 => {
                self.plane::<U8x2>(frame, 1, size, resizer, u)?;
                let pixels = pixels.zip(u.chunks_exact(2));
                pixels.for_each(|((rgb, &y), uv)| rgb.copy_from_slice(&colour.rgb(y, uv[0], uv[1])));
            }
            _ => {
                self.plane::<U8>(frame, 1, size, resizer, u)?;
                self.plane::<U8>(frame, 2, size, resizer, v)?;
                let pixels = pixels.zip(u.iter().zip(&*v));
                pixels.for_each(|((rgb, &y), (&u, &v))| rgb.copy_from_slice(&colour.rgb(y, u, v)));
            }
        }
        Ok(())
    }

    /// One plane of a decoded picture, resized.
    fn plane<P: PixelTrait>(
        &self,
        frame: &gst_video::VideoFrame<gst_video::video_frame::Readable>,
        idx: u32,
        size: Size,
        resizer: &mut Resizer,
        target: &mut Vec<u8>,
    ) -> Result<(), PictureError> {
        let data = frame.plane_data(idx).map_err(buffer)?;
        let stride = usize::try_from(frame.plane_stride()[idx as usize]).map_err(buffer)?;
        // Component 1 is the first chroma of every layout but grey.
        let component = idx.min(1);
        let plane_width = frame.comp_width(component);
        let plane_height = frame.comp_height(component);
        let columns = u32::try_from(stride / size_of::<P>()).map_err(buffer)?;
        // A decoder's last row may end with its pixels, not with its stride.
        let needed = stride * plane_height as usize;
        let padded: Vec<u8>;
        let data = if data.len() < needed {
            padded = data.iter().copied().chain(std::iter::repeat(0)).take(needed).collect();
            &padded
        } else {
            &data[..needed]
        };
        let rows = TypedImageRef::<P>::from_buffer(columns, plane_height, data).map_err(buffer)?;
        let source = TypedCroppedImage::from_ref(&rows, 0, 0, plane_width, plane_height).map_err(buffer)?;
        let (sx, sy) =
            (f64::from(plane_width) / f64::from(self.width), f64::from(plane_height) / f64::from(self.height));
        let Area { x, y, width, height } = size.area;
        let area = Area { x: x * sx, y: y * sy, width: width * sx, height: height * sy };
        resize(&source, Size { area, ..size }, resizer, target)
    }
}

/// What is asked for: which part, at what size, and how it gets there.
#[derive(Clone, Copy)]
struct Size {
    area: Area,
    width: u32,
    height: u32,
    filter: FilterType,
}

fn resize<P: PixelTrait>(
    source: &impl ImageView<Pixel = P>,
    size: Size,
    resizer: &mut Resizer,
    target: &mut Vec<u8>,
) -> Result<(), PictureError> {
    let Size { area, width, height, filter } = size;
    let (w, h) = (f64::from(source.width()), f64::from(source.height()));
    let (x, y) = (area.x.clamp(0.0, w), area.y.clamp(0.0, h));
    let (crop_w, crop_h) = (area.width.min(w - x), area.height.min(h - y));
    // Rounding may take a hair off an edge; a crop of less than a pixel has nothing in it.
    if !(crop_w > 0.5 && crop_h > 0.5 && width > 0 && height > 0) {
        return Err(PictureError::Area(area, source.width(), source.height()));
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(x, y, crop_w, crop_h);
    target.resize(width as usize * height as usize * size_of::<P>(), 0);
    let mut target = TypedImage::<P>::from_buffer(width, height, target).map_err(buffer)?;
    resizer.resize_typed(source, &mut target, &options).map_err(buffer)
}

fn buffer(error: impl fmt::Display) -> PictureError {
    PictureError::Buffer(error.to_string())
}

#[cfg(test)]
mod tests;
