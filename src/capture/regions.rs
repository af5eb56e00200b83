//! From moving pixels to regions: specks out, what is close together joined, a box around each.

use crate::domain::Area;

/// A connected region of motion, in px of the analysed picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
    /// Moving pixels in it.
    pub n_moving: usize,
}

impl Region {
    /// Where it lies in full-resolution px; `scale` is full-resolution px a px of the analysed picture.
    pub fn area(&self, scale: f64) -> Area {
        Area {
            x: self.x as f64 * scale,
            y: self.y as f64 * scale,
            width: self.width as f64 * scale,
            height: self.height as f64 * scale,
        }
    }
}

/// Pixels this far apart belong together: an animal's parts, not its neighbour.
const JOIN_PX: usize = 3;

/// Finds regions of at least `min_px` moving pixels, the largest first.
///
/// `moving` is row by row, `width * height`; specks (fewer than 3 moving in a neighbourhood of 9) are cleared in it.
pub fn find(moving: &mut [bool], width: usize, height: usize, min_px: usize) -> Vec<Region> {
    // Most pictures of most cameras.
    if !moving.contains(&true) {
        return Vec::new();
    }
    clear_specks(moving, width, height);
    let mut label = vec![0u32; moving.len()];
    let mut regions = Vec::new();
    let mut stack = Vec::new();
    for start in 0..moving.len() {
        if !moving[start] || label[start] != 0 {
            continue;
        }
        let id = regions.len() as u32 + 1;
        label[start] = id;
        stack.push(start);
        let (mut x0, mut y0, mut x1, mut y1, mut n) = (width, height, 0, 0, 0);
        while let Some(at) = stack.pop() {
            let (x, y) = (at % width, at / width);
            (x0, y0, x1, y1, n) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y), n + 1);
            for ny in y.saturating_sub(JOIN_PX)..=(y + JOIN_PX).min(height - 1) {
                for nx in x.saturating_sub(JOIN_PX)..=(x + JOIN_PX).min(width - 1) {
                    let next = ny * width + nx;
                    if moving[next] && label[next] == 0 {
                        label[next] = id;
                        stack.push(next);
                    }
                }
            }
        }
        regions.push(Region { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1, n_moving: n });
    }
    regions.retain(|it| it.n_moving >= min_px);
    regions.sort_by_key(|it| std::cmp::Reverse(it.n_moving));
    regions
}

/// Noise moves single pixels; animals move neighbours too.
fn clear_specks(moving: &mut [bool], width: usize, height: usize) {
    let before = moving.to_vec();
    for y in 0..height {
        for x in 0..width {
            if !before[y * width + x] {
                continue;
            }
            let rows = y.saturating_sub(1)..=(y + 1).min(height - 1);
            let columns = x.saturating_sub(1)..=(x + 1).min(width - 1);
            let n = rows.flat_map(|ny| columns.clone().map(move |nx| ny * width + nx)).filter(|&i| before[i]).count();
            moving[y * width + x] = n >= 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&str]) -> (Vec<bool>, usize, usize) {
        let moving = rows.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect();
        (moving, rows[0].len(), rows.len())
    }

    #[test]
    fn specks_go_parts_join_and_the_largest_comes_first() {
        let (mut moving, width, height) = picture(&[
            "............................",
            ".###..........#.............",
            ".###........................",
            "............................",
            ".####...............######..",
            ".####...............######..",
            "....................######..",
        ]);
        let regions = find(&mut moving, width, height, 4);
        assert_eq!(
            regions,
            [
                Region { x: 20, y: 4, width: 6, height: 3, n_moving: 18 },
                Region { x: 1, y: 1, width: 4, height: 5, n_moving: 14 },
            ]
        );
    }

    #[test]
    fn small_regions_do_not_count() {
        let (mut moving, width, height) = picture(&["##....", "##....", "......"]);
        assert!(find(&mut moving, width, height, 5).is_empty());
    }
}
