//! A camera's scene: painted once, drawn for any moment.

use std::path::Path;

use super::DemoError;
use super::animals::{self, Gait};
use super::frame::{I420, Size};
use super::layer::{Layer, Water, Wind};
use super::noise;
use super::plate::{Plate, Rgb, mix};
use super::script::{self, Traffic, TrueVisit, Visit};
use super::sprite::{Light, Pose, Sprite};
use crate::domain::Modality;

/// Where a camera hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A garden by day.
    Feeder,
    /// A forest path by night, in infrared.
    Trail,
    /// A waterhole by day, in the wind.
    Waterhole,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 3] = [Place::Feeder, Place::Trail, Place::Waterhole];

    /// The camera's name.
    pub fn name(self) -> &'static str {
        match self {
            Place::Feeder => "feeder",
            Place::Trail => "trail",
            Place::Waterhole => "waterhole",
        }
    }

    /// By what light it sees.
    pub fn modality(self) -> Modality {
        if self == Place::Trail { Modality::Infrared } else { Modality::Colour }
    }

    fn wind(self) -> f32 {
        match self {
            Place::Feeder => 0.25,
            Place::Trail => 0.35,
            Place::Waterhole => 1.0,
        }
    }
}

/// A scene, ready to be drawn at any moment.
pub struct Scene {
    size: Size,
    place: Place,
    seed: u64,
    wind: Wind,
    background: I420,
    water: Option<Water>,
    layers: Vec<Layer>,
    visits: Vec<(Visit, Sprite)>,
    grain: Vec<i8>,
}

impl Scene {
    /// Paints a scene with the visits of `secs` seconds; without traffic there is wind and no animal.
    pub fn new(seed: u64, place: Place, size: Size, secs: f64, traffic: Option<Traffic>) -> Result<Scene, DemoError> {
        let plan = traffic.map(|it| script::visits(seed, place, secs, it)).unwrap_or_default();
        Scene::paint(seed, place, size, plan)
    }

    /// Paints a scene in which an animal walks to and fro all the time.
    pub fn busy(seed: u64, place: Place, size: Size) -> Result<Scene, DemoError> {
        Scene::paint(seed, place, size, script::resident(seed, place).into_iter().collect())
    }

    fn paint(seed: u64, place: Place, size: Size, plan: Vec<Visit>) -> Result<Scene, DemoError> {
        let stamps = Path::new(animals::STAMPS);
        animals::check(stamps)?;
        let visits = plan
            .into_iter()
            .map(|visit| {
                let cut = visit.animal.cut_out(stamps)?;
                let tall = size.height() as f32 * visit.distance.height() * visit.animal.stature;
                let wide = tall * cut.width() as f32 / cut.height() as f32;
                let sprite = Sprite::new(
                    &cut,
                    visit.animal.looks_right,
                    (wide as usize, tall as usize),
                    light(place, visit.distance),
                )?;
                Ok((visit, sprite))
            })
            .collect::<Result<Vec<_>, DemoError>>()?;
        let paint = noise::hash(seed, place as i64, 0x5CE);
        let (background, water) = paint_background(paint, place, size);
        let grain_px = (size.width() + 997) * 4;
        let deviation = if place == Place::Trail { 3.2 } else { 1.4 };
        let grain = (0..grain_px as i64).map(|x| (noise::bell(paint, x, 17) * deviation) as i8).collect();
        Ok(Scene {
            size,
            place,
            seed,
            wind: Wind { seed: paint, strength: place.wind() },
            background,
            water,
            layers: paint_layers(paint, place, size),
            visits,
            grain,
        })
    }

    /// What is true of it.
    pub fn truth(&self) -> Vec<TrueVisit> {
        let visits: Vec<Visit> = self.visits.iter().map(|it| it.0.clone()).collect();
        script::truth(self.place.name(), &visits, self.place.modality())
    }

    /// Draws the moment `secs` after the beginning.
    pub fn render(&self, secs: f64) -> I420 {
        let mut picture = self.background.clone();
        if let Some(water) = &self.water {
            water.draw(&mut picture, self.wind, secs);
        }
        let mut there: Vec<&(Visit, Sprite)> = self.visits.iter().filter(|it| it.0.at(secs).is_some()).collect();
        there.sort_by_key(|it| std::cmp::Reverse(it.0.distance));
        let mut next = 0;
        for (visit, sprite) in there {
            let ground = visit.distance.ground();
            while next < self.layers.len() && self.layers[next].depth < ground {
                self.layers[next].draw(&mut picture, self.wind, secs);
                next += 1;
            }
            if let Some(pose) = self.pose(visit, secs) {
                sprite.draw(&mut picture, pose);
            }
        }
        for layer in &self.layers[next..] {
            layer.draw(&mut picture, self.wind, secs);
        }
        self.expose(&mut picture, secs);
        picture
    }

