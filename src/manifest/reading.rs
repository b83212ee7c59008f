//! What a manifest says, in our words.

use serde::Serialize;

use super::annotations::{Metadata, Permissions};
use super::recovery::Recovery;
use super::statement::Derivation;
use super::vendor::Vendor;
use crate::digest::Digest;
use crate::iptc;
use crate::iscc::ImageCode;

/// The content is not what was signed.
const CONTENT: &str = "assertion.dataHash.mismatch";
const UNTRUSTED: &str = "signingCredential.untrusted";
const EXPIRED: &str = "signingCredential.expired";
/// The signature is older or younger than its certificate.
const OUTSIDE: &str = "claimSignature.outsideValidity";

/// Our own status code for a signer whose certificate a list of ours revokes: no OCSP response says so.
pub(super) const REVOKED: &str = "signingCredential.revoked";
/// C2PA's, where an OCSP response that the manifest carries says so.
const REVOKED_BY_OCSP: &str = "signingCredential.ocsp.revoked";

/// How far a manifest can be believed (C2PA 2.2, section 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Intact, and signed under one of the given anchors.
    Trusted,
    /// Intact, by a signer unknown here.
    Valid,
    /// Broken; `failures` say where.
    Invalid,
}

/// What one file's active manifest says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    pub state: State,
    /// The manifest's name, unique to this signature.
    pub label: String,
    pub title: Option<String>,
    /// Name and version of the program that made the claim.
    pub claim_generator: Option<String>,
    /// The vendor whose program that is, by its name.
    pub vendor: Option<Vendor>,
    pub signer: Option<SignerReading>,
    /// When it was signed, as an authority says; none where none was asked.
    pub time_stamp: Option<TimeStampReading>,
    /// IPTC digital source type of the first action that names a generative one; failing that, of the
    /// first action that has any.
    pub digital_source_type: Option<String>,
    /// Our facts, from the parameters of the created action: these cannot be redacted.
    pub created: Option<Derivation>,
    /// Our facts, from the `org.vidimus.derivation` assertion.
    pub derivation: Option<Derivation>,
    /// Whether the two agree.
    pub agreement: Agreement,
    /// What a copy of the content can be known by, beside our watermark.
    pub soft_bindings: Vec<SoftBindingReading>,
    /// What XMP said of the content when it was signed.
    pub metadata: Option<Metadata>,
    /// Whether others may mine it, and train or run models on it, as its signer says.
    pub training_mining: Option<Permissions>,
    /// Said of a changed copy that was given its lost manifest back.
    pub recovery: Option<Recovery>,
    /// Everything the validation found wrong, an unknown signer included.
    pub failures: Vec<Failure>,
    pub ingredients: Vec<IngredientReading>,
}

/// Who signed, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerReading {
    pub common_name: Option<String>,
    /// Organisation in the certificate's subject.
    pub issuer: Option<String>,
    pub alg: Option<String>,
    /// SHA-256 of the leaf certificate's DER.
    pub fingerprint: Option<Digest>,
    /// Trusted time-stamp, if there is one (RFC 3339).
    pub time: Option<String>,
}

/// What a time-stamp authority says (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeStampReading {
    /// RFC 3339; none for a time stamp that is broken.
    pub time: Option<String>,
    /// Common name in the authority's certificate.
    pub authority: Option<String>,
    /// Whether the authority is under one of the given anchors. Of an untrusted one the time counts for nothing: the
    /// certificate of the signer is judged at the time of reading.
    pub trusted: bool,
    /// C2PA status code of what is wrong with it, such as `timeStamp.untrusted`.
    pub fault: Option<String>,
}

/// Where our facts stand in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// In action and assertion, and equal.
    Agree,
    /// In both, and different.
    Differ,
    /// The assertion is missing or unreadable: it may have been redacted.
    ActionOnly,
    /// The action does not have them: not a manifest that this program wrote.
    AssertionOnly,
    /// Nowhere: not a manifest of this program.
    Absent,
}

