//! What a long job tells whoever waits for it.

use crate::raster::Raster;

/// Receiver of progress reports. The library never prints: the terminal and the page implement this.
pub trait Progress: Send {
    /// A stage of `total` steps begins; it replaces the one before.
    fn stage(&mut self, name: &str, total: u64);

    /// Names what is being done now within the stage.
    fn phase(&mut self, _name: &str) {}

    /// What the picture looks like so far, coarser than it will be: `picture` draws it if anyone wants to see it.
    fn glimpse(&mut self, _picture: &dyn Fn() -> Raster) {}

    /// `steps` more of the current stage are done.
    fn advance(&mut self, steps: u64);

    /// Asked now and then by the job; `true` makes it stop early with an error.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Says nothing, never cancels.
pub struct Silent;

impl Progress for Silent {
    fn stage(&mut self, _name: &str, _total: u64) {}
    fn advance(&mut self, _steps: u64) {}
}
