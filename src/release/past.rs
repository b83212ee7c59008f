//! What this workspace knows of a reference: whose copy it is, how far from an original, and what was said of it.

use super::prepare::Reference;
use crate::catalog::{Catalog, CatalogError, Picture};
use crate::objects::Objects;
use crate::policy::Subject;
use crate::verify::Memory;
use crate::watermark::Said;
use crate::workspace::Workspace;

/// The past of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The output of ours that it is a copy of, by its watermark: source prefix and nonce.
    pub(super) payload: Option<(u64, u32)>,
    /// The generation that a variation of it would be: 1 for that of an original.
    pub generation: u32,
    /// What was said of it before, and of everything that it was made from.
    pub said: Subject,
}

impl Past {
    pub fn of(reference: &Reference, catalog: &Catalog, workspace: &Workspace) -> Result<Self, CatalogError> {
        let payload = payload(reference, catalog, workspace)?;
        let picture = Picture { sha256: reference.sha256, pixels_sha256: reference.pixels, payload };
        Ok(Past { payload, generation: catalog.next_generation(&picture)?, said: catalog.said_of(&picture)? })
    }
}

/// The payload of the reference's own watermark: it may be an output of ours under another name.
fn payload(
    reference: &Reference,
    catalog: &Catalog,
    workspace: &Workspace,
) -> Result<Option<(u64, u32)>, CatalogError> {
    let said = match &reference.watermark {
        Some(Said::Whole(payload)) => return Ok(Some((payload.source_prefix(), payload.nonce()))),
        Some(said @ Said::Brief(_)) => said,
        None => return Ok(None),
    };
    // So few bits fit many outputs: the looks decide.
    let objects = Objects::at(workspace.objects());
    let memory = Memory { catalog, objects: &objects, watermark_key: None };
    let Some(original) = memory.original(&reference.raster, said)? else { return Ok(None) };
    let facts = catalog.facts(&original.id)?;
    Ok(facts.and_then(|facts| facts.source_prefix.zip(facts.nonce)))
}
