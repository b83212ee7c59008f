//! ComfyUI: `prompt` is the graph that was run, node id to `{class_type, inputs}`, where an input `[id, slot]` is a link;
//! `workflow` is the same as the editor had it.
//!
//! Graphs come from anybody: they may be circular, or refer to what is not there. Every walk sees a node once, and so many
//! nodes at most.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{Parameters, shorten};
use super::fields::{self, file_name};
use super::{PROMPT, Said};
use crate::quantity::Strength;

const TOOL: &str = "ComfyUI";
/// Nodes that one walk looks at, at most.
const WALK: usize = 2000;
/// Inputs that a picture comes by, or the latents of one.
const PICTURE: [&str; 9] =
    ["latent_image", "latent", "samples", "samples1", "pixels", "image", "images", "input_image", "source"];
/// Inputs that hold a value which stands in a node of its own.
const VALUES: [&str; 8] = ["value", "seed", "noise_seed", "int", "float", "string", "text", "Number"];

pub(super) fn graph(value: &str) -> Option<Said> {
    let value = super::json(value)?;
    let graph = Graph(value.as_object()?);
    let nodes = graph.0.values().filter(|node| node.get("class_type").is_some()).count();
    (nodes > 0).then(|| graph.said(format!("graph of {nodes} nodes")))
}

pub(super) fn workflow(value: &str) -> Option<Said> {
    let value = super::json(value)?;
    let nodes = value.get("nodes")?.as_array()?;
    let count = nodes.len();
    let graph = linked(nodes, value.get("links").and_then(Value::as_array));
    Some(Graph(&graph).said(format!("workflow of {count} nodes")))
}

/// Node id to node.
struct Graph<'a>(&'a Map<String, Value>);

impl<'a> Graph<'a> {
    fn said(&self, what: String) -> Said {
        let parameters = self.parameters().unwrap_or_default();
        let statement = match (parameters.strength, parameters.img2img) {
            (Some(strength), _) => format!("{what}, denoise {}", strength.value()),
            (None, Some(false)) => format!("{what}, from an empty latent"),
            (None, _) => what,
        };
        Said::new(TOOL, statement, parameters)
    }

    /// Of the sampler nearest to what the saved picture was made from.
    fn parameters(&self) -> Option<Parameters> {
        let walk = self.walk(self.saved());
        let sampler = *walk.samplers.last().or(self.samplers().first())?;
        // Where nothing is saved in a way that we know, the sampler's own latents are followed.
        let walk = if walk.samplers.is_empty() { self.walk(vec![sampler]) } else { walk };
        let img2img = match (walk.loaded.is_empty(), walk.empty) {
            (false, _) => Some(true),
            (true, true) => Some(false),
            (true, false) => None,
        };
        Some(Parameters {
            model: self.up(sampler, &["model", "guider", "unet"], &["ckpt_name", "unet_name", "model_name"]),
            prompt: self.prompt(sampler),
            seed: self.reach(sampler, &["noise"], &["seed", "noise_seed"]).and_then(fields::seed),
            strength: self.denoise(sampler).filter(|_| img2img != Some(false)),
            img2img,
            source_file: walk.loaded.first().and_then(|file| file_name(file)),
            steps: self.number(sampler, &["sigmas"], &["steps"]).and_then(fields::count),
            guidance: self.number(sampler, &["guider"], &["cfg"]),
            sampler: self
                .reach(sampler, &["sampler"], &["sampler_name"])
                .and_then(|name| Some(shorten(name.as_str()?, 60))),
            ..Parameters::default()
        })
    }

