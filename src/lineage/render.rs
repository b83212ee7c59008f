//! A lineage as text: tree for people, DOT and Mermaid for graph tools. JSON is the graph itself.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::{Edge, Graph, Node, Role};

/// The tree below every root, a line per picture, with the picture that was asked for marked by `←`.
pub fn tree(graph: &Graph) -> String {
    let mut text = String::new();
    let mut seen = HashSet::new();
    for root in graph.roots() {
        let _ = writeln!(text, "{}", line(graph, root, None));
        branches(graph, root, "", &mut seen, &mut text);
    }
    text
}

fn branches(graph: &Graph, node: &Node, indent: &str, seen: &mut HashSet<String>, text: &mut String) {
    // A picture with two references hangs below both; its own outputs are shown once.
    if !seen.insert(node.id.clone()) {
        return;
    }
    let edges: Vec<&Edge> = graph.edges.iter().filter(|edge| edge.reference == node.id).collect();
    let copies: Vec<&Node> =
        graph.nodes.iter().filter(|other| other.copy_of.as_ref() == Some(&node.id)).collect();
    for (i, copy) in copies.iter().enumerate() {
        let last = edges.is_empty() && i + 1 == copies.len();
        let (elbow, bar) = joint(last);
        let _ = writeln!(text, "{indent}{elbow}copy of it, used as {}", line(graph, copy, None));
        branches(graph, copy, &format!("{indent}{bar}"), seen, text);
    }
    for (i, edge) in edges.iter().enumerate() {
        let (elbow, bar) = joint(i + 1 == edges.len());
        match edge.output.as_ref().and_then(|id| graph.node(id)) {
            Some(output) => {
                let _ = writeln!(text, "{indent}{elbow}{}", line(graph, output, Some(edge)));
                branches(graph, output, &format!("{indent}{bar}"), seen, text);
            }
            None => {
                let reason = edge.refusal.as_deref().unwrap_or("no output");
                let _ = writeln!(text, "{indent}{elbow}refused  {}  {reason}", recipe(edge));
            }
        }
    }
}

fn joint(last: bool) -> (&'static str, &'static str) {
    if last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn line(graph: &Graph, node: &Node, edge: Option<&Edge>) -> String {
    let mut text = match node.role {
        Role::Reference => format!("reference  {}  {}", short(&node.sha256), plain(&node.title)),
        Role::Output => format!("output  {}", short(&node.sha256)),
    };
    if let Some(edge) = edge {
        let _ = write!(text, "  {}", recipe(edge));
        if let Some(deviation) = edge.deviation {
            let _ = write!(text, ", deviation {deviation:.2}");
        }
        if let Some((_, nearest)) = edge.compared.as_ref().and_then(|compared| compared.nearest.as_ref()) {
            let _ = write!(text, ", {nearest:.2} from the nearest other");
        }
        if edge.overridden {
            let _ = write!(text, ", {}", crate::manifest::BELOW_LIMIT);
        }
    }
    let _ = write!(text, "  {}", node.id);
    if node.id == graph.focus {
        text.push_str("  ←");
    }
    text
}

pub(super) fn recipe(edge: &Edge) -> String {
    let Some(adopted) = &edge.adopted else {
        let seed = edge.seed.as_deref().unwrap_or("not known");
        return format!("{} {:.2}, seed {seed}", edge.engine, edge.strength.unwrap_or_default());
    };
    let strength = edge.strength.map_or_else(|| "not known".to_owned(), |strength| format!("{strength:.2}"));
    let by = plain(&adopted.by);
    format!("adopted from {}, strength {strength}, declared by {by}, not witnessed", edge.engine)
}

/// Titles are file names: control characters would draw on the terminal.
fn plain(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn short(digest: &crate::digest::Digest) -> String {
    digest.short(12)
}

/// The graph in Graphviz' language.
pub fn dot(graph: &Graph) -> String {
    let mut text =
        String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for node in &graph.nodes {
        let shape = if node.role == Role::Reference { ", style=filled, fillcolor=\"#e8eef4\"" } else { "" };
        let focus = if node.id == graph.focus { ", penwidth=2" } else { "" };
        let _ = writeln!(text, "  \"{}\" [label={}{shape}{focus}];", node.id, quoted(&caption(node)));
    }
    for edge in &graph.edges {
        if let Some(output) = &edge.output {
            let _ =
                writeln!(text, "  \"{}\" -> \"{output}\" [label={}];", edge.reference, quoted(&recipe(edge)));
        }
    }
    for node in &graph.nodes {
        if let Some(original) = &node.copy_of {
            let _ = writeln!(text, "  \"{original}\" -> \"{}\" [label=\"copy\", style=dashed];", node.id);
        }
    }
    text.push_str("}\n");
    text
}

/// The graph in Mermaid's language.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for node in &graph.nodes {
        let _ = writeln!(text, "  {}[{}]", node.id, entities(&caption(node)));
    }
    for edge in &graph.edges {
        if let Some(output) = &edge.output {
            let _ = writeln!(text, "  {} -->|{}| {output}", edge.reference, entities(&recipe(edge)));
        }
    }
    for node in &graph.nodes {
        if let Some(original) = &node.copy_of {
            let _ = writeln!(text, "  {original} -.->|\"copy\"| {}", node.id);
        }
    }
    let _ = writeln!(text, "  style {} stroke-width:3px", graph.focus);
    text
}