    fn pose(&self, visit: &Visit, secs: f64) -> Option<Pose> {
        let at = visit.at(secs)?;
        let (width, height) = (self.size.width() as f32, self.size.height() as f32);
        let tall = height * visit.distance.height() * visit.animal.stature;
        let beat = (secs * 5.5) as f32;
        let lift = match visit.animal.gait {
            Gait::Walks if at.walks => beat.sin().abs() * tall * 0.02,
            Gait::Hops if at.walks => beat.sin().abs() * tall * 0.12,
            Gait::Flies if at.walks => tall * (0.5 + 0.1 * (beat * 2.0).sin()),
            _ => 0.0,
        };
        Some(Pose {
            x: at.x * width,
            ground: visit.distance.ground() * height,
            lift,
            right: at.right,
            stride: if at.walks { (beat * 1.3).sin() * tall * 0.04 } else { 0.0 },
            sway: if at.walks { 0.0 } else { (secs as f32 * 0.9).sin() * tall * 0.012 },
            breath: ((secs as f32 * 1.8).sin() * 0.5 + 0.5) * (tall / 120.0).min(1.5),
        })
    }

    /// Clouds and the sensor's noise.
    fn expose(&self, picture: &mut I420, secs: f64) {
        let cloud =
            if self.place == Place::Trail { 0.0 } else { noise::line(self.seed ^ 0xC1, secs as f32 / 25.0) * 9.0 };
        let frame = (secs * 1000.0) as i64;
        let (width, height) = (self.size.width(), self.size.height());
        let luma = picture.planes().0;
        for row in 0..height {
            let from = (noise::hash(self.seed, frame, row as i64) as usize) % (self.grain.len() - width);
            let grain = &self.grain[from..from + width];
            for (y, grain) in luma[row * width..(row + 1) * width].iter_mut().zip(grain) {
                *y = (f32::from(*y) + cloud + f32::from(*grain)).clamp(16.0, 235.0) as u8;
            }
        }
    }
}

fn light(place: Place, distance: script::Distance) -> Light {
    let far = match distance {
        script::Distance::Near => 0.0,
        script::Distance::Mid => 0.5,
        script::Distance::Far => 1.0,
    };
    match place {
        // The lamp is at the camera: what is far is dark.
        Place::Trail => Light { gain: 0.95 - 0.25 * far, haze: 0.04, haze_colour: [0.2; 3], colour: 0.0, shadow: 0.25 },
        _ => Light { gain: 0.92, haze: 0.14 * far, haze_colour: [0.72, 0.76, 0.72], colour: 0.95, shadow: 0.45 },
    }
}

/// Greens and browns of a place; by infrared leaves are bright.
fn palette(place: Place) -> (Rgb, Rgb, Rgb) {
    match place {
        Place::Feeder => ([0.16, 0.24, 0.09], [0.44, 0.52, 0.24], [0.66, 0.75, 0.80]),
        Place::Trail => ([0.13; 3], [0.44; 3], [0.05; 3]),
        Place::Waterhole => ([0.34, 0.29, 0.15], [0.68, 0.60, 0.36], [0.75, 0.82, 0.88]),
    }
}

