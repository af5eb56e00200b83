//! The animals of the reserve: photographs of Debian's `tuxpaint-stamps-default`, cut out, and what is known of each.

use std::path::{Path, PathBuf};

use image::RgbaImage;

use super::DemoError;
use super::scene::Place;

/// Where Debian's package puts its photographs of animals.
pub const STAMPS: &str = "/usr/share/tuxpaint/stamps/animals";

/// How an animal gets about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gait {
    /// On foot.
    Walks,
    /// In hops, with rests.
    Hops,
    /// On wings, and in hops where it has landed.
    Flies,
}

/// One animal that may visit.
#[derive(Debug)]
pub struct Animal {
    /// As people (and ImageNet, folded to what naturalists say) call it.
    pub species: &'static str,
    /// As science calls what the photograph shows.
    pub scientific_name: &'static str,
    /// Further names of the same animal, or of the group that ImageNet puts it in: right answers too.
    pub also: &'static [&'static str],
    /// The photograph, below [`STAMPS`].
    file: &'static str,
    /// Height on the picture against that of a tall animal at the same distance, 0..=1.2.
    pub stature: f32,
    /// Whether the photograph looks to the right.
    pub looks_right: bool,
    /// How it gets about.
    pub gait: Gait,
    /// Where it comes.
    pub places: &'static [Place],
}

use Gait::{Flies, Hops, Walks};
use Place::{Feeder, Trail, Waterhole};

#[rustfmt::skip]
macro_rules! animal {
    ($species:literal, $scientific:literal, $also:expr, $file:literal, $stature:literal, $right:literal, $gait:expr, $places:expr) => {
        Animal { species: $species, scientific_name: $scientific, also: &$also, file: $file, stature: $stature,
                 looks_right: $right, gait: $gait, places: &$places }
    };
}

/// All that may visit: each was looked at, is a photograph, and is of a kind that ImageNet has (but for the deer, which
/// no reserve is without: ImageNet has none). Where ImageNet's class is a genus or a family, it is named after that.
#[rustfmt::skip]
pub static ANIMALS: [Animal; 22] = [
    animal!("fox squirrel", "Sciurus niger", ["grey squirrel"], "mammals/rodents/squirrel.png", 0.8, false, Hops, [Feeder]),
    animal!("hare", "Lepus timidus", [], "mammals/rodents/rabbit.png", 0.75, true, Hops, [Feeder, Trail]),
    animal!("marmot", "Marmota marmota", [], "mammals/rodents/marmot.png", 0.85, false, Hops, [Feeder]),
    animal!("European polecat", "Mustela putorius furo", ["weasel"], "mammals/ferret.png", 0.8, true, Hops, [Feeder]),
    animal!("magpie", "Gymnorhina tibicen", [], "birds/magpie.png", 0.9, false, Flies, [Feeder]),
    animal!("duck", "Anas platyrhynchos", [], "birds/duck.png", 0.8, true, Flies, [Feeder]),
    animal!("domestic chicken", "Gallus gallus domesticus", [], "birds/hen.png", 0.85, true, Walks, [Feeder]),
    animal!("red fox", "Vulpes vulpes", [], "mammals/dogs/fox.png", 0.9, false, Walks, [Trail]),
    animal!("badger", "Meles meles", [], "mammals/badger.png", 0.6, false, Walks, [Trail]),
    animal!("wild boar", "Sus scrofa", [], "mammals/wildboar.png", 0.9, true, Walks, [Trail]),
    animal!("brown bear", "Ursus arctos", [], "mammals/bears/european-bear.png", 1.05, true, Walks, [Trail]),
    animal!("beaver", "Castor fiber", [], "mammals/rodents/beaver.png", 0.75, false, Walks, [Trail]),
    animal!("otter", "Lutra lutra", [], "mammals/aquatic/otter.png", 0.75, true, Hops, [Trail]),
    animal!("deer", "Cervus nippon", ["sika deer"], "mammals/deer/doe.png", 1.1, true, Walks, [Trail]),
    animal!("zebra", "Equus quagga", [], "mammals/equines/zebra.png", 1.0, false, Walks, [Waterhole]),
    animal!("African elephant", "Loxodonta africana", ["elephant"], "mammals/elephant.png", 1.15, false, Walks, [Waterhole]),
    animal!("bison", "Bison bison", [], "mammals/bovines/bison.png", 0.95, true, Walks, [Waterhole]),
    animal!("hippopotamus", "Hippopotamus amphibius", [], "mammals/hippopotamus.png", 0.7, false, Walks, [Waterhole]),
    animal!("tiger", "Panthera tigris", [], "mammals/cats/tiger_sumatran.png", 0.75, true, Walks, [Waterhole]),
    animal!("gazelle", "Antilope cervicapra", ["blackbuck"], "mammals/bovines/indian_blackbuck.png", 0.95, false, Walks, [Waterhole]),
    animal!("crane", "Balearica regulorum", [], "birds/crowned_crane.png", 1.0, false, Walks, [Waterhole]),
    animal!("vulture", "Gyps fulvus", [], "birds/vulture.png", 0.9, false, Flies, [Waterhole]),
];

