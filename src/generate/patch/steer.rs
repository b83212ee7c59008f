//! What the drafts of a layout are steered towards: the share of the arrangement that the strength is to keep.
//!
//! The same noise leaves much of one picture's arrangement and little of another's, and by lot much or little of the
//! same one's. So each draft is pushed by what the one before came to.

use super::schedule::Schedule;

/// Halves the range of pushes from draft to draft.
pub struct Steer {
    aim: f64,
    /// Nothing to push where nothing of the reference is shown: chance alone decides then.
    pushes: bool,
    low: f64,
    high: f64,
}

impl Steer {
    pub fn new(schedule: &Schedule) -> Self {
        Steer { aim: schedule.aim(), pushes: schedule.shown() > 0.0, low: -1.0, high: 1.0 }
    }

    /// How hard the next draft is to be pushed away from the reference, -1..=1.
    pub fn push(&self) -> f64 {
        if self.pushes { (self.low + self.high) / 2.0 } else { 0.0 }
    }

    /// Takes note of how much of the arrangement that draft kept, -1..=1.
    pub fn learn(&mut self, kept: f64) {
        let push = self.push();
        if kept > self.aim { self.low = push } else { self.high = push }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pyramid::Pyramid;
    use super::*;
    use crate::quantity::Strength;

    fn steer(strength: f64) -> Steer {
        let strength = Strength::new(strength).expect("within 0..=1");
        Steer::new(&Schedule::new(strength, &Pyramid::new(320, 201)))
    }

    #[test]
    fn drafts_close_in_on_the_push_that_keeps_what_the_strength_asks_for() {
        let mut steer = steer(0.6);
        // What is kept falls with the push, and meets the aim of 0.84 at 0.3.
        let kept = |push: f64| 0.84 - (push - 0.3);
        for _ in 0..8 {
            steer.learn(kept(steer.push()));
        }
        assert!((steer.push() - 0.3).abs() < 0.02, "{}", steer.push());
    }

    #[test]
    fn where_nothing_is_shown_nothing_is_pushed() {
        let mut steer = steer(1.0);
        steer.learn(0.9);
        assert_eq!(steer.push(), 0.0);
    }
}
