//! Fills areas with what fits them best of all equally large areas of the same picture, brought to the shade around
//! by what differs along the frame.

use crate::raster::Plane;

use super::super::super::Area;

/// Width of the frame around an area by which the fit is judged, in pixels.
const FRAME: usize = 5;
/// Pixels of the frame that are compared, and that the difference is taken from, at most.
const COMPARED: usize = 1000;
const KNOWN: usize = 300;
/// Places that are tried along each side of the picture, at most.
const PLACES: usize = 120;

/// `planes` with every one of `areas` filled.
pub fn fill(planes: &[Plane], areas: &[Area]) -> Vec<Plane> {
    let mut planes = planes.to_vec();
    for area in areas {
        if let Some(from) = best(&planes, area, areas) {
            planes = planes.iter().map(|plane| copied(plane, area, from, areas)).collect();
        } else {
            // Nowhere else is room: the mean of the rest.
            planes = planes.iter().map(|plane| flat(plane, area)).collect();
        }
    }
    planes
}

/// Left and top of the place whose frame is most alike, clear of all areas.
fn best(planes: &[Plane], area: &Area, areas: &[Area]) -> Option<(usize, usize)> {
    let (width, height) = (planes[0].width(), planes[0].height());
    let all = frame(area, width, height);
    let clear = |at: &&(usize, usize)| areas.iter().all(|other| !other.holds(at.0, at.1));
    let framed: Vec<(usize, usize)> =
        all.iter().step_by(all.len().div_ceil(COMPARED).max(1)).filter(clear).copied().collect();
    let (across, down) = (width - area.width, height - area.height);
    let stride = |room: usize| room.div_ceil(PLACES).max(1);
    let mut found: Option<(f64, (usize, usize))> = None;
    for top in (0..=down).step_by(stride(down)) {
        for left in (0..=across).step_by(stride(across)) {
            let there = Area { left, top, ..*area };
            if areas.iter().any(|other| other.overlaps(&there)) {
                continue;
            }
            let at = |x: usize, y: usize| {
                let (x, y) = ((x + left).checked_sub(area.left)?, (y + top).checked_sub(area.top)?);
                (x < width && y < height).then_some((x, y))
            };
            let (mut sum, mut count) = (0.0f64, 0u32);
            for (x, y) in &framed {
                let Some((i, j)) = at(*x, *y) else { continue };
                if areas.iter().any(|other| other.holds(i, j)) {
                    continue;
                }
                sum += planes.iter().map(|p| f64::from(p.at(*x, *y) - p.at(i, j)).powi(2)).sum::<f64>();
                count += 1;
            }
            let cost = if count > 0 { sum / f64::from(count) } else { f64::MAX };
            if found.is_none_or(|(least, _)| cost < least) {
                found = Some((cost, (left, top)));
            }
        }
    }
    found.map(|(_, place)| place)
}

/// Every second pixel of the frame around an area.
fn frame(area: &Area, width: usize, height: usize) -> Vec<(usize, usize)> {
    let outer = Area {
        left: area.left.saturating_sub(FRAME),
        top: area.top.saturating_sub(FRAME),
        width: area.width + 2 * FRAME,
        height: area.height + 2 * FRAME,
    };
    let columns = outer.left..(outer.left + outer.width).min(width);
    let rows = outer.top..(outer.top + outer.height).min(height);
    let all = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
    all.filter(|(x, y)| (x + y) % 2 == 0 && !area.holds(*x, *y)).collect()
}

/// The area from another place, plus the difference along the frame by inverse squared distance (Shepard 1968).
fn copied(plane: &Plane, area: &Area, (left, top): (usize, usize), areas: &[Area]) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let there = |x: usize, y: usize| {
        let (x, y) = ((x + left).checked_sub(area.left)?, (y + top).checked_sub(area.top)?);
        (x < width && y < height).then(|| plane.at(x, y))
    };
    let framed = frame(area, width, height);
    let clear = |at: &&(usize, usize)| areas.iter().all(|other| !other.holds(at.0, at.1));
    let known: Vec<(f32, f32, f32)> = framed
        .iter()
        .step_by(framed.len().div_ceil(KNOWN).max(1))
        .filter(clear)
        .filter_map(|(x, y)| Some((*x as f32, *y as f32, plane.at(*x, *y) - there(*x, *y)?)))
        .collect();
    let difference = |x: f32, y: f32| {
        let weigh = |(i, j, d): &(f32, f32, f32)| {
            let weight = 1.0 / ((x - i).powi(2) + (y - j).powi(2)).max(1.0);
            (weight, weight * d)
        };
        let (total, sum) = known.iter().map(weigh).fold((0.0, 0.0), |(t, s), (w, d)| (t + w, s + d));
        if total > 0.0 { sum / total } else { 0.0f32 }
    };
    Plane::from_fn(width, height, |x, y| match area.holds(x, y) {
        true => (plane.at(x - area.left + left, y - area.top + top) + difference(x as f32, y as f32))
            .clamp(0.0, 1.0),
        false => plane.at(x, y),
    })
}

fn flat(plane: &Plane, area: &Area) -> Plane {
    let (width, height) = (plane.width(), plane.height());
    let outside = (0..width * height).filter(|i| !area.holds(i % width, i / width));
    let (sum, count) = outside.fold((0.0f64, 0usize), |(s, n), i| (s + f64::from(plane.data()[i]), n + 1));
    let mean = if count > 0 { (sum / count as f64) as f32 } else { 0.5 };
    Plane::from_fn(width, height, |x, y| if area.holds(x, y) { mean } else { plane.at(x, y) })
}
