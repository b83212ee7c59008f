//! A lineage as a drawing: what a picture came from on its left, what came from it on its right.

use std::collections::{BTreeMap, BTreeSet};

use crate::html::{Markup, html};

use crate::lineage::{Edge, Graph, Node, Role};
use crate::web::text::{ENGLISH, fill};

/// Pictures that are drawn at most, the nearest first.
const MOST: usize = 60;
/// Of a picture's box and of the gaps between them, in the drawing's own units.
const WIDE: i64 = 132;
const HIGH: i64 = 132;
const ACROSS: i64 = 96;
const DOWN: i64 = 28;

pub fn drawing(graph: &Graph) -> Markup {
    let places = places(graph);
    let left_out = graph.nodes.len() - places.len();
    let edge_of = |place: &(i64, i64)| (place.0 * (WIDE + ACROSS), place.1 * (HIGH + DOWN));
    let columns = places.values().map(|place| place.0).max().unwrap_or(0) + 1;
    let rows = places.values().map(|place| place.1).max().unwrap_or(0) + 1;
    let (width, height) = (columns * (WIDE + ACROSS) - ACROSS + 4, rows * (HIGH + DOWN) - DOWN + 4);
    html! {
        div.zoomed data-graph="" {
            div.zooms role="group" aria-label=(ENGLISH.zoom) data-zooms="" hidden {
                button type="button" data-zoom="out" aria-label=(ENGLISH.zoom_out) title=(ENGLISH.zoom_out) { "−" }
                output data-zoom-told="" aria-live="polite" { "100 %" }
                button type="button" data-zoom="in" aria-label=(ENGLISH.zoom_in) title=(ENGLISH.zoom_in) { "+" }
                button type="button" data-zoom="fit" { (ENGLISH.zoom_fit) }
            }
            div.graph tabindex="0" role="group" aria-label=(ENGLISH.lineage) {
            svg viewBox=(format!("-2 -2 {width} {height}")) width=(width) height=(height) role="group" {
                @for (from, to, edge) in arrows(graph) {
                    @if let (Some(from), Some(to)) = (places.get(from), places.get(to)) {
                        @let (x1, y1) = edge_of(from);
                        @let (x2, y2) = edge_of(to);
                        @let (x1, y1, y2) = (x1 + WIDE, y1 + HIGH / 2, y2 + HIGH / 2);
                        @let middle = (x1 + x2) / 2;
                        path class=[edge.is_none().then_some("copy")] d=(format!("M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}")) {}
                        @if let Some(edge) = edge {
                            text.along x=(middle) y=((y1 + y2) / 2 - 6) text-anchor="middle" { (edge.strength_told()) }
                        }
                    }
                }
                @for node in &graph.nodes {
                    @if let Some(place) = places.get(node.id.as_str()) { (drawn(graph, node, edge_of(place))) }
                }
            }
            }
        }
        @if left_out > 0 { p.note { (fill(ENGLISH.left_out, &[("count", &left_out.to_string())])) } }
    }
}

fn drawn(graph: &Graph, node: &Node, (x, y): (i64, i64)) -> Markup {
    let role = if node.role == Role::Reference { ENGLISH.reference } else { ENGLISH.variation };
    let here = node.id == graph.focus;
    let label = format!("{role} {}", node.sha256.short(12));
    html! {
        a href={ "/catalog/" (node.id) } aria-label=(label) aria-current=[here.then_some("true")] {
            rect.box x=(x) y=(y) width=(WIDE) height=(HIGH) rx="6" {}
            image href={ "/pictures/" (node.id) "/small" } x=(x + 6) y=(y + 6) width=(WIDE - 12) height=(HIGH - 32) preserveAspectRatio="xMidYMid slice" {}
            text x=(x + WIDE / 2) y=(y + HIGH - 9) text-anchor="middle" { (role) " " (node.sha256.short(6)) }
        }
    }
}

