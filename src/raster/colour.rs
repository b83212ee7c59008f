//! Embedded ICC profiles to sRGB: the door of `moxcms`.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::{Channels, Samples};

/// Samples as sRGB under the embedded profile `icc`; `None` where the profile cannot be used
/// (damaged, of another colour space, sRGB already), and the samples then stand as they are.
pub fn to_srgb(samples: &Samples, channels: Channels, icc: &[u8]) -> Option<Samples> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    let (space, layout) = match channels {
        Channels::Grey => (DataColorSpace::Gray, Layout::Gray),
        Channels::Rgb => (DataColorSpace::Rgb, Layout::Rgb),
    };
    if profile.color_space != space {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    // Grey goes through neutral RGB: sRGB has no grey profile of its own with the same curve.
    let pixels = samples.len() / channels.count();
    match samples {
        Samples::Eight(source) => {
            let transform = profile.create_transform_8bit(layout, &srgb, Layout::Rgb, options).ok()?;
            let mut target = vec![0; pixels * 3];
            transform.transform(source, &mut target).ok()?;
            Some(Samples::Eight(keep(target, channels)))
        }
        Samples::Sixteen(source) => {
            let transform = profile.create_transform_16bit(layout, &srgb, Layout::Rgb, options).ok()?;
            let mut target = vec![0; pixels * 3];
            transform.transform(source, &mut target).ok()?;
            Some(Samples::Sixteen(keep(target, channels)))
        }
    }
}

fn keep<T: Copy>(rgb: Vec<T>, channels: Channels) -> Vec<T> {
    match channels {
        Channels::Rgb => rgb,
        Channels::Grey => rgb.into_iter().skip(1).step_by(3).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_srgb_profile_changes_next_to_nothing() {
        let icc = ColorProfile::new_srgb().encode().expect("a built-in profile encodes");
        let source = Samples::Eight((0..=254).collect());
        let Some(Samples::Eight(target)) = to_srgb(&source, Channels::Rgb, &icc) else {
            panic!("an RGB profile applies to RGB samples");
        };
        assert!(target.iter().zip(0u8..=254).all(|(a, b)| a.abs_diff(b) <= 1));
    }

    #[test]
    fn a_wide_gamut_profile_changes_saturated_colours() {
        let icc = ColorProfile::new_display_p3().encode().expect("a built-in profile encodes");
        let source = Samples::Eight(vec![60, 200, 60]);
        let target = to_srgb(&source, Channels::Rgb, &icc).expect("the profile applies");
        assert_ne!(target, source);
    }

    #[test]
    fn a_profile_of_another_space_or_no_profile_at_all_is_left_alone() {
        let icc = ColorProfile::new_srgb().encode().expect("a built-in profile encodes");
        assert!(to_srgb(&Samples::Eight(vec![1, 2]), Channels::Grey, &icc).is_none());
        assert!(to_srgb(&Samples::Eight(vec![1, 2, 3]), Channels::Rgb, b"no profile").is_none());
    }
}