    fn inputs(&self, id: &str) -> Option<&'a Map<String, Value>> {
        self.0.get(id)?.get("inputs")?.as_object()
    }

    fn class(&self, id: &str) -> &'a str {
        self.0.get(id).and_then(|node| node.get("class_type")?.as_str()).unwrap_or_default()
    }

    /// Ids in the order of their numbers: in that of their making.
    fn ids(&self) -> Vec<&'a str> {
        let mut ids: Vec<&str> = self.0.keys().map(String::as_str).collect();
        ids.sort_by_key(|id| (id.parse::<u64>().unwrap_or(u64::MAX), *id));
        ids
    }

    fn saved(&self) -> Vec<&'a str> {
        let saves = |id: &&str| ["Save", "Preview"].iter().any(|word| self.class(id).contains(word));
        self.ids().into_iter().filter(saves).collect()
    }

    fn samplers(&self) -> Vec<&'a str> {
        self.ids().into_iter().filter(|id| self.is_sampler(id)).collect()
    }

    fn is_sampler(&self, id: &str) -> bool {
        let inputs = |name: &str| self.inputs(id).is_some_and(|inputs| inputs.contains_key(name));
        self.class(id).contains("Sampler")
            && (inputs("latent_image") || inputs("denoise") || inputs("noise_seed"))
    }

    /// The node that an input comes from.
    fn link(&self, id: &str, input: &str) -> Option<&'a str> {
        let link = self.inputs(id)?.get(input)?.as_array()?;
        let from = link.first()?.as_str()?;
        self.0.get_key_value(from).map(|(id, _)| id.as_str())
    }

    /// Against the stream, by whatever a picture or its latents come by.
    fn walk(&self, from: Vec<&'a str>) -> Walk<'a> {
        let mut walk = Walk { samplers: Vec::new(), loaded: Vec::new(), empty: false };
        let mut seen = BTreeSet::new();
        let mut next = from;
        while let Some(id) = next.pop() {
            if seen.len() == WALK || !seen.insert(id) {
                continue;
            }
            let class = self.class(id);
            if self.is_sampler(id) {
                walk.samplers.push(id);
            }
            if class.starts_with("Empty") && class.contains("Latent") {
                walk.empty = true;
            }
            if class.contains("Load") && class.contains("Image") && !class.contains("Mask") {
                let name = self.inputs(id).and_then(|inputs| inputs.get("image")?.as_str());
                walk.loaded.push(name.unwrap_or_default());
            }
            next.extend(PICTURE.iter().rev().filter_map(|input| self.link(id, input)));
        }
        walk
    }

    /// The first of `names` among the inputs of a node or of those that it is linked to by `ways`, through nodes that hold
    /// nothing but a value.
    fn reach(&self, id: &'a str, ways: &[&str], names: &[&str]) -> Option<&'a Value> {
        let near = ways.iter().filter_map(|way| self.link(id, way));
        std::iter::once(id).chain(near).find_map(|id| names.iter().find_map(|name| self.value(id, name)))
    }

    /// What an input holds, or the node that it is linked to.
    fn value(&self, id: &str, name: &str) -> Option<&'a Value> {
        /// Such nodes are rarely chained.
        const DEEP: usize = 8;
        let mut value = self.inputs(id)?.get(name)?;
        for _ in 0..DEEP {
            let Some(from) = value.as_array().and_then(|link| link.first()?.as_str()) else {
                return Some(value);
            };
            let inputs = self.inputs(from)?;
            value = VALUES.iter().find_map(|name| inputs.get(*name))?;
        }
        None
    }

    fn number(&self, id: &'a str, ways: &[&str], names: &[&str]) -> Option<f64> {
        self.reach(id, ways, names).and_then(fields::number)
    }

    /// Samplers for experts say at which step they begin.
    fn denoise(&self, id: &'a str) -> Option<Strength> {
        if let Some(denoise) = self.number(id, &["sigmas"], &["denoise"]) {
            return Strength::new(denoise);
        }
        let (start, steps) = (self.number(id, &[], &["start_at_step"])?, self.number(id, &[], &["steps"])?);
        if steps <= 0.0 { None } else { Strength::new(1.0 - (start / steps).min(1.0)) }
    }

    /// A text among `names`, up the links `ways`.
    fn up(&self, from: &'a str, ways: &[&str], names: &[&str]) -> Option<String> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(id) = next.pop() {
            if seen.len() == WALK || !seen.insert(id) {
                continue;
            }
            let found = names.iter().find_map(|name| self.value(id, name));
            if let Some(text) = found.and_then(Value::as_str).filter(|text| !text.trim().is_empty()) {
                return Some(shorten(text, PROMPT));
            }
            next.extend(ways.iter().rev().filter_map(|way| self.link(id, way)));
        }
        None
    }

    fn prompt(&self, sampler: &'a str) -> Option<String> {
        let ways = ["positive", "guider", "conditioning", "conditioning_1", "cond", "base_positive"];
        self.up(sampler, &ways, &["text", "text_g", "t5xxl", "clip_l", "prompt"])
    }
}

