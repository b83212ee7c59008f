//! Our XMP packet: one list of properties, written out.
//!
//! IPTC Photo Metadata Standard 2025.1, XMP part 1 (ISO 16684-1), RFC 6920 for the source's digest.

use std::collections::{BTreeMap, BTreeSet};

use super::Label;
use crate::iptc;

pub(super) const DISCLOSURE: &str = "urn:x-vidimus:disclosure:1:";

/// Prefixes and what they stand for; the last is our own.
const NAMESPACES: [(&str, &str); 5] = [
    ("xmp", "http://ns.adobe.com/xap/1.0/"),
    ("dcterms", "http://purl.org/dc/terms/"),
    ("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"),
    ("TC260", "http://www.tc260.org.cn/ns/AIGC/1.0/"),
    ("vidimus", DISCLOSURE),
];

const PROMPT: &str = "Iptc4xmpExt:AIPromptInformation";
const WRITER: &str = "Iptc4xmpExt:AIPromptWriterName";
/// What stands in the place of a prompt that was there and is not told.
const WITHHELD: &str = "withheld";

/// Every property of `label`, in the order in which it is written. What others worded comes last.
fn properties(label: &Label) -> Vec<(&'static str, String)> {
    let mut found = vec![
        ("xmp:CreatorTool", label.tool.clone()),
        ("Iptc4xmpExt:DigitalSourceType", iptc::of_output(label.in_part).to_owned()),
        ("Iptc4xmpExt:AISystemUsed", label.system.clone()),
    ];
    if !label.system_version.is_empty() {
        found.push(("Iptc4xmpExt:AISystemVersionUsed", label.system_version.clone()));
    }
    if let Some(source) = label.source {
        found.push(("dcterms:source", format!("nih:sha-256;{source}")));
    }
    if let Some(disclosure) = &label.disclosure {
        found.push(("xmp:CreateDate", disclosure.created.clone()));
        found.push(("dcterms:identifier", disclosure.id.clone()));
        found.push(("vidimus:Provider", disclosure.provider.clone()));
    }
    if label.prompt_withheld {
        found.push((PROMPT, WITHHELD.to_owned()));
    }
    if let Some(prompt) = &label.prompt {
        found.push((PROMPT, prompt.text.clone()));
        found.extend(prompt.writer.clone().map(|writer| (WRITER, writer)));
    }
    if let Some(aigc) = &label.aigc {
        found.push(("TC260:AIGC", aigc.json()));
    }
    found
}

/// The packet. It is closed to change (`end="r"`), for a change would break the signature. Properties are elements:
/// what reads the JSON of one by a search finds its quotes as they are.
pub(super) fn packet(label: &Label) -> String {
    let properties = properties(label);
    let namespaces: String = namespaces(properties.iter().map(|(name, _)| *name))
        .map(|(prefix, uri)| format!("\n    xmlns:{prefix}=\"{uri}\""))
        .collect();
    let elements: String =
        properties.iter().map(|(name, value)| format!("   <{name}>{}</{name}>\n", escape(value))).collect();
    format!(
        r#"<?xpacket begin="{bom}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""{namespaces}>
{elements}  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"#,
        bom = '\u{feff}',
    )
}

/// What prefixes stand for, and the properties by their prefixed names; of the prompt and its writer nothing.
pub(super) fn without_prompt(label: &Label) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let properties = properties(label).into_iter().filter(|(name, _)| ![PROMPT, WRITER].contains(name));
    let properties: BTreeMap<String, String> =
        properties.map(|(name, value)| (name.to_owned(), value)).collect();
    let context = namespaces(properties.keys().map(String::as_str));
    (context.map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect(), properties)
}

/// Those that the properties of these `names` are of.
fn namespaces<'a>(
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let used: BTreeSet<&str> = names.filter_map(|name| name.split(':').next()).collect();
    NAMESPACES.into_iter().filter(move |(prefix, _)| used.contains(prefix))
}

fn escape(text: &str) -> String {
    text.trim().chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_that_are_used_are_declared_and_markup_in_values_stays_text() {
        let plain = packet(&Label::new("a <b> & \"c\"", "patch", "8\u{1}"));
        assert!(plain.contains("<xmp:CreatorTool>a &lt;b&gt; &amp; \"c\"</xmp:CreatorTool>"), "{plain}");
        assert!(plain.contains("<Iptc4xmpExt:AISystemVersionUsed>8 <"), "{plain}");
        for absent in ["TC260", "vidimus:", "dcterms", "Prompt"] {
            assert!(!plain.contains(absent), "{absent}: {plain}");
        }
    }
}
