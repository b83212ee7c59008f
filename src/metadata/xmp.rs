//! The XMP packet: ours written, others' read for the few properties that matter.
//!
//! IPTC Photo Metadata Standard 2025.1 (DigitalSourceType, AISystemUsed), XMP part 1 (ISO 16684-1).

use super::{Claim, Label, shorten};
use crate::digest::Digest;
use crate::iptc;

/// Property values longer than this are not looked at.
const VALUE: usize = 1024;

/// Our packet. It is closed to change (`end="r"`), for a change would break the signature.
pub(super) fn packet(label: &Label) -> String {
    let (tool, engine) = (escape(&label.tool), escape(&label.engine));
    let source = |source: Digest| format!("\n    dcterms:source=\"nih:sha-256;{source}\"");
    let source = label.source.map(source).unwrap_or_default();
    let source_type = iptc::of_output(label.in_part);
    format!(
        r#"<?xpacket begin="{bom}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dcterms="http://purl.org/dc/terms/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="{tool}"{source}
    Iptc4xmpExt:DigitalSourceType="{source_type}"
    Iptc4xmpExt:AISystemUsed="{engine}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"#,
        bom = '\u{feff}',
    )
}

/// What a packet claims: its digital source type and, failing that, an AI system.
pub(super) fn claims(packet: &str) -> Vec<Claim> {
    let tool = property(packet, "AISystemUsed").or_else(|| property(packet, "CreatorTool"));
    let claim = |statement: String, ai| Claim { source: "xmp".into(), tool: tool.clone(), statement, ai };
    if let Some(kind) = property(packet, "DigitalSourceType") {
        let ai = iptc::is_generated(&kind);
        return vec![claim(format!("DigitalSourceType {kind}"), ai)];
    }
    match property(packet, "AISystemUsed") {
        Some(system) => vec![claim(format!("AISystemUsed {system}"), true)],
        None => Vec::new(),
    }
}

/// The value of the property `name`, under any prefix: as an attribute, an element or an rdf:resource.
///
/// A search, not an XML parser: an unsigned claim is weak evidence however well it is parsed, and a search
/// has no entity expansion to attack.
fn property(packet: &str, name: &str) -> Option<String> {
    packet.match_indices(name).find_map(|(at, _)| {
        if !packet[..at].ends_with(':') {
            return None;
        }
        let rest = packet[at + name.len()..].trim_start();
        let value = match rest.strip_prefix('=') {
            Some(rest) => quoted(rest.trim_start())?,
            None => element(rest)?,
        };
        let value = unescape(value.get(..VALUE).unwrap_or(value).trim());
        (!value.is_empty()).then(|| shorten(&value, 200))
    })
}

fn quoted(rest: &str) -> Option<&str> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(value, _)| value)
}

/// The text of an element whose name was just read, or the `rdf:resource` of its tag.
fn element(rest: &str) -> Option<&str> {
    let (tag, text) = rest.split_once('>')?;
    match tag.find("resource=") {
        Some(at) => quoted(&tag[at + "resource=".len()..]),
        None if tag.ends_with('/') => None,
        None => text.split_once('<').map(|(text, _)| text),
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        out
    })
}

fn unescape(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iptc::TRAINED;
    use proptest::prelude::*;

    #[test]
    fn our_packet_claims_what_the_label_says() {
        let label = Label {
            tool: "a <b> & \"c\"".into(),
            engine: "flux \u{1}1".into(),
            source: Some(Digest::of("s")),
            in_part: false,
        };
        let packet = packet(&label);
        assert_eq!(property(&packet, "CreatorTool").as_deref(), Some("a <b> & \"c\""));
        assert_eq!(property(&packet, "source"), Some(format!("nih:sha-256;{}", Digest::of("s"))));
        let expected = Claim {
            source: "xmp".into(),
            tool: Some("flux 1".into()),
            statement: format!("DigitalSourceType {TRAINED}"),
            ai: true,
        };
        assert_eq!(claims(&packet), [expected]);
    }

    #[test]
    fn a_property_is_found_in_every_form_of_xmp() {
        let forms = [
            format!(r#"<rdf:Description Iptc4xmpExt:DigitalSourceType="{TRAINED}"/>"#),
            format!("<rdf:Description other:DigitalSourceType = '{TRAINED}'/>"),
            format!("<Iptc4xmpExt:DigitalSourceType>{TRAINED}</Iptc4xmpExt:DigitalSourceType>"),
            format!(r#"<Iptc4xmpExt:DigitalSourceType rdf:resource="{TRAINED}"/>"#),
        ];
        for form in forms {
            assert!(claims(&form).first().is_some_and(|claim| claim.ai), "{form}");
        }
    }

    #[test]
    fn a_photograph_does_not_claim_to_be_generated() {
        let form =
            r#"<a b:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"/>"#;
        assert!(claims(form).iter().all(|claim| !claim.ai));
        assert_eq!(claims("<a xmp:CreatorTool=\"GIMP\"/>"), []);
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in "[ :=\"'<>/a-z\u{e9}]{0,40}(:DigitalSourceType[ =\"'<>/a-z\u{e9}]{0,40}){0,3}") {
            claims(&text);
        }
    }
}