/// From what to what, and by which run; a copy by none.
fn arrows(graph: &Graph) -> impl Iterator<Item = (&str, &str, Option<&Edge>)> {
    let made = graph
        .edges
        .iter()
        .filter_map(|edge| Some((edge.reference.as_str(), edge.output.as_deref()?, Some(edge))));
    let copied =
        graph.nodes.iter().filter_map(|node| Some((node.copy_of.as_deref()?, node.id.as_str(), None)));
    made.chain(copied)
}

/// Column and row of each picture: its generation, and its turn in it.
fn places(graph: &Graph) -> BTreeMap<&str, (i64, i64)> {
    let near = near(graph);
    let mut column: BTreeMap<&str, i64> = near.iter().map(|id| (*id, 0)).collect();
    // A catalog that was written by others may go in circles: as many rounds as there are pictures, and no more.
    for _ in 0..near.len() {
        let mut moved = false;
        for (from, to, _) in arrows(graph) {
            let (Some(a), Some(b)) = (column.get(from).copied(), column.get(to).copied()) else { continue };
            if b <= a && a + 1 < near.len() as i64 {
                column.insert(to, a + 1);
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut next: BTreeMap<i64, i64> = BTreeMap::new();
    let in_turn = graph.nodes.iter().map(|node| node.id.as_str()).filter(|id| near.contains(id));
    let mut places = BTreeMap::new();
    for id in in_turn {
        let column = column.get(id).copied().unwrap_or(0);
        let row = next.entry(column).or_insert(0);
        places.insert(id, (column, *row));
        *row += 1;
    }
    places
}

/// The pictures nearest to the one that was asked for.
fn near(graph: &Graph) -> BTreeSet<&str> {
    let mut near = BTreeSet::from([graph.focus.as_str()]);
    loop {
        let mut more = BTreeSet::new();
        for (from, to, _) in arrows(graph) {
            if near.contains(from) != near.contains(to) {
                more.extend([from, to]);
            }
        }
        more.retain(|id| !near.contains(id) && graph.node(id).is_some());
        if more.is_empty() || near.len() >= MOST {
            return near;
        }
        let room = MOST - near.len();
        near.extend(more.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn node(id: &str, copy_of: Option<&str>) -> Node {
        Node {
            id: id.into(),
            role: if id == "a" { Role::Reference } else { Role::Output },
            sha256: Digest::of(id),
            pixels_sha256: Digest::of(id),
            title: id.into(),
            copy_of: copy_of.map(Into::into),
            created: String::new(),
        }
    }

    fn edge(from: &str, to: &str) -> Edge {
        Edge {
            run: format!("{from}{to}"),
            reference: from.into(),
            output: Some(to.into()),
            engine: "patch".into(),
            strength: Some(0.7),
            adopted: None,
            seed: Some("1".into()),
            deviation: None,
            compared: None,
            overridden: false,
            refusal: None,
        }
    }

    #[test]
    fn every_picture_stands_right_of_what_it_came_from() {
        let graph = Graph {
            focus: "b".into(),
            nodes: ["a", "b", "c", "d"].map(|id| node(id, (id == "d").then_some("b"))).into(),
            edges: vec![edge("a", "b"), edge("a", "c")],
        };
        let places = places(&graph);
        assert_eq!(places[&"a"].0, 0);
        assert_eq!((places[&"b"].0, places[&"c"].0), (1, 1));
        assert_ne!(places[&"b"].1, places[&"c"].1);
        assert_eq!(places[&"d"].0, 2, "a copy comes from what it copies");
    }

    #[test]
    fn a_circle_ends_and_a_crowd_is_cut() {
        let circle = Graph {
            focus: "b".into(),
            nodes: ["a", "b"].map(|id| node(id, None)).into(),
            edges: vec![edge("a", "b"), edge("b", "a")],
        };
        assert_eq!(places(&circle).len(), 2);
        let ids: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
        let crowd = Graph {
            focus: "a".into(),
            nodes: ids.iter().map(|id| node(id, None)).chain([node("a", None)]).collect(),
            edges: ids.iter().map(|id| edge("a", id)).collect(),
        };
        assert_eq!(places(&crowd).len(), MOST);
        assert!(drawing(&crowd).into_string().contains("141"));
    }
}