/// A `c2pa.soft-binding` assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoftBindingReading {
    pub algorithm: String,
    /// Where it is a code of this program's kind, of all of the content.
    pub image_code: Option<ImageCode>,
}

/// One failed check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// C2PA status code, such as `assertion.dataHash.mismatch`.
    pub code: String,
    pub explanation: Option<String>,
    /// The ingredient assertion it is about; none for the manifest itself.
    pub ingredient: Option<String>,
}

/// Something the output was made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IngredientReading {
    pub title: Option<String>,
    /// `inputTo`, `parentOf` or `componentOf`.
    pub relationship: String,
    /// Name of the ingredient's own manifest, if it carries one.
    pub label: Option<String>,
    /// State of that manifest when it was taken in, as its signer recorded it. The SDK's verdict on the
    /// output ignores it.
    pub state: Option<State>,
    pub failures: Vec<Failure>,
    /// What the ingredient's own manifest says, as in `Reading`: an update or an edit of an output of ours
    /// has our facts here and nowhere else.
    pub digital_source_type: Option<String>,
    pub created: Option<Derivation>,
    pub derivation: Option<Derivation>,
    pub agreement: Agreement,
    /// What the ingredient was made from: 8 levels and 256 ingredients at most, in one reading.
    pub ingredients: Vec<IngredientReading>,
}

impl Reading {
    /// Our facts, wherever they stand; those of the created action come first.
    pub fn facts(&self) -> Option<&Derivation> {
        self.created.as_ref().or(self.derivation.as_ref())
    }

    /// Our facts or, in a manifest that gave another one back, those of that one.
    pub fn known_facts(&self) -> Option<&Derivation> {
        self.facts().or_else(|| self.restored()?.facts())
    }

    /// The digital source type, of the same two.
    pub fn known_source_type(&self) -> Option<&str> {
        self.digital_source_type.as_deref().or_else(|| self.restored()?.digital_source_type.as_deref())
    }

    /// The parent that this manifest gave back to a changed copy, if nothing else is wrong with it than that its
    /// content was changed or that its signer is unknown here.
    pub fn restored(&self) -> Option<&IngredientReading> {
        let recovery = self.recovery.as_ref()?;
        self.ingredients.iter().find(|parent| {
            parent.relationship == "parentOf"
                && parent.label.as_ref() == Some(&recovery.manifest)
                && parent.state.is_some()
                && parent.failures.iter().all(|failure| failure.is_of_content() || failure.is_of_trust())
        })
    }

    /// What is wrong with the manifest itself, apart from its ingredients.
    pub fn own_failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(|failure| failure.ingredient.is_none())
    }

    /// Whether manifest and pixels are as they were signed. A certificate that ended since breaks nothing;
    /// it takes away the trust.
    pub fn holds(&self) -> bool {
        let of_trust_only =
            self.own_failures().next().is_some() && self.own_failures().all(Failure::is_of_trust);
        (self.state != State::Invalid || of_trust_only) && self.agreement != Agreement::Differ
    }

    /// Whether the manifest holds in itself, whatever content it is read against and whoever signed it.
    pub fn holds_but_for_content(&self) -> bool {
        self.agreement != Agreement::Differ
            && self.own_failures().all(|failure| failure.is_of_content() || failure.is_of_trust())
    }

    /// Whether its signer is trusted here, whatever content it is read against.
    pub fn is_of_trusted_signer(&self) -> bool {
        self.holds_but_for_content() && self.own_failures().all(Failure::is_of_content)
    }

    /// Whether it holds and says that the picture was captured from life.
    pub fn says_captured(&self) -> bool {
        self.holds() && self.digital_source_type.as_deref().is_some_and(iptc::is_capture)
    }

    /// C2PA status codes of all failures.
    pub fn failure_codes(&self) -> Vec<&str> {
        self.failures.iter().map(|f| f.code.as_str()).collect()
    }

    /// Whether the signer's certificate is out of its time.
    pub fn ended(&self) -> bool {
        self.own_failures().any(|failure| matches!(failure.code.as_str(), EXPIRED | OUTSIDE))
    }

    /// When and why the signer's certificate was revoked, if that counts for this signature.
    pub fn revocation(&self) -> Option<&str> {
        self.own_failures().find_map(|failure| match failure.code.as_str() {
            REVOKED => failure.explanation.as_deref(),
            REVOKED_BY_OCSP => Some("revoked by its issuer"),
            _ => None,
        })
    }

    /// Whether the pixels are not those that were signed.
    pub fn content_differs(&self) -> bool {
        self.own_failures().any(Failure::is_of_content)
    }
}

