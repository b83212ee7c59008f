//! What a reference is said to be, and which policies that calls for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of picture a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Micrograph,
    Clinical,
    Photo,
    Figure,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Micrograph, Class::Clinical, Class::Photo, Class::Figure];

    pub fn name(self) -> &'static str {
        match self {
            Class::Micrograph => "micrograph",
            Class::Clinical => "clinical",
            Class::Photo => "photo",
            Class::Figure => "figure",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a class: expected micrograph, clinical, photo or figure, found {found:?}")]
pub struct ParseClassError {
    pub found: String,
}

impl FromStr for Class {
    type Err = ParseClassError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Class::ALL.into_iter().find(|class| class.name() == text);
        named.ok_or_else(|| ParseClassError { found: text.to_owned() })
    }
}

/// A word of the laboratory's own about a reference: 1 to 40 lower-case letters, digits or hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// The text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a tag: expected 1 to 40 lower-case letters, digits or hyphens, found {found:?}")]
pub struct ParseTagError {
    pub found: String,
}

impl FromStr for Tag {
    type Err = ParseTagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_plain(text) { Ok(Tag(text.to_owned())) } else { Err(ParseTagError { found: text.to_owned() }) }
    }
}

impl TryFrom<String> for Tag {
    type Error = ParseTagError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 1 to 40 lower-case letters, digits or hyphens: names of policies and engines, and tags.
pub(super) fn is_plain(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Everything that was ever said about a reference and what it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// None: nobody said what it is.
    pub classes: BTreeSet<Class>,
    pub tags: BTreeSet<Tag>,
}

impl Subject {
    /// What both say.
    pub fn and(mut self, other: Subject) -> Self {
        self.classes.extend(other.classes);
        self.tags.extend(other.tags);
        self
    }
}

/// The references that a policy is for, beside those for which it is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Applies {
    /// None: of any class.
    pub classes: BTreeSet<Class>,
    /// One of them is asked for. None: with any tags, and without.
    pub tags: BTreeSet<Tag>,
}

/// Why a policy judges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    Named,
    Always,
    Class(Class),
    /// It is for some classes, and nobody said which one this is.
    ClassUnknown,
    Tag(Tag),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Named => write!(f, "named"),
            Why::Always => write!(f, "applies always"),
            Why::Class(class) => write!(f, "class {class}"),
            Why::ClassUnknown => write!(f, "no class was stated"),
            Why::Tag(tag) => write!(f, "tag {tag}"),
        }
    }
}

impl Applies {
    /// Why a policy of this kind applies to `subject`; `None` if it does not.
    ///
    /// What a picture is not said to be, it may be: without a class every class is taken to be meant.
    pub fn to(&self, subject: &Subject) -> Option<Why> {
        let by_class = match () {
            () if self.classes.is_empty() => None,
            () if subject.classes.is_empty() => Some(Why::ClassUnknown),
            () => Some(Why::Class(*self.classes.intersection(&subject.classes).next()?)),
        };
        let by_tag = match () {
            () if self.tags.is_empty() => None,
            () => Some(Why::Tag(self.tags.intersection(&subject.tags).next()?.clone())),
        };
        Some(by_class.or(by_tag).unwrap_or(Why::Always))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().expect("a tag")
    }

    fn subject(classes: &[Class], tags: &[&str]) -> Subject {
        Subject { classes: classes.iter().copied().collect(), tags: tags.iter().map(|t| tag(t)).collect() }
    }

    fn applies(classes: &[Class], tags: &[&str]) -> Applies {
        let Subject { classes, tags } = subject(classes, tags);
        Applies { classes, tags }
    }

    #[test]
    fn every_class_has_a_name_that_parses_and_no_other_text_does() {
        for class in Class::ALL {
            assert_eq!(class.name().parse(), Ok(class));
        }
        assert!("Clinical".parse::<Class>().is_err() && "".parse::<Class>().is_err());
        assert!("patient 7".parse::<Tag>().is_err() && "".parse::<Tag>().is_err());
    }

    #[test]
    fn a_class_has_to_match_unless_none_was_stated_and_a_tag_has_to_be_borne() {
        use Class::{Clinical, Micrograph, Photo};
        let clinical = applies(&[Clinical, Photo], &[]);
        assert_eq!(clinical.to(&subject(&[Photo, Micrograph], &[])), Some(Why::Class(Photo)));
        assert_eq!(clinical.to(&subject(&[Micrograph], &["patient"])), None);
        assert_eq!(clinical.to(&subject(&[], &[])), Some(Why::ClassUnknown));
        let embargoed = applies(&[], &["embargoed"]);
        assert_eq!(embargoed.to(&subject(&[Photo], &["embargoed", "x"])), Some(Why::Tag(tag("embargoed"))));
        assert_eq!(embargoed.to(&subject(&[], &[])), None);
        let both = applies(&[Clinical], &["patient"]);
        assert_eq!(both.to(&subject(&[Clinical], &[])), None);
        assert_eq!(both.to(&subject(&[], &["patient"])), Some(Why::ClassUnknown));
        assert_eq!(both.to(&subject(&[Photo], &["patient"])), None);
        assert_eq!(applies(&[], &[]).to(&subject(&[], &[])), Some(Why::Always));
    }

    #[test]
    fn what_was_said_before_still_counts() {
        let both = subject(&[Class::Clinical], &["a"]).and(subject(&[Class::Photo], &["b"]));
        assert_eq!(both, subject(&[Class::Clinical, Class::Photo], &["a", "b"]));
    }
}
