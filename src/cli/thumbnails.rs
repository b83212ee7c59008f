//! Small pictures of what is on record, for pages that can be mailed.

use std::cell::Cell;

use crate::html::data_uri;
use crate::lineage::{Graph, Node, Role};
use crate::objects::Objects;
use crate::raster::{self, Format, Limits};
use crate::release;

/// Long side in pixels.
const SIDE: u32 = 240;
/// More would make the page too large for mail; what is beyond is told of in words.
const MOST: u32 = 300;

pub struct Thumbnails<'a> {
    objects: &'a Objects,
    left: Cell<u32>,
}

impl<'a> Thumbnails<'a> {
    pub fn new(objects: &'a Objects) -> Self {
        Thumbnails { objects, left: Cell::new(MOST) }
    }

    /// The address of one, where its picture is there and whole. Outputs say of themselves what they are.
    pub fn of(&self, node: &Node, graphs: &[Graph]) -> Option<String> {
        self.left.set(self.left.get().checked_sub(1)?);
        let file = self.objects.get(&node.sha256).ok()?;
        let picture = raster::decode(&file, &Limits::default()).ok()?.raster.flatten();
        let picture = picture.within(SIDE).to_eight();
        let file = match node.role {
            Role::Reference => raster::encode(&picture, Format::Jpeg, 85).ok()?,
            Role::Output => {
                let made = |graph: &&Graph| graph.node(&node.id).is_some();
                let graph = graphs.iter().find(made)?;
                let edge = graph.edges.iter().find(|edge| edge.output.as_ref() == Some(&node.id))?;
                let source = graph.node(&edge.reference).map(|reference| reference.sha256);
                release::thumbnail(&picture, &edge.engine, "", source).ok()?
            }
        };
        Some(data_uri(Format::Jpeg.mime(), &file))
    }
}
