//! What this workspace knows of a reference: whose copy it is, how far from an original, and what was said of it.

use super::prepare::Reference;
use crate::catalog::{Catalog, CatalogError, Picture};
use crate::policy::Subject;
use crate::workspace::Workspace;

/// The past of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Id of the output of ours that it is a copy of.
    pub(super) copy_of: Option<String>,
    /// The generation that a variation of it would be: 1 for that of an original.
    pub generation: u32,
    /// What was said of it before, and of everything that it was made from.
    pub said: Subject,
}

impl Past {
    pub fn of(reference: &Reference, catalog: &Catalog, workspace: &Workspace) -> Result<Self, CatalogError> {
        let copy_of = reference.original(catalog, workspace)?;
        let picture = Picture {
            sha256: reference.sha256,
            pixels_sha256: reference.pixels,
            copy_of: copy_of.as_deref(),
        };
        let (generation, said) = (catalog.next_generation(&picture)?, catalog.said_of(&picture)?);
        Ok(Past { copy_of, generation, said })
    }
}
