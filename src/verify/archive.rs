//! What verification asks of a workspace, opened for reading alone.

use crate::catalog::Catalog;
use crate::keys::Keys;
use crate::objects::Objects;
use crate::workspace::Workspace;

use super::Memory;

/// Everything of a workspace that can be read; one without a catalog yet has none.
pub struct Archive {
    pub catalog: Option<Catalog>,
    pub objects: Objects,
    pub watermark_key: Option<[u8; 32]>,
    pub anchors: Vec<String>,
    /// What could not be read; verification goes on without it.
    pub notes: Vec<String>,
}

impl Archive {
    pub fn open(workspace: &Workspace) -> Self {
        let mut notes = Vec::new();
        let path = workspace.database();
        let catalog = path.exists().then(|| Catalog::open_read_only(&path)).and_then(|opened| match opened {
            Ok(catalog) => Some(catalog),
            // Manifest and watermark can be read all the same.
            Err(error) => {
                notes.push(format!("the catalog could not be asked: {error}"));
                None
            }
        });
        // Less trust is the safe side.
        let anchors = Keys::trusted(workspace).map(|keys| keys.anchors).unwrap_or_else(|error| {
            notes.push(format!("no signer is trusted: {error}"));
            Vec::new()
        });
        Archive {
            catalog,
            objects: Objects::at(workspace.objects()),
            watermark_key: Keys::watermark_key_at(&workspace.keys()),
            anchors,
            notes,
        }
    }

    /// What it remembers; `None` without a catalog.
    pub fn memory(&self) -> Option<Memory<'_>> {
        let catalog = self.catalog.as_ref()?;
        Some(Memory { catalog, objects: &self.objects, watermark_key: self.watermark_key })
    }
}
