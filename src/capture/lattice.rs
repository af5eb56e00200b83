//! The lattice of squares over a camera's picture: a crop is always one of its cells.
//!
//! A crop that follows the motion exactly never shows the same place twice, so there would be nothing to compare it with.
//! Cells of three or four sizes, overlapping by half, hold anything that moves with some surroundings, and what each cell
//! looks like while nothing is there can be remembered.

use crate::capture::regions::Region;
use crate::config::GateConfig;
use crate::domain::{Area, Cell};

/// The sides of cells: the picture's height divided by these.
const DIVISORS: [u8; 4] = [8, 4, 2, 1];

/// The lattice over a picture of a given size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    width: f64,
    height: f64,
    min_crop_px: f64,
    margin: f64,
}

impl Lattice {
    /// For pictures of `width` x `height` full-resolution px.
    pub fn new(width: u32, height: u32, config: &GateConfig) -> Lattice {
        Lattice {
            width: width.into(),
            height: height.into(),
            min_crop_px: config.min_crop_px.into(),
            margin: config.margin,
        }
    }

    /// The smallest cell that holds a region and its margin, the one whose middle is nearest to the region's.
    ///
    /// `scale` is full-resolution px a px of the analysed picture.
    pub fn cell(&self, region: &Region, scale: f64) -> Cell {
        let needed = region.width.max(region.height) as f64 * scale * (1.0 + self.margin);
        let fits = |&d: &u8| self.side(d) >= needed && self.side(d) >= self.min_crop_px;
        let divisor = DIVISORS.into_iter().find(fits).unwrap_or(1);
        let side = self.side(divisor);
        let middle_x = (region.x as f64 + region.width as f64 / 2.0) * scale;
        let middle_y = (region.y as f64 + region.height as f64 / 2.0) * scale;
        let nearest = |middle: f64, length: f64| {
            let last = ((length - side) / (side / 2.0)).ceil().max(0.0);
            ((middle - side / 2.0) / (side / 2.0)).round().clamp(0.0, last) as u8
        };
        Cell { divisor, column: nearest(middle_x, self.width), row: nearest(middle_y, self.height) }
    }

    /// Where a cell lies, in full-resolution px; the last of a row is moved in to end with the picture.
    pub fn area(&self, cell: Cell) -> Area {
        let side = self.side(cell.divisor);
        let at = |idx: u8, length: f64| (f64::from(idx) * side / 2.0).min(length - side).max(0.0);
        Area { x: at(cell.column, self.width), y: at(cell.row, self.height), width: side, height: side }
    }

    fn side(&self, divisor: u8) -> f64 {
        self.height.min(self.width) / f64::from(divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lattice() -> Lattice {
        Lattice { width: 1920.0, height: 1080.0, min_crop_px: 48.0, margin: 0.25 }
    }

    proptest::proptest! {
        #[test]
        fn a_cell_lies_in_the_picture_and_holds_the_regions_middle(
            x in 0usize..310, y in 0usize..170, w in 1usize..320, h in 1usize..180,
        ) {
            let region = Region { x, y, width: w.min(320 - x), height: h.min(180 - y), n_moving: 1 };
            let lattice = lattice();
            let area = lattice.area(lattice.cell(&region, 6.0));
            proptest::prop_assert!(area.x >= 0.0 && area.y >= 0.0);
            proptest::prop_assert!(area.x + area.width <= 1920.0 && area.y + area.height <= 1080.0);
            let (mx, my) = ((x as f64 + region.width as f64 / 2.0) * 6.0, (y as f64 + region.height as f64 / 2.0) * 6.0);
            proptest::prop_assert!(area.x <= mx && mx <= area.x + area.width);
            proptest::prop_assert!(area.y <= my && my <= area.y + area.height);
        }
    }

    #[test]
    fn the_smallest_cell_that_holds_the_region_is_taken() {
        let region = Region { x: 100, y: 60, width: 30, height: 20, n_moving: 1 };
        // 30 px * 6 * 1.25 = 225 px: a quarter of 1080 holds it, an eighth does not.
        assert_eq!(lattice().cell(&region, 6.0).divisor, 4);
    }
}