impl Failure {
    /// Whether it says that the content is not what was signed.
    pub fn is_of_content(&self) -> bool {
        self.code == CONTENT
    }

    /// Whether it takes trust from the signer, and nothing from what was signed.
    pub fn is_of_trust(&self) -> bool {
        matches!(self.code.as_str(), UNTRUSTED | EXPIRED | REVOKED | REVOKED_BY_OCSP | OUTSIDE)
    }
}

impl IngredientReading {
    /// Our facts in the ingredient's own manifest; those of the created action come first.
    pub fn facts(&self) -> Option<&Derivation> {
        self.created.as_ref().or(self.derivation.as_ref())
    }

    /// Whether its manifest was made for other content than it was found with.
    pub fn content_differs(&self) -> bool {
        self.failures.iter().any(Failure::is_of_content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reading {
        /// One that says nothing.
        pub(crate) fn silent(label: &str, state: State) -> Self {
            Reading {
                state,
                label: label.to_owned(),
                title: None,
                claim_generator: None,
                vendor: None,
                signer: None,
                time_stamp: None,
                digital_source_type: None,
                created: None,
                derivation: None,
                agreement: Agreement::Absent,
                soft_bindings: Vec::new(),
                metadata: None,
                training_mining: None,
                recovery: None,
                failures: Vec::new(),
                ingredients: Vec::new(),
            }
        }
    }

    fn failed(code: &str, ingredient: Option<&str>) -> Failure {
        let explanation = Some("told by the library".to_owned());
        Failure { code: code.into(), explanation, ingredient: ingredient.map(str::to_owned) }
    }

    fn reading(state: State, failures: Vec<Failure>) -> Reading {
        Reading { failures, ..Reading::silent("label", state) }
    }

    #[test]
    fn what_takes_the_trust_alone_breaks_nothing() {
        for (code, ended, revocation) in [
            (UNTRUSTED, false, None),
            (EXPIRED, true, None),
            (OUTSIDE, true, None),
            (REVOKED, false, Some("told by the library")),
            (REVOKED_BY_OCSP, false, Some("revoked by its issuer")),
        ] {
            let one = reading(State::Invalid, vec![failed(code, None)]);
            assert!(one.holds() && one.holds_but_for_content() && !one.is_of_trusted_signer(), "{code}");
            assert_eq!((one.ended(), one.revocation()), (ended, revocation), "{code}");
            let both = reading(State::Invalid, vec![failed(code, None), failed(CONTENT, None)]);
            assert!(!both.holds() && both.content_differs() && both.holds_but_for_content(), "{code}");
        }
        let broken = reading(State::Invalid, vec![failed("claimSignature.mismatch", None)]);
        assert!(!broken.holds() && !broken.holds_but_for_content());
        assert!(!reading(State::Invalid, Vec::new()).holds(), "broken for no reason that is told");
    }

    #[test]
    fn what_is_wrong_with_an_ingredient_says_nothing_of_the_signer() {
        let codes = [UNTRUSTED, EXPIRED, REVOKED, CONTENT];
        let failures = codes.map(|code| failed(code, Some("an ingredient"))).to_vec();
        let one = reading(State::Trusted, failures);
        assert!(one.holds() && one.is_of_trusted_signer() && !one.ended() && !one.content_differs());
        assert_eq!(one.revocation(), None);
        assert_eq!(one.failure_codes(), codes, "they are told all the same");
    }
}
