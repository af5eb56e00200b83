//! Pictures as decoders give them: each layout, with rows longer than their pixels.

use super::*;

/// 6 x 4 px of one colour in a layout; whatever lies between the rows is 255.
fn decoded(format: gst_video::VideoFormat, y: u8, u: u8, v: u8) -> Picture {
    gst::init().unwrap();
    let info = gst_video::VideoInfo::builder(format, 6, 4).build().unwrap();
    let mut data = vec![255_u8; info.size()];
    let planes: &[(usize, &[u8])] = match info.n_planes() {
        1 => &[(1, &[y])],
        2 => &[(1, &[y]), (2, &[u, v])],
        _ => &[(1, &[y]), (1, &[u]), (1, &[v])],
    };
    for (plane, (_, values)) in planes.iter().enumerate() {
        let component = plane.min(1);
        let (width, height) = (info.comp_width(component as u8), info.comp_height(component as u8));
        for row in 0..height as usize {
            let start = info.offset()[plane] + row * info.stride()[plane] as usize;
            for pixel in data[start..start + width as usize * values.len()].chunks_exact_mut(values.len()) {
                pixel.copy_from_slice(values);
            }
        }
    }
    Picture::decoded(gst::Buffer::from_mut_slice(data), &info).unwrap()
}

#[test]
fn every_layout_is_rendered_in_its_colour_and_nothing_between_its_rows_is_seen() {
    let mut resizer = Resizer::new();
    let mut canvas = Canvas::default();
    for format in FORMATS {
        let grey = format == gst_video::VideoFormat::Gray8;
        let picture = decoded(format, 81, 90, 240);
        // BT.601's red, to its own edge and a little beyond what rounding may take.
        let wanted = if grey { None } else { Some([254, 0, 0]) };
        for (width, height) in [(6, 4), (3, 2), (12, 9)] {
            let image = picture.render(picture.area(), width, height, &mut resizer).unwrap();
            let first = image.get_pixel(0, 0).0;
            assert!(image.pixels().all(|it| it.0 == first), "{format:?} {width}x{height}: {image:?}");
            match wanted {
                Some(wanted) => {
                    assert!(first.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 2), "{format:?}: {first:?}");
                }
                None => assert!(first[0] == first[1] && first[1] == first[2], "{first:?}"),
            }
            let again = picture.render_on(picture.area(), width, height, &mut resizer, &mut canvas).unwrap();
            assert_eq!(again, image.as_raw().as_slice(), "over what an earlier rendering left");
        }
        let luma = picture.luma(3, 2, &mut resizer).unwrap();
        assert!(luma.pixels().all(|it| it.0 == [81]), "{format:?}: {luma:?}");
        let colourful = picture.colourfulness(&mut resizer).unwrap();
        assert!(if grey { colourful == 0.0 } else { colourful > 0.9 }, "{format:?}: {colourful}");
    }
}

#[test]
fn a_buffer_that_is_too_small_and_an_area_outside_are_refused() {
    gst::init().unwrap();
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 6, 4).build().unwrap();
    let short = gst::Buffer::from_mut_slice(vec![0_u8; info.size() / 2]);
    assert!(matches!(Picture::decoded(short, &info), Err(PictureError::Buffer(_))));
    let picture = decoded(gst_video::VideoFormat::I420, 81, 90, 240);
    let outside = Area { x: 6.0, ..picture.area() };
    let refused = picture.render(outside, 3, 2, &mut Resizer::new());
    assert!(matches!(refused, Err(PictureError::Area(..))), "{refused:?}");
}
