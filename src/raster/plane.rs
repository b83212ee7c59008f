//! One channel of floating-point values.

/// A rectangle of `f32`, row by row from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    width: usize,
    height: usize,
    data: Vec<f32>,
}

impl Plane {
    /// # Panics
    /// If `data` does not hold `width × height` values.
    pub fn new(width: usize, height: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), width * height, "values of a {width}×{height} plane");
        Plane { width, height, data }
    }

    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Plane { width, height, data: vec![value; width * height] }
    }

    /// A plane computed pixel by pixel from (x, y).
    pub fn from_fn(width: usize, height: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| f(x, y)));
        }
        Plane { width, height, data }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn data(&self) -> &[f32] {
        &self.data
    }

    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    #[inline]
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    pub fn map(&self, f: impl Fn(f32) -> f32) -> Plane {
        Plane { width: self.width, height: self.height, data: self.data.iter().map(|v| f(*v)).collect() }
    }

    /// `f` of this and `other`, value by value.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn zip(&self, other: &Plane, f: impl Fn(f32, f32) -> f32) -> Plane {
        assert_eq!((self.width, self.height), (other.width, other.height), "planes of one size");
        let data = self.data.iter().zip(&other.data).map(|(a, b)| f(*a, *b)).collect();
        Plane { width: self.width, height: self.height, data }
    }

    /// Mean of all values; summed in double precision, in order.
    pub fn mean(&self) -> f64 {
        self.data.iter().map(|v| f64::from(*v)).sum::<f64>() / self.data.len().max(1) as f64
    }

    /// Standard deviation of all values.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        let sum: f64 = self.data.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
        (sum / self.data.len().max(1) as f64).sqrt()
    }

    /// Correlation with a plane of the same size, −1..=1; 0 where one of them is flat.
    pub fn correlation(&self, other: &Plane) -> f64 {
        let (own, others) = (self.mean(), other.mean());
        let pairs = self.data.iter().zip(&other.data);
        let sum: f64 = pairs.map(|(a, b)| (f64::from(*a) - own) * (f64::from(*b) - others)).sum();
        sum / self.data.len().max(1) as f64 / (self.std() * other.std()).max(1e-9)
    }

    /// Bilinear value at (x, y) in pixel-centre coordinates, edge values repeated outside.
    #[inline]
    pub fn bilinear(&self, x: f32, y: f32) -> f32 {
        let x = x.clamp(0.0, (self.width - 1) as f32);
        let y = y.clamp(0.0, (self.height - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let top = self.at(x0, y0) + (self.at(x1, y0) - self.at(x0, y0)) * fx;
        let bottom = self.at(x0, y1) + (self.at(x1, y1) - self.at(x0, y1)) * fx;
        top + (bottom - top) * fy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_correlates_with_itself_against_its_negative_and_not_with_a_flat_one() {
        let plane = Plane::from_fn(9, 7, |x, y| (x * y % 5) as f32);
        assert!((plane.correlation(&plane.map(|v| 3.0 * v + 1.0)) - 1.0).abs() < 1e-9);
        assert!((plane.correlation(&plane.map(|v| -v)) + 1.0).abs() < 1e-9);
        assert_eq!(plane.correlation(&Plane::filled(9, 7, 0.5)), 0.0);
    }
}
