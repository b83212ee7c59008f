//! What a picture looks like on its way, written where the user can watch it.

use std::path::{Path, PathBuf};

use super::error::Failure;
use super::files;
use crate::generate::Description;
use crate::raster::Raster;
use crate::release::{self, Reference};

/// Writes the glimpses of one variation as `NAME-preview-1.png` and so on.
pub struct Preview<'a> {
    folder: &'a Path,
    /// What the files' names begin with.
    name: String,
    engine: Description,
    reference: &'a Reference,
    in_part: bool,
    overwrite: bool,
    written: Vec<PathBuf>,
    failure: Option<Failure>,
}

impl<'a> Preview<'a> {
    /// Of a variation of `reference` by `engine`, the whole of it or a part.
    pub fn new(
        folder: &'a Path,
        name: String,
        engine: Description,
        reference: &'a Reference,
        in_part: bool,
        overwrite: bool,
    ) -> Self {
        Preview { folder, name, engine, reference, in_part, overwrite, written: Vec::new(), failure: None }
    }

    /// Writes one more, unless one could not be written before.
    pub fn show(&mut self, picture: &Raster) {
        if self.failure.is_none()
            && let Err(failure) = self.write(picture)
        {
            self.failure = Some(failure);
        }
    }

    fn write(&mut self, picture: &Raster) -> Result<(), Failure> {
        let file =
            release::glimpse(picture, &self.engine, self.reference, self.in_part).map_err(Failure::new)?;
        let path = self.folder.join(format!("{}-preview-{}.png", self.name, self.written.len() + 1));
        files::write(&path, &file, self.overwrite)?;
        self.written.push(path);
        Ok(())
    }

    /// Takes away what was written: nothing is left of a draft that was refused.
    pub fn take_back(&mut self) {
        for path in self.written.drain(..) {
            if let Err(error) = std::fs::remove_file(&path) {
                self.failure = Some(Failure::at(path.display(), files::explain(&error)));
            }
        }
    }

    /// What could not be written, if anything.
    pub fn failure(self) -> Option<Failure> {
        self.failure
    }
}
