//! Which references spawned which outputs.

mod page;
mod render;

pub use page::html;
pub(crate) use page::{counts, rows, sentence};
pub use render::{dot, mermaid, tree};

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;

pub use crate::catalog::Role;
use crate::catalog::{Adoption, Asset, Catalog, CatalogError, Compared, Derived, strength_told};
use crate::digest::Digest;

/// A lineage larger than this is cut: nobody reads it, and a catalog may be hostile.
const LARGEST: usize = 10_000;

/// A picture (PROV: entity).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    pub id: String,
    pub role: Role,
    pub sha256: Digest,
    pub pixels_sha256: Digest,
    pub title: String,
    /// The output that this reference is a copy of.
    pub copy_of: Option<String>,
    pub created: String,
}

/// A run (PROV: activity): from a reference to an output, or to a refusal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    pub run: String,
    pub reference: String,
    pub output: Option<String>,
    /// Or the tool that is said to have made it elsewhere.
    pub engine: String,
    /// `None` where nobody knows.
    pub strength: Option<f64>,
    /// Decimal digits: 64 bits do not fit the numbers of JSON. `None` where nobody knows.
    pub seed: Option<String>,
    /// For a picture that was made elsewhere: all of this is somebody's word.
    pub adopted: Option<Adoption>,
    pub deviation: Option<f64>,
    /// The same from what else was on record; `None` where it was compared with its own reference alone.
    pub compared: Option<Compared>,
    /// Whether two people released it below a limit.
    pub overridden: bool,
    pub refusal: Option<String>,
}

/// Everything connected with one picture, references first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    /// The picture that was asked for; empty where none was.
    pub focus: String,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

/// The lineage of `asset`: everything it came from, and everything that came from any of that.
///
/// # Errors
/// When the catalog cannot be read.
pub fn lineage(catalog: &Catalog, asset: &Asset) -> Result<Graph, CatalogError> {
    let mut graph = Graph { focus: asset.id.clone(), nodes: Vec::new(), edges: Vec::new() };
    let mut seen = BTreeSet::from([asset.id.clone()]);
    let mut drawn = BTreeSet::new();
    let mut queue = VecDeque::from([asset.clone()]);
    while let Some(asset) = queue.pop_front() {
        let made_by = catalog.made_by(&asset.id)?;
        let made_from = catalog.made_from(&asset.id)?;
        let mut near: Vec<String> = made_by.iter().map(|run| run.reference.clone()).collect();
        near.extend(made_from.iter().filter_map(|run| run.output.clone()));
        near.extend(asset.copy_of.clone());
        near.extend(catalog.copies_of(&asset.id)?.into_iter().map(|copy| copy.id));
        for run in made_by.into_iter().chain(made_from) {
            if drawn.insert((run.run.clone(), run.reference.clone())) {
                graph.edges.push(edge(run));
            }
        }
        graph.nodes.push(node(asset));
        for id in near {
            if graph.nodes.len() + queue.len() < LARGEST
                && seen.insert(id.clone())
                && let Some(asset) = catalog.by_id(&id)?
            {
                queue.push_back(asset);
            }
        }
    }
    graph.nodes.sort_by(|a, b| a.id.cmp(&b.id));
    graph.edges.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(graph)
}

/// Everything on record: each picture in one of them, the oldest first.
///
/// # Errors
/// When the catalog cannot be read.
pub fn all(catalog: &Catalog) -> Result<Vec<Graph>, CatalogError> {
    let mut seen = BTreeSet::new();
    let mut graphs = Vec::new();
    for asset in catalog.assets()? {
        if !seen.contains(&asset.id) {
            // Nobody asked for one of them.
            let graph = Graph { focus: String::new(), ..lineage(catalog, &asset)? };
            seen.extend(graph.nodes.iter().map(|node| node.id.clone()));
            graphs.push(graph);
        }
    }
    Ok(graphs)
}

fn node(asset: Asset) -> Node {
    Node {
        id: asset.id,
        role: asset.role,
        sha256: asset.sha256,
        pixels_sha256: asset.pixels_sha256,
        title: asset.title,
        copy_of: asset.copy_of,
        created: asset.created,
    }
}

fn edge(run: Derived) -> Edge {
    Edge {
        run: run.run,
        reference: run.reference,
        output: run.output,
        engine: run.engine,
        strength: run.strength,
        seed: run.seed,
        adopted: run.adopted,
        deviation: run.deviation,
        compared: run.compared,
        overridden: run.overridden,
        refusal: (!run.reasons.is_empty()).then(|| run.reasons.join("; ")),
    }
}

impl Edge {
    /// The strength, for people.
    pub fn strength_told(&self) -> String {
        strength_told(self.strength, self.adopted.as_ref())
    }
}

impl Graph {
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Pictures that no run made and that are no copies; where runs go in a circle, the picture asked for, or any.
    pub fn roots(&self) -> Vec<&Node> {
        let made = |node: &Node| {
            node.copy_of.is_some() || self.edges.iter().any(|edge| edge.output.as_ref() == Some(&node.id))
        };
        let roots: Vec<&Node> = self.nodes.iter().filter(|node| !made(node)).collect();
        if roots.is_empty() {
            self.node(&self.focus).or(self.nodes.first()).into_iter().collect()
        } else {
            roots
        }
    }

    /// Only what the picture asked for came from, and it.
    pub fn path_to_focus(&self) -> Graph {
        let mut kept = BTreeSet::from([self.focus.clone()]);
        let mut queue = VecDeque::from([self.focus.clone()]);
        while let Some(id) = queue.pop_front() {
            let made_by = self
                .edges
                .iter()
                .filter(|edge| edge.output.as_ref() == Some(&id))
                .map(|edge| &edge.reference);
            let original = self.node(&id).and_then(|node| node.copy_of.as_ref());
            for parent in made_by.chain(original) {
                if kept.insert(parent.clone()) {
                    queue.push_back(parent.clone());
                }
            }
        }
        Graph {
            focus: self.focus.clone(),
            nodes: self.nodes.iter().filter(|node| kept.contains(&node.id)).cloned().collect(),
            edges: self
                .edges
                .iter()
                .filter(|edge| edge.output.as_ref().is_some_and(|output| kept.contains(output)))
                .cloned()
                .collect(),
        }
    }
}
