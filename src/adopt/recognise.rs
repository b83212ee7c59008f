//! Pictures that need no adoption: those that carry our marks, were adopted before, or say that they were taken from life.

use crate::catalog::{Catalog, CatalogError, Role};
use crate::manifest::Reading;
use crate::release::Reference;
use crate::workspace::Workspace;

/// Why a picture is not adopted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Known {
    #[error("it is an output of this workspace, or a copy of one: {asset}")]
    Ours { asset: String },
    #[error("it was adopted before, as {asset}")]
    Adopted { asset: String },
    #[error(
        "it bears a mark of this program, from source {source_prefix}…: it is labelled as AI-derived already"
    )]
    Marked { source_prefix: String },
    #[error(
        "its own manifest says that it was captured from life: adopted, it would be labelled as AI-derived"
    )]
    Captured,
}

/// What is known of `image` that speaks against adopting it.
///
/// # Errors
/// When the catalog cannot be asked.
pub fn recognise(
    image: &Reference,
    catalog: &Catalog,
    workspace: &Workspace,
) -> Result<Option<Known>, CatalogError> {
    if let Some(asset) = catalog.adopted_as(&image.sha256)? {
        return Ok(Some(Known::Adopted { asset: asset.id }));
    }
    let own = catalog.by_sha256(&image.sha256)?.filter(|asset| asset.role == Role::Output);
    if let Some(asset) = own.map(|asset| asset.id).or(image.original(catalog, workspace)?) {
        return Ok(Some(Known::Ours { asset }));
    }
    if let Some(said) = &image.watermark {
        return Ok(Some(Known::Marked { source_prefix: said.source_prefix() }));
    }
    let captured = image.manifest.as_ref().is_some_and(Reading::says_captured);
    Ok(captured.then_some(Known::Captured))
}
