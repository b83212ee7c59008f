//! Which references spawned which outputs.

mod render;

pub use render::{dot, mermaid, tree};

use serde::Serialize;

use crate::digest::Digest;

/// What a picture is in a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Reference,
    Output,
}

/// A picture (PROV: entity).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    pub id: String,
    pub role: Role,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub title: String,
    pub created: String,
}

/// A run (PROV: activity): from a reference to an output, or to a refusal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    pub run: String,
    pub reference: String,
    pub output: Option<String>,
    pub engine: String,
    pub strength: f64,
    pub seed: u64,
    pub deviation: Option<f64>,
    pub refusal: Option<String>,
}

/// Everything connected with one picture, references first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    /// The picture that was asked for.
    pub focus: String,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

impl Graph {
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Pictures that no run made; where runs go in a circle, the picture that was asked for.
    pub fn roots(&self) -> Vec<&Node> {
        let made = |id: &str| self.edges.iter().any(|edge| edge.output.as_deref() == Some(id));
        let roots: Vec<&Node> = self.nodes.iter().filter(|node| !made(&node.id)).collect();
        if roots.is_empty() { self.node(&self.focus).into_iter().collect() } else { roots }
    }
}
