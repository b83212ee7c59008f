//! What the drafts of a layout are steered towards: the share of the arrangement that the strength is to keep.
//!
//! The same noise leaves much of one picture's arrangement and little of another's, and by lot much or little of the
//! same one's. So each draft is pushed by what the one before came to, and the draft that is kept is near the aim.

use super::schedule::Schedule;

/// Miss that makes a draft count twice as bad in style, where drafts can be pushed and where they cannot.
const TOLERANCE: f64 = 0.08;
const LOOSE: f64 = 0.3;

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

    /// How bad a draft is that is so far from the reference in style and keeps so much of its arrangement.
    pub fn badness(&self, style: f64, kept: f64) -> f64 {
        let tolerance = if self.pushes { TOLERANCE } else { LOOSE };
        style * (1.0 + ((kept - self.aim) / tolerance).powi(2))
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
    fn a_draft_near_the_aim_is_better_than_one_of_better_style_that_missed_it() {
        let steer = steer(0.6);
        assert!(steer.badness(0.5, 0.85) < steer.badness(0.4, 0.95));
        assert!(steer.badness(0.4, 0.86) < steer.badness(0.5, 0.84));
    }

    #[test]
    fn where_nothing_is_shown_nothing_is_pushed() {
        let mut steer = steer(1.0);
        steer.learn(0.9);
        assert_eq!(steer.push(), 0.0);
    }
}