impl Animal {
    /// Whether an answer names this animal: by its own name or another that is as right, in any case.
    pub fn is_called(&self, label: &str) -> bool {
        self.species.eq_ignore_ascii_case(label)
            || self.also.iter().any(|also| also.eq_ignore_ascii_case(label))
            || self.scientific_name.eq_ignore_ascii_case(label)
    }

    /// Reads the photograph, and cuts off what is transparent around it.
    pub(super) fn cut_out(&self, stamps: &Path) -> Result<RgbaImage, DemoError> {
        let path = stamps.join(self.file);
        if !path.is_file() {
            return Err(DemoError::NoPhotographs { path });
        }
        let picture = image::open(&path).map_err(|source| DemoError::Photograph { path: path.clone(), source })?;
        let picture = picture.into_rgba8();
        let opaque = |(x, y, pixel): (u32, u32, &image::Rgba<u8>)| (pixel.0[3] > 40).then_some((x, y));
        let bounds = picture.enumerate_pixels().filter_map(opaque).fold(None, |bounds, (x, y)| {
            let (left, top, right, bottom) = bounds.unwrap_or((x, y, x, y));
            Some((x.min(left), y.min(top), x.max(right), y.max(bottom)))
        });
        let (left, top, right, bottom) = bounds.ok_or_else(|| DemoError::Empty { path: PathBuf::from(self.file) })?;
        Ok(image::imageops::crop_imm(&picture, left, top, right - left + 1, bottom - top + 1).to_image())
    }
}

/// The animal of a species, where the reserve has it.
pub fn find(species: &str) -> Option<&'static Animal> {
    ANIMALS.iter().find(|animal| animal.species == species)
}

/// Fails with the name of the package where its photographs are not there.
pub fn check(stamps: &Path) -> Result<(), DemoError> {
    match ANIMALS.iter().map(|animal| stamps.join(animal.file)).find(|path| !path.is_file()) {
        Some(path) => Err(DemoError::NoPhotographs { path }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_photograph_is_there_and_cut_to_its_animal() {
        for animal in &ANIMALS {
            let picture = animal.cut_out(Path::new(STAMPS)).unwrap();
            assert!(picture.width() > 50 && picture.height() > 50, "{}: {:?}", animal.species, picture.dimensions());
            let seen = picture.pixels().filter(|pixel| pixel.0[3] > 128).count();
            assert!(seen * 5 > picture.pixels().count(), "{} is hardly there", animal.species);
        }
    }

    #[test]
    fn every_place_has_visitors() {
        for place in Place::ALL {
            let visitors = ANIMALS.iter().filter(|animal| animal.places.contains(&place)).count();
            assert!(visitors >= 7, "{place:?}: {visitors}");
        }
    }

    #[test]
    fn a_missing_package_is_named() {
        let error = check(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("tuxpaint-stamps-default") && error.contains("apt-get install"), "{error}");
    }

    #[test]
    fn answers_are_right_by_any_of_an_animals_names() {
        let elephant = find("African elephant").unwrap();
        assert!(elephant.is_called("elephant") && elephant.is_called("african elephant"));
        assert!(!elephant.is_called("zebra"));
    }
}
