//! How the lattice lies in a picture.

use super::key::{Line, TILE};

/// The linear map from lattice lines to frequencies of the picture at hand: f = M k, in cycles per pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Geometry(pub [[f64; 2]; 2]);

/// The eight symmetries of the square, up to the half turn that the decoder tries anyway.
pub(super) const QUARTERS: [[[i32; 2]; 2]; 4] =
    [[[1, 0], [0, 1]], [[-1, 0], [0, 1]], [[0, -1], [1, 0]], [[0, 1], [1, 0]]];

impl Geometry {
    /// The lattice as embedded, with tiles of `period` = (x, y) pixels, flipped and turned in the four
    /// ways that keep the pixel grid and are not half turns of one another; the first is unturned.
    pub fn on_the_grid(period: [f64; 2]) -> [Geometry; 4] {
        QUARTERS.map(|quarter| Geometry::turned(quarter, period))
    }

    /// The lattice as embedded, turned by `quarter`, with tiles of `period` = (x, y) pixels.
    pub fn turned(quarter: [[i32; 2]; 2], period: [f64; 2]) -> Geometry {
        Geometry([0, 1].map(|i| quarter[i].map(|v| f64::from(v) / period[i])))
    }

    /// The largest difference of an entry, also to the other turned by half a turn, which is the same lattice.
    pub fn distance(&self, other: &Geometry) -> f64 {
        let apart = |sign: f64| {
            let pairs = self.0.as_flattened().iter().zip(other.0.as_flattened());
            pairs.map(|(a, b)| (a - sign * b).abs()).fold(0.0, f64::max)
        };
        apart(1.0).min(apart(-1.0))
    }

    /// Small changes: of each entry by ±`step`, of rotation and of scale by as much.
    pub fn neighbours(&self, step: f64) -> impl Iterator<Item = Geometry> {
        let m = self.0;
        let size = ((m[0][0] * m[1][1] - m[0][1] * m[1][0]).abs()).sqrt().max(f64::MIN_POSITIVE);
        let changes = [
            [[1.0, 0.0], [0.0, 0.0]],
            [[0.0, 1.0], [0.0, 0.0]],
            [[0.0, 0.0], [1.0, 0.0]],
            [[0.0, 0.0], [0.0, 1.0]],
            [[-m[1][0] / size, -m[1][1] / size], [m[0][0] / size, m[0][1] / size]],
            [[m[0][0] / size, m[0][1] / size], [m[1][0] / size, m[1][1] / size]],
        ];
        changes.into_iter().flat_map(move |change| {
            [step, -step].map(|step| Geometry([0, 1].map(|i| [0, 1].map(|j| m[i][j] + step * change[i][j]))))
        })
    }

    /// Frequency of the point (x, y) of the lattice.
    #[inline]
    pub fn frequency(&self, x: f64, y: f64) -> [f64; 2] {
        let m = &self.0;
        [m[0][0] * x + m[0][1] * y, m[1][0] * x + m[1][1] * y]
    }

    /// The larger of a line's frequencies along x and y.
    pub fn reach(&self, line: Line) -> f64 {
        let [x, y] = self.frequency(f64::from(line.x), f64::from(line.y));
        x.abs().max(y.abs())
    }

    pub fn half_turned(&self) -> Geometry {
        Geometry(self.0.map(|row| row.map(|v| -v)))
    }

    /// What people can read; `shift` is the phase ramp d of the lines, exp(2πi k·d / 61).
    pub fn pose(&self, shift: [f64; 2]) -> Pose {
        let [[a, b], [c, d]] = self.0;
        let determinant = a * d - b * c;
        // M = R(θ) · F / period with F = diag(−1, 1) when mirrored; F goes first.
        let mirrored = determinant < 0.0;
        let sign = if mirrored { -1.0 } else { 1.0 };
        let degrees = (sign * c).atan2(sign * a).to_degrees();
        // The tile's origin x0 in the picture: Mᵀ x0 = −d / 61.
        let wrapped = shift.map(|v| v - TILE * (v / TILE).round());
        let x0 = -(d * wrapped[0] - c * wrapped[1]) / (TILE * determinant);
        let y0 = -(a * wrapped[1] - b * wrapped[0]) / (TILE * determinant);
        Pose {
            // −180 and 180 are one angle.
            rotation_degrees: if degrees <= -180.0 + 1e-9 { 180.0 } else { degrees + 0.0 },
            mirrored,
            scale: 1.0 / (determinant.abs().sqrt() * TILE),
            shift: [x0 + 0.0, y0 + 0.0],
        }
    }
}

/// How a marked picture has been turned, mirrored and scaled since it was marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Clockwise as seen, after mirroring left and right; in (−180, 180].
    pub rotation_degrees: f64,
    pub mirrored: bool,
    /// Size of a tile now, over 61 pixels. A picture whose short side was over 1024 pixels is marked
    /// with tiles that much larger.
    pub scale: f64,
    /// Where the nearest tile's origin is, from the pixel (width / 2, height / 2), in pixels (x, y);
    /// (0, 0) when nothing was cropped.
    pub shift: [f64; 2],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pose_of_every_symmetry_of_the_square_is_told() {
        let mut seen = Vec::new();
        for geometry in Geometry::on_the_grid([TILE, TILE]) {
            for geometry in [geometry, geometry.half_turned()] {
                let pose = geometry.pose([0.0, 0.0]);
                assert!((pose.scale - 1.0).abs() < 1e-12);
                seen.push((pose.mirrored, pose.rotation_degrees.round() as i32));
            }
        }
        seen.sort_unstable();
        let all = [-90, 0, 90, 180];
        let expected: Vec<(bool, i32)> =
            [false, true].into_iter().flat_map(|m| all.map(|degrees| (m, degrees))).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_phase_ramp_is_the_place_of_the_tile() {
        let upright = Geometry::on_the_grid([2.0 * TILE, 2.0 * TILE])[0];
        // Cropping 10 pixels at the left moves the origin 10 pixels to the left.
        let pose = upright.pose([5.0, TILE - 1.0]);
        assert!((pose.scale - 2.0).abs() < 1e-12);
        assert!((pose.shift[0] + 10.0).abs() < 1e-9 && (pose.shift[1] - 2.0).abs() < 1e-9);
    }
}