fn caption(node: &Node) -> String {
    let role = match node.role {
        Role::Reference => "reference",
        Role::Output => "output",
    };
    format!("{role} {}", short(&node.sha256))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn entities(text: &str) -> String {
    format!("\"{}\"", text.replace('&', "#amp;").replace('"', "#quot;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Adoption;
    use crate::digest::Digest;

    fn node(id: &str, role: Role) -> Node {
        Node {
            id: id.into(),
            role,
            sha256: Digest::of(id),
            pixels_sha256: Digest::of(id),
            title: format!("{id}.png"),
            copy_of: None,
            created: "2026-01-01T00:00:00Z".into(),
        }
    }

    fn edge(reference: &str, output: Option<&str>) -> Edge {
        Edge {
            run: format!("run-{reference}"),
            reference: reference.into(),
            output: output.map(Into::into),
            engine: "patch".into(),
            strength: Some(0.7),
            seed: Some("7".into()),
            adopted: None,
            deviation: Some(0.83),
            compared: None,
            overridden: false,
            refusal: output.is_none().then(|| "too close: deviation 0.18, at least 0.50 required".into()),
        }
    }

    fn three_generations() -> Graph {
        Graph {
            focus: "C".into(),
            nodes: vec![node("A", Role::Reference), node("B", Role::Output), node("C", Role::Output)],
            edges: vec![edge("A", Some("B")), edge("A", None), edge("B", Some("C"))],
        }
    }

    #[test]
    fn the_tree_shows_generations_refusals_and_the_picture_asked_for() {
        let digest = |id: &str| Digest::of(id).short(12);
        let expected = format!(
            "reference  {}  A.png  A\n\
             ├─ output  {}  patch 0.70, seed 7, deviation 0.83  B\n\
             │  └─ output  {}  patch 0.70, seed 7, deviation 0.83  C  ←\n\
             └─ refused  patch 0.70, seed 7  too close: deviation 0.18, at least 0.50 required\n",
            digest("A"),
            digest("B"),
            digest("C"),
        );
        assert_eq!(tree(&three_generations()), expected);
    }

    #[test]
    fn what_was_made_elsewhere_is_said_to_be_somebodys_word() {
        let mut graph = three_generations();
        let adopted = Adoption { by: "Lab\u{1b}".into(), image_sha256: Digest::of("image") };
        graph.edges[0] = Edge {
            engine: "midjourney".into(),
            strength: None,
            seed: None,
            adopted: Some(adopted),
            ..edge("A", Some("B"))
        };
        let said = "adopted from midjourney, strength not known, declared by Lab , not witnessed";
        for text in [tree(&graph), dot(&graph), mermaid(&graph)] {
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn graph_languages_name_every_node_and_every_arrow() {
        let graph = three_generations();
        for text in [dot(&graph), mermaid(&graph)] {
            for id in ["A", "B", "C"] {
                assert!(text.contains(id), "{text}");
            }
        }
        assert!(dot(&graph).contains("\"A\" -> \"B\"") && dot(&graph).contains("\"B\" -> \"C\""));
        assert!(mermaid(&graph).contains("A -->|\"patch 0.70, seed 7\"| B"));
    }

    #[test]
    fn a_circle_made_behind_our_back_ends() {
        let mut graph = three_generations();
        graph.edges.push(edge("C", Some("B")));
        assert!(tree(&graph).len() < 2000);
    }
}
