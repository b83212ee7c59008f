//! Whose program made a claim, by the names that vendors of image models give theirs (docs/claims.md).

use serde::Serialize;

use super::reading::{SignerReading, State};

/// A vendor that a claim generator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Vendor {
    pub name: &'static str,
    /// Whether the certificate is the vendor's, too, and trusted here: any program can give itself any name.
    pub certified: bool,
}

/// Vendor, beginnings of its claim generators' names and of the organisation in its certificates; small letters, with
/// spaces for underscores.
const VENDORS: [(&str, &[&str], &str); 4] = [
    ("Adobe", &["adobe firefly", "firefly", "adobe photoshop"], "adobe"),
    ("Google", &["google c2pa core generator"], "google"),
    ("Microsoft", &["microsoft responsible ai"], "microsoft"),
    ("OpenAI", &["openai", "chatgpt", "dall·e", "dall-e"], "openai"),
];

/// The vendor that `claim_generator` names, and whether it is the signer as well.
pub(super) fn vendor(
    claim_generator: Option<&str>,
    signer: Option<&SignerReading>,
    state: State,
) -> Option<Vendor> {
    let generator = plain(claim_generator?);
    let of_generator =
        |(_, names, _): &&(&str, &[&str], &str)| names.iter().any(|name| begins(&generator, name));
    let (name, _, organisation) = VENDORS.iter().find(of_generator)?;
    let signs =
        signer.and_then(|signer| signer.issuer.as_deref()).is_some_and(|o| begins(&plain(o), organisation));
    Some(Vendor { name, certified: signs && state == State::Trusted })
}

fn plain(text: &str) -> String {
    text.trim().to_lowercase().replace('_', " ")
}

/// Whether `text` begins with `name`, as whole words.
fn begins(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(organisation: &str) -> SignerReading {
        SignerReading {
            common_name: None,
            issuer: Some(organisation.into()),
            alg: None,
            fingerprint: None,
            time: None,
        }
    }

    #[test]
    fn vendors_are_known_by_the_names_that_they_write() {
        for (generator, name) in [
            ("Adobe_Firefly/1.0 adobe_c2pa/0.7.6", Some("Adobe")),
            ("Adobe Firefly 1.2", Some("Adobe")),
            ("Google C2PA Core Generator Library 964701591:964701591", Some("Google")),
            ("Microsoft_Responsible_AI/1.0", Some("Microsoft")),
            ("Microsoft Responsible AI Image Provenance 1.0", Some("Microsoft")),
            ("OpenAI Media Service API", Some("OpenAI")),
            ("OpenAI-API c2pa-rs/0.28.4", Some("OpenAI")),
            ("ChatGPT", Some("OpenAI")),
            ("vidimus 0.1.0", None),
            ("Fireflyer 1", None),
            ("not ChatGPT", None),
            ("", None),
        ] {
            let found = vendor(Some(generator), None, State::Valid);
            assert_eq!(found.map(|vendor| vendor.name), name, "{generator}");
        }
        assert_eq!(vendor(None, Some(&signer("OpenAI OpCo, LLC")), State::Trusted), None);
    }

    #[test]
    fn a_name_is_the_vendors_word_only_under_the_vendors_trusted_certificate() {
        for (organisation, state, certified) in [
            ("OpenAI OpCo, LLC", State::Trusted, true),
            ("OpenAI OpCo, LLC", State::Valid, false),
            ("OpenAIs friends", State::Trusted, false),
            ("Google LLC", State::Trusted, false),
        ] {
            let found = vendor(Some("ChatGPT"), Some(&signer(organisation)), state);
            assert_eq!(found, Some(Vendor { name: "OpenAI", certified }), "{organisation} {state:?}");
        }
    }
}