fn paint_background(seed: u64, place: Place, size: Size) -> (I420, Option<Water>) {
    let (width, height) = (size.width(), size.height());
    let (dark, bright, sky) = palette(place);
    let horizon = height as f32 * 0.46;
    let mut plate = Plate::filled(width, height, |x, y| {
        let cloud = noise::fractal(seed ^ 9, x as f32 / width as f32 * 4.0, y as f32 / height as f32 * 7.0, 4);
        mix(sky, [0.95; 3], if place == Place::Trail { 0.0 } else { (cloud - 0.35) * 0.8 })
    });
    // A wall of bushes behind, leaf by leaf.
    for n in 0..(width as i64 * 6) {
        let x = noise::unit(seed, n, 1) * width as f32;
        let crown = 0.16 + 0.14 * noise::fractal(seed ^ 4, x / width as f32 * 5.0, 0.0, 3);
        let y = horizon - noise::unit(seed, n, 2).powf(0.7) * height as f32 * crown + height as f32 * 0.02;
        let colour = mix(dark, bright, 0.15 + 0.55 * noise::unit(seed, n, 3));
        plate.leaf((x, y), 3.0 + 6.0 * noise::unit(seed, n, 4), noise::unit(seed, n, 5) * 6.3, colour);
    }
    plate.ground(seed, horizon, dark, bright);
    let trunks = if place == Place::Trail { 4 } else { 1 };
    for n in 0..trunks {
        let x = (n as f32 + 0.15 + 0.7 * noise::unit(seed, n, 11)) / trunks as f32 * width as f32;
        let bark = if place == Place::Trail { [0.42; 3] } else { [0.36, 0.29, 0.22] };
        let root = horizon + height as f32 * 0.06 * noise::unit(seed, n, 12);
        plate.trunk(seed ^ n as u64, (x, root), width as f32 * 0.028, 12.0, 0.6, bark);
    }
    if place == Place::Trail {
        let (cx, cy) = (width as f32 / 2.0, height as f32 * 0.62);
        plate.tint(|x, y, colour| {
            let far = ((x - cx) / width as f32).hypot((y - cy) / height as f32);
            let lit = (1.15 - 1.25 * far).clamp(0.12, 1.0);
            colour.map(|part| part * lit)
        });
    }
    let mut picture = I420::new(size);
    let (luma, blue, red) = picture.planes();
    for y in 0..height {
        for x in 0..width {
            let [cy, cu, cv] = super::frame::yuv(plate.pixels[y * width + x].0);
            luma[y * width + x] = cy;
            if y % 2 == 0 && x % 2 == 0 {
                let at = y / 2 * (width / 2) + x / 2;
                (blue[at], red[at]) = if place == Place::Trail { (128, 128) } else { (cu, cv) };
            }
        }
    }
    let water = (place == Place::Waterhole).then(|| {
        let (top, bottom) = ((height as f32 * 0.50) as usize & !1, (height as f32 * 0.60) as usize & !1);
        Water::new(seed, width, top, bottom, [0.62, 0.70, 0.74], [0.30, 0.38, 0.36])
    });
    (picture, water)
}

/// Tufts of grass and reeds in rows, from far to near; they sway.
fn paint_layers(seed: u64, place: Place, size: Size) -> Vec<Layer> {
    let (width, height) = (size.width() as f32, size.height() as f32);
    let (dark, bright, _) = palette(place);
    let rows: &[(f32, f32, i64)] = match place {
        Place::Feeder => &[(0.56, 0.05, 120), (0.70, 0.07, 60), (0.99, 0.12, 36)],
        Place::Trail => &[(0.55, 0.07, 90), (0.70, 0.08, 50), (1.00, 0.14, 26)],
        Place::Waterhole => &[(0.57, 0.07, 170), (0.69, 0.09, 110), (0.84, 0.11, 60), (1.01, 0.18, 70)],
    };
    let layer = |(n, &(depth, tall, blades)): (usize, &(f32, f32, i64))| {
        let tall_px = tall * height;
        let mut plate = Plate::clear(size.width(), (tall_px * 1.3) as usize + 2);
        for blade in 0..blades * 4 {
            let of = |part: i64| noise::unit(seed ^ (n as u64 + 31), blade, part);
            // In tufts, with gaps between.
            let tuft = (of(1) * blades as f32 / 5.0).floor() / (blades as f32 / 5.0);
            let x = (tuft + 0.03 * noise::bell(seed, blade, n as i64)) * width;
            let colour = mix(dark, bright, 0.35 + 0.65 * of(3));
            let lit = if place == Place::Trail { 0.55 + 0.35 * depth } else { 1.0 };
            let root = plate.height as f32 - 1.0;
            plate.blade(
                (x, root),
                tall_px * (0.45 + 0.8 * of(4)),
                (of(5) - 0.5) * tall_px * 0.7,
                1.2 + 2.6 * depth * of(6),
                colour.map(|it| it * lit),
            );
        }
        let sway = tall_px * if place == Place::Waterhole { 0.32 } else { 0.22 };
        Layer::new(&plate, 0.0, depth * height - plate.height as f32, depth, sway, n as u64)
    };
    rows.iter().enumerate().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_function_of_seed_and_time_and_an_animal_shows_in_it() {
        let size = Size::new(640, 360).unwrap();
        let scene = Scene::new(5, Place::Waterhole, size, 60.0, Some(Traffic::Calm)).unwrap();
        let again = Scene::new(5, Place::Waterhole, size, 60.0, Some(Traffic::Calm)).unwrap();
        let empty = Scene::new(5, Place::Waterhole, size, 60.0, None).unwrap();
        assert!(empty.truth().is_empty());
        let visit = scene.truth().remove(0);
        let moment = (visit.from_secs + visit.to_secs) / 2.0;
        assert_eq!(scene.render(moment).data, again.render(moment).data);
        assert_ne!(scene.render(moment).data, empty.render(moment).data);
        assert_eq!(scene.render(0.5).data, empty.render(0.5).data);
        assert_ne!(scene.render(0.5).data, scene.render(0.7).data, "the wind blows");
    }
}
