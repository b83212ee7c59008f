//! What a model of the hub is called.

use std::fmt;

/// `owner/name`, at a revision: a branch, a tag or a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    name: String,
    revision: Option<String>,
}

/// Characters of a name or a revision, at most.
const LONGEST: usize = 96;

/// The branch that a name alone means.
const MAIN: &str = "main";

impl Id {
    /// From `owner/name` or `owner/name@revision`; `None` for what is no such name.
    pub fn parse(text: &str) -> Option<Id> {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (text, None),
        };
        let (owner, own) = name.split_once('/')?;
        let sound = [owner, own].into_iter().all(is_segment)
            && revision
                .is_none_or(|revision| revision.len() <= LONGEST && revision.split('/').all(is_segment));
        sound.then(|| Id { name: name.to_owned(), revision: revision.map(str::to_owned) })
    }

    /// `owner/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// Of the folder that the cache keeps the model in; the hub forbids the dashes in names.
    pub fn folder(&self) -> String {
        format!("models--{}", self.name.replace('/', "--"))
    }

    /// The model that the cache keeps in a folder of this name.
    pub fn of_folder(folder: &str) -> Option<Id> {
        Id::parse(&folder.strip_prefix("models--")?.replacen("--", "/", 1))
    }
}

/// A word of letters, digits, dots, dashes and underscores that begins with a letter or a digit.
fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= LONGEST
        && text.chars().all(plain)
        && !text.contains("..")
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_an_owner_a_name_and_perhaps_a_revision() {
        let id = Id::parse("black-forest-labs/FLUX.1-dev").expect("an id");
        assert_eq!((id.name(), id.revision()), ("black-forest-labs/FLUX.1-dev", "main"));
        assert_eq!(id.folder(), "models--black-forest-labs--FLUX.1-dev");
        assert_eq!(Id::of_folder(&id.folder()), Some(id));
        let id = Id::parse("a/b@refs/pr/3").expect("an id");
        assert_eq!((id.revision(), id.to_string().as_str()), ("refs/pr/3", "a/b@refs/pr/3"));
    }

    #[test]
    fn what_could_be_a_place_on_disk_or_lead_out_of_one_is_no_id() {
        for text in [
            "model", "./a/b", "/a/b", "a/b/c", "a/..", "../a", "a/b@", "a/b@../x", "a/b@x//y", "a/ b",
            "a/b\n", "a\\b/c", "a/b@x@y", "", "a/", "/b", "~/models", "a/b@/etc", "a/x..y",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
        assert_eq!(Id::parse(&format!("a/{}", "b".repeat(97))), None);
    }
}
