//! What a picture looks like on its way, written where the user can watch it.

use std::path::{Path, PathBuf};

use super::commands::same_file;
use super::error::Failure;
use super::files;
use crate::generate::Description;
use crate::raster::Raster;
use crate::release::{self, Order, Reference};

/// Writes the glimpses of one variation beside each other, as `NAME-preview-1.png` and so on.
pub struct Preview<'a> {
    folder: &'a Path,
    order: &'a Order,
    engine: Description,
    reference: &'a Reference,
    /// The reference's own file.
    source: &'a Path,
    written: Vec<PathBuf>,
    failure: Option<Failure>,
}

impl<'a> Preview<'a> {
    /// Of what `engine` makes of `reference`, the file `source`, by `order`.
    pub fn new(
        folder: &'a Path,
        order: &'a Order,
        engine: Description,
        reference: &'a Reference,
        source: &'a Path,
    ) -> Self {
        Preview { folder, order, engine, reference, source, written: Vec::new(), failure: None }
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
        let in_part = self.order.request().is_some_and(|request| request.mask.is_some());
        let source = Some(self.reference.sha256);
        let file = release::glimpse(picture, &self.engine, source, in_part).map_err(Failure::new)?;
        let name = self.order.out.file_stem().unwrap_or_default().to_string_lossy();
        let path = self.folder.join(format!("{name}-preview-{}.png", self.written.len() + 1));
        if same_file(&path, self.source) {
            return Err(Failure::at(path.display(), "is the reference, which stays as it is"));
        }
        files::write(&path, &file, self.order.overwrite)?;
        self.written.push(path);
        Ok(())
    }

    /// Ends it, and gives what there is to say. What was written stays if the picture was `released`: nothing is
    /// left of a draft that was refused.
    pub fn end(self, released: bool) -> Option<String> {
        if !released {
            let remove = |path: &PathBuf| {
                let error = std::fs::remove_file(path).err()?;
                Some(format!("{}: cannot be taken back: {}", path.display(), files::explain(&error)))
            };
            let stuck: Vec<String> = self.written.iter().filter_map(remove).collect();
            return (!stuck.is_empty()).then(|| stuck.join("; "));
        }
        match self.failure {
            Some(failure) => Some(format!("no more previews: {failure}")),
            None if self.written.is_empty() => {
                Some(format!("no previews: engine {} showed nothing on the way", self.engine.name))
            }
            None => None,
        }
    }
}
