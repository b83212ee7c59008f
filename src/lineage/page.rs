//! A lineage as one page.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::render::recipe;
use super::{Edge, Graph, Node, Role};
use crate::html::{Markup, html, page};
use crate::manifest::BELOW_LIMIT;

/// Deeper generations are not moved farther to the right.
const DEEPEST: usize = 10;

/// The page, complete in itself. `picture` gives the address of a small picture of a node, if there is one.
pub fn html(graph: &Graph, picture: &dyn Fn(&Node) -> Option<String>, made: OffsetDateTime) -> String {
    let (outputs, refused) = counts(graph);
    let title = match graph.node(&graph.focus) {
        Some(Node { role: Role::Reference, title, .. }) => format!("Lineage of {title}"),
        Some(node) => format!("Lineage of output {}", node.sha256.short(12)),
        None => "Lineage".to_owned(),
    };
    let body = html! {
        p { (sentence(outputs, refused)) }
        (rows(graph, picture))
    };
    page(&title, &format!("Asset {}; {}", graph.focus, made.date()), &body)
}

/// Outputs and refusals.
pub(crate) fn counts(graph: &Graph) -> (usize, usize) {
    let outputs = graph.nodes.iter().filter(|node| node.role == Role::Output).count();
    (outputs, graph.edges.iter().filter(|edge| edge.output.is_none()).count())
}

pub(crate) fn sentence(outputs: usize, refused: usize) -> String {
    let plural = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    format!(
        "{} came of it, AI-generated and marked; {} refused.",
        plural(outputs, "output"),
        plural(refused, "draft")
    )
}

/// A row for each picture and each refusal, below what it came from.
pub(crate) fn rows(graph: &Graph, picture: &dyn Fn(&Node) -> Option<String>) -> Markup {
    let rows = walk(graph);
    html! {
        ol .lineage {
            @for row in &rows {
                li style=(format!("--depth: {}", row.depth.min(DEEPEST))) aria-label=(format!("generation {}", row.depth)) {
                    @match row.what {
                        What::Picture(node, edge) => (shown(graph, node, edge, picture(node))),
                        What::Copy(node) => (copied(graph, node, picture(node))),
                        What::Refusal(edge) => (refusal(edge)),
                    }
                }
            }
        }
    }
}

struct Row<'a> {
    depth: usize,
    what: What<'a>,
}

enum What<'a> {
    Picture(&'a Node, Option<&'a Edge>),
    Copy(&'a Node),
    Refusal(&'a Edge),
}

/// Depth first. A picture with two references hangs below both; its own outputs are shown once, which ends circles.
fn walk(graph: &Graph) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<Row<'_>> = graph
        .roots()
        .into_iter()
        .rev()
        .map(|root| Row { depth: 0, what: What::Picture(root, None) })
        .collect();
    while let Some(row) = open.pop() {
        let depth = row.depth + 1;
        if let What::Picture(node, _) | What::Copy(node) = row.what
            && seen.insert(&node.id)
        {
            let edges = graph.edges.iter().filter(|edge| edge.reference == node.id);
            let below = edges.map(|edge| match edge.output.as_ref().and_then(|id| graph.node(id)) {
                Some(output) => Row { depth, what: What::Picture(output, Some(edge)) },
                None => Row { depth, what: What::Refusal(edge) },
            });
            let copies = graph.nodes.iter().filter(|other| other.copy_of.as_ref() == Some(&node.id));
            let copies = copies.map(|copy| Row { depth, what: What::Copy(copy) });
            let mut all: Vec<Row<'_>> = copies.chain(below).collect();
            all.reverse();
            open.extend(all);
        }
        rows.push(row);
    }
    rows
}

fn shown(graph: &Graph, node: &Node, edge: Option<&Edge>, picture: Option<String>) -> Markup {
    html! {
        (thumbnail(node, picture))
        div {
            strong { @if node.role == Role::Reference { (node.title) } @else { "AI-generated output" } }
            @if node.id == graph.focus { " " span .good { "← asked for" } }
            @if let Some(edge) = edge { p { (recipe(edge)) (figures(edge)) } }
            (identity(node))
        }
    }
}

fn copied(graph: &Graph, node: &Node, picture: Option<String>) -> Markup {
    html! {
        (thumbnail(node, picture))
        div {
            strong { "Copy of it, used as reference" } " " (node.title)
            @if node.id == graph.focus { " " span .good { "← asked for" } }
            (identity(node))
        }
    }
}

fn refusal(edge: &Edge) -> Markup {
    html! {
        span .none role="img" aria-label="no picture" {}
        div {
            strong .bad { "Refused" }
            p { (recipe(edge)) ": " (edge.refusal.as_deref().unwrap_or("no output")) }
            p .small .quiet { "run " code { (edge.run) } }
        }
    }
}

fn thumbnail(node: &Node, picture: Option<String>) -> Markup {
    let alt = match node.role {
        Role::Reference => format!("reference {}", node.title),
        Role::Output => "AI-generated output".to_owned(),
    };
    html! {
        @match picture {
            Some(address) => img src=(address) alt=(alt);,
            None => span .none role="img" aria-label=(format!("{alt}, not shown")) {},
        }
    }
}

fn identity(node: &Node) -> Markup {
    html! {
        p .small .quiet {
            "asset " code { (node.id) } ", " (node.created.get(..10).unwrap_or(&node.created)) br;
            "sha256 " code { (node.sha256) }
        }
    }
}

fn figures(edge: &Edge) -> Markup {
    html! {
        @if let Some(deviation) = edge.deviation { "; deviation " (format!("{deviation:.2}")) }
        @if let Some((_, nearest)) = edge.compared.as_ref().and_then(|compared| compared.nearest.as_ref()) {
            ", " (format!("{nearest:.2}")) " from the nearest other"
        }
        @if edge.overridden { ", " span .warn { (BELOW_LIMIT) } }
    }
}
