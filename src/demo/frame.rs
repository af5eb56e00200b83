//! A picture of planes (I420, as encoders want it), and the arithmetic that draws on it in 16-bit lanes.

/// A width or height that the reserve cannot draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "reserve: {width}x{height} px is no size for a scene: width 160..=3840 in steps of 8, height 120..=2160 in steps of 2"
)]
pub struct SizeError {
    /// Asked for, px.
    pub width: usize,
    /// Asked for, px.
    pub height: usize,
}

/// The size of a scene, px: a width of whole 8, a height of whole 2, so that no plane needs padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    width: usize,
    height: usize,
}

impl Size {
    /// Checks the size.
    pub fn new(width: usize, height: usize) -> Result<Size, SizeError> {
        let fits = (160..=3840).contains(&width) && (120..=2160).contains(&height);
        if fits && width.is_multiple_of(8) && height.is_multiple_of(2) {
            Ok(Size { width, height })
        } else {
            Err(SizeError { width, height })
        }
    }

    /// Width, px.
    pub fn width(self) -> usize {
        self.width
    }

    /// Height, px.
    pub fn height(self) -> usize {
        self.height
    }
}

/// A picture in I420 without padding: luma of `width` x `height`, then both chromas of half of it each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I420 {
    /// Its size.
    pub size: Size,
    /// All three planes, one after the other.
    pub data: Vec<u8>,
}

impl I420 {
    /// A black picture.
    pub fn new(size: Size) -> I420 {
        let luma = size.width * size.height;
        let mut data = vec![128; luma * 3 / 2];
        data[..luma].fill(16);
        I420 { size, data }
    }

    /// The planes: luma, blue chroma, red chroma.
    pub fn planes(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let luma = self.size.width * self.size.height;
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        (y, u, v)
    }

    /// As RGB, three bytes a pixel: to look at, and for stills.
    pub fn to_rgb(&self) -> Vec<u8> {
        let Size { width, height } = self.size;
        let luma = width * height;
        let mut rgb = Vec::with_capacity(luma * 3);
        for row in 0..height {
            for column in 0..width {
                let chroma = luma + row / 2 * (width / 2) + column / 2;
                let y = (f32::from(self.data[row * width + column]) - 16.0) * 1.164;
                let u = f32::from(self.data[chroma]) - 128.0;
                let v = f32::from(self.data[chroma + luma / 4]) - 128.0;
                // `as` saturates: that is the clamp.
                rgb.extend([(y + 1.596 * v) as u8, (y - 0.392 * u - 0.813 * v) as u8, (y + 2.017 * u) as u8]);
            }
        }
        rgb
    }
}

/// RGB (0..=1) to BT.601 luma and chromas of limited range.
pub(super) fn yuv([r, g, b]: [f32; 3]) -> [u8; 3] {
    let y = 16.0 + 65.481 * r + 128.553 * g + 24.966 * b;
    let u = 128.0 - 37.797 * r - 74.203 * g + 112.0 * b;
    let v = 128.0 + 112.0 * r - 93.786 * g - 18.214 * b;
    [y.round() as u8, u.round() as u8, v.round() as u8]
}

/// Lays `over` upon `under` by `alpha` (0..=255), pixel by pixel.
pub(super) fn blend(under: &mut [u8], over: &[u8], alpha: &[u8]) {
    for ((under, &over), &alpha) in under.iter_mut().zip(over).zip(alpha) {
        // 255 · 257 + 128 >> 16 = 1: the whole range in 16-bit steps.
        let alpha = u16::from(alpha) + u16::from(alpha >> 7);
        let mixed = u16::from(*under) * (256 - alpha) + u16::from(over) * alpha;
        *under = (mixed >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blend_reaches_both_ends() {
        let mut under = [10, 10, 200];
        blend(&mut under, &[200, 200, 0], &[0, 255, 128]);
        assert_eq!(under[..2], [10, 200]);
        assert!((98..=101).contains(&under[2]), "{under:?}");
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert!(Size::new(1280, 720).is_ok());
        for (width, height) in [(1279, 720), (1284, 720), (1280, 721), (0, 0), (8000, 720)] {
            assert!(Size::new(width, height).is_err(), "{width}x{height}");
        }
    }

    #[test]
    fn colours_survive_the_way_to_planes_and_back() {
        let mut picture = I420::new(Size::new(160, 120).unwrap());
        let (y, u, v) = picture.planes();
        let [cy, cu, cv] = yuv([0.8, 0.4, 0.2]);
        y.fill(cy);
        u.fill(cu);
        v.fill(cv);
        let rgb = picture.to_rgb();
        for (got, want) in rgb[..3].iter().zip([204, 102, 51]) {
            assert!(got.abs_diff(want) <= 3, "{:?}", &rgb[..3]);
        }
    }
}