/// What was found on a walk against the stream.
struct Walk<'a> {
    /// The last one is the nearest to what it was made from.
    samplers: Vec<&'a str>,
    /// Names of files.
    loaded: Vec<&'a str>,
    /// Whether it began with nothing.
    empty: bool,
}

/// An editor's graph as one that is run, as far as its own nodes go: values stand in the order of their widgets there.
fn linked(nodes: &[Value], links: Option<&Vec<Value>>) -> Map<String, Value> {
    const WIDGETS: [(&str, &[&str]); 9] = [
        ("KSampler", &["seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"]),
        (
            "KSamplerAdvanced",
            &["add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step"],
        ),
        ("CheckpointLoaderSimple", &["ckpt_name"]),
        ("UNETLoader", &["unet_name"]),
        ("CLIPTextEncode", &["text"]),
        ("LoadImage", &["image"]),
        ("BasicScheduler", &["scheduler", "steps", "denoise"]),
        ("KSamplerSelect", &["sampler_name"]),
        ("RandomNoise", &["noise_seed"]),
    ];
    let id = |value: &Value| value.as_u64().map(|id| id.to_string());
    // Link number to the node that it comes from.
    let from: std::collections::BTreeMap<u64, String> = links
        .into_iter()
        .flatten()
        .filter_map(|link| Some((link.get(0)?.as_u64()?, id(link.get(1)?)?)))
        .collect();
    let mut graph = Map::new();
    for node in nodes {
        let (Some(number), Some(class)) =
            (node.get("id").and_then(id), node.get("type").and_then(Value::as_str))
        else {
            continue;
        };
        let mut inputs = Map::new();
        let widgets = WIDGETS.iter().find(|(known, _)| *known == class).map_or(&[][..], |(_, names)| *names);
        let values = node.get("widgets_values").and_then(Value::as_array).into_iter().flatten();
        for (name, value) in widgets.iter().zip(values) {
            inputs.insert((*name).to_owned(), value.clone());
        }
        for input in node.get("inputs").and_then(Value::as_array).into_iter().flatten() {
            let name = input.get("name").and_then(Value::as_str);
            let link = input.get("link").and_then(Value::as_u64).and_then(|link| from.get(&link));
            if let (Some(name), Some(link)) = (name, link) {
                inputs.insert(name.to_owned(), json!([link, 0]));
            }
        }
        graph.insert(number, json!({ "class_type": class, "inputs": inputs }));
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Seed;

    /// ComfyUI's own example of img2img.
    fn img2img() -> Value {
        json!({
            "3": { "class_type": "KSampler", "inputs": {
                "seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m", "scheduler": "normal",
                "denoise": 0.55, "model": ["14", 0], "positive": ["6", 0], "negative": ["7", 0],
                "latent_image": ["12", 0] } },
            "6": { "class_type": "CLIPTextEncode", "inputs": { "text": "virions", "clip": ["14", 1] } },
            "7": { "class_type": "CLIPTextEncode", "inputs": { "text": "text", "clip": ["14", 1] } },
            "8": { "class_type": "VAEDecode", "inputs": { "samples": ["3", 0], "vae": ["14", 2] } },
            "9": { "class_type": "SaveImage", "inputs": { "images": ["8", 0], "filename_prefix": "ComfyUI" } },
            "10": { "class_type": "LoadImage", "inputs": { "image": "sub/grid-7.png" } },
            "12": { "class_type": "VAEEncode", "inputs": { "pixels": ["10", 0], "vae": ["14", 2] } },
            "14": { "class_type": "CheckpointLoaderSimple", "inputs": { "ckpt_name": "v1-5.safetensors" } },
        })
    }

    fn read(graph: &Value) -> Parameters {
        super::graph(&graph.to_string()).expect("a graph").parameters
    }

    #[test]
    fn a_graph_that_encodes_a_picture_is_img2img() {
        let said = graph(&img2img().to_string()).expect("a graph");
        assert_eq!(
            (said.tool.as_str(), said.statement.as_str()),
            ("ComfyUI", "graph of 8 nodes, denoise 0.55")
        );
        let p = said.parameters;
        assert_eq!((p.strength, p.img2img), (Strength::new(0.55), Some(true)));
        assert_eq!((p.seed, p.steps, p.guidance), (Some(Seed(7)), Some(20), Some(8.0)));
        assert_eq!((p.model.as_deref(), p.prompt.as_deref()), (Some("v1-5.safetensors"), Some("virions")));
        assert_eq!((p.sampler.as_deref(), p.source_file.as_deref()), (Some("dpmpp_2m"), Some("grid-7.png")));
    }

    #[test]
    fn an_empty_latent_is_none_even_beside_a_picture_that_steers() {
        let mut graph = img2img();
        graph["5"] = json!({ "class_type": "EmptyLatentImage", "inputs": { "width": 512, "height": 512 } });
        graph["3"]["inputs"]["latent_image"] = json!(["5", 0]);
        // A picture for a control net is no source.
        graph["15"] = json!({ "class_type": "ControlNetApply", "inputs": {
            "conditioning": ["6", 0], "image": ["10", 0], "strength": 1.0 } });
        graph["3"]["inputs"]["positive"] = json!(["15", 0]);
        let p = read(&graph);
        assert_eq!((p.strength, p.img2img, p.source_file), (None, Some(false), None));
        assert_eq!(p.prompt.as_deref(), Some("virions"));
    }

    #[test]
    fn of_two_passes_the_one_at_the_source_counts() {
        let mut graph = img2img();
        graph["20"] = json!({ "class_type": "KSampler", "inputs": {
            "seed": 8, "steps": 10, "cfg": 8.0, "denoise": 0.3, "latent_image": ["21", 0], "positive": ["6", 0] } });
        graph["21"] = json!({ "class_type": "LatentUpscale", "inputs": { "samples": ["3", 0] } });
        graph["8"]["inputs"]["samples"] = json!(["20", 0]);
        let p = read(&graph);
        assert_eq!((p.strength, p.seed, p.img2img), (Strength::new(0.55), Some(Seed(7)), Some(true)));
    }

    #[test]
    fn samplers_made_of_parts_are_read_too() {
        let graph = json!({
            "13": { "class_type": "SamplerCustomAdvanced", "inputs": { "noise": ["25", 0], "guider": ["22", 0],
                "sampler": ["16", 0], "sigmas": ["17", 0], "latent_image": ["12", 0] } },
            "25": { "class_type": "RandomNoise", "inputs": { "noise_seed": ["30", 0] } },
            "30": { "class_type": "PrimitiveInt", "inputs": { "value": 42 } },
            "16": { "class_type": "KSamplerSelect", "inputs": { "sampler_name": "euler" } },
            "17": { "class_type": "BasicScheduler", "inputs": { "steps": 28, "denoise": 0.7, "model": ["40", 0] } },
            "22": { "class_type": "BasicGuider", "inputs": { "model": ["40", 0], "conditioning": ["26", 0] } },
            "26": { "class_type": "FluxGuidance", "inputs": { "guidance": 3.5, "conditioning": ["6", 0] } },
            "6": { "class_type": "CLIPTextEncode", "inputs": { "text": "virions" } },
            "40": { "class_type": "UNETLoader", "inputs": { "unet_name": "flux1-dev.safetensors" } },
            "12": { "class_type": "VAEEncode", "inputs": { "pixels": ["10", 0] } },
            "10": { "class_type": "LoadImage", "inputs": { "image": "grid.png" } },
            "8": { "class_type": "VAEDecode", "inputs": { "samples": ["13", 0] } },
            "9": { "class_type": "SaveImage", "inputs": { "images": ["8", 0] } },
        });
        let p = read(&graph);
        assert_eq!((p.strength, p.seed, p.steps), (Strength::new(0.7), Some(Seed(42)), Some(28)));
        assert_eq!(
            (p.model.as_deref(), p.prompt.as_deref()),
            (Some("flux1-dev.safetensors"), Some("virions"))
        );
        assert_eq!((p.sampler.as_deref(), p.img2img), (Some("euler"), Some(true)));
    }

    #[test]
    fn a_sampler_that_begins_late_has_a_strength() {
        let mut graph = img2img();
        graph["3"] = json!({ "class_type": "KSamplerAdvanced", "inputs": { "noise_seed": 7, "steps": 20,
            "start_at_step": 8, "latent_image": ["12", 0] } });
        assert_eq!(read(&graph).strength, Strength::new(0.6));
    }

    #[test]
    fn circles_and_links_to_nowhere_end() {
        let mut graph = img2img();
        graph["12"]["inputs"]["pixels"] = json!(["8", 0]);
        graph["14"]["inputs"] = json!({ "model": ["3", 0], "ckpt_name": ["14", 0] });
        graph["6"]["inputs"]["text"] = json!(["99", 0]);
        let p = read(&graph);
        assert_eq!((p.img2img, p.model, p.prompt), (None, None, None));
        let many: Map<String, Value> = (0..20_000)
            .map(|i| {
                (
                    i.to_string(),
                    json!({ "class_type": "SaveImage", "inputs": { "images": [(i + 1).to_string(), 0] } }),
                )
            })
            .collect();
        assert_eq!(read(&Value::Object(many)), Parameters::default());
    }

    #[test]
    fn the_editors_graph_says_the_same_of_its_own_nodes() {
        let text = json!({
            "nodes": [
                { "id": 3, "type": "KSampler", "widgets_values": [7, "fixed", 20, 8, "dpmpp_2m", "normal", 0.55],
                  "inputs": [{ "name": "model", "link": 1 }, { "name": "positive", "link": 4 },
                             { "name": "latent_image", "link": 2 }] },
                { "id": 12, "type": "VAEEncode", "inputs": [{ "name": "pixels", "link": 3 }] },
                { "id": 10, "type": "LoadImage", "widgets_values": ["grid-7.png", "image"] },
                { "id": 14, "type": "CheckpointLoaderSimple", "widgets_values": ["v1-5.safetensors"] },
                { "id": 6, "type": "CLIPTextEncode", "widgets_values": ["virions"] },
                { "id": 9, "type": "SaveImage", "inputs": [{ "name": "images", "link": 5 }] },
                { "id": 8, "type": "VAEDecode", "inputs": [{ "name": "samples", "link": 6 }] },
            ],
            "links": [[1, 14, 0, 3, 0, "MODEL"], [2, 12, 0, 3, 3, "LATENT"], [3, 10, 0, 12, 0, "IMAGE"],
                      [4, 6, 0, 3, 1, "CONDITIONING"], [5, 8, 0, 9, 0, "IMAGE"], [6, 3, 0, 8, 0, "LATENT"]],
        });
        let said = workflow(&text.to_string()).expect("a workflow");
        assert_eq!(said.statement, "workflow of 7 nodes, denoise 0.55");
        let p = said.parameters;
        assert_eq!((p.strength, p.img2img, p.seed), (Strength::new(0.55), Some(true), Some(Seed(7))));
        assert_eq!((p.model.as_deref(), p.prompt.as_deref()), (Some("v1-5.safetensors"), Some("virions")));
        assert_eq!(p.source_file.as_deref(), Some("grid-7.png"));
    }
}
