//! The policy files of a workspace: `policies/NAME.toml`. What is not there is the one that shipped, unless the
//! workspace pins who signs its policies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::keys::{Detached, KeyError, PersonalKey, PolicySigners, signature_path};
use crate::policy::{Policy, PolicyError, PolicySet, SHIPPED, Subject};
use crate::workspace::Workspace;

/// Why a policy cannot be used. Nothing is released under a policy that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    #[error("no policy {name:?}: this workspace has {known}")]
    Unknown { name: String, known: String },
    #[error("{}: {source}", path.display())]
    Invalid { path: PathBuf, source: PolicyError },
    #[error("{}: the policy calls itself {found:?}: expected {expected:?}, as the file", path.display())]
    OtherName { path: PathBuf, expected: String, found: String },
    #[error("{0}: it may be one that applies, and nothing is released until it can be read")]
    MayApply(Box<PoliciesError>),
    #[error(transparent)]
    Signature(#[from] KeyError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Where policies are kept, and whose signatures they need.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    dir: Option<PathBuf>,
    signers: PolicySigners,
}

impl Shelf {
    /// That of a workspace; without one, the policies that shipped.
    pub fn of(workspace: Option<&Workspace>) -> Result<Self, PoliciesError> {
        let Some(workspace) = workspace else { return Ok(Shelf::default()) };
        let signers = PolicySigners::load(&workspace.keys())?;
        Ok(Shelf { dir: Some(workspace.policies()), signers })
    }

    /// The same, for those who read policies and release nothing by them: nobody asks for signatures.
    pub fn unsigned(self) -> Self {
        Shelf { signers: PolicySigners::default(), ..self }
    }

    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    pub fn signers(&self) -> &PolicySigners {
        &self.signers
    }

    /// The policy `name`.
    pub fn load(&self, name: &str) -> Result<Policy, PoliciesError> {
        let path = self.dir().and_then(|dir| file(dir, name));
        if let Some(path) = path.filter(|path| path.is_file()) {
            return self.read(&path, name);
        }
        // Where signatures are asked for, taking a file away must not bring back what shipped.
        let shipped = if self.signers.is_pinned() { None } else { Policy::shipped(name) };
        shipped
            .ok_or_else(|| PoliciesError::Unknown { name: name.to_owned(), known: self.names().join(", ") })
    }

    /// The policy `named`, and every other that applies to `subject` by itself.
    ///
    /// # Errors
    /// Also for another policy that cannot be read: it may be one that applies.
    pub fn select(&self, named: &str, subject: &Subject) -> Result<PolicySet, PoliciesError> {
        let first = self.load(named)?;
        let mut others = Vec::new();
        for (name, policy) in self.list() {
            if name == named {
                continue;
            }
            let policy = policy.map_err(|error| PoliciesError::MayApply(Box::new(error)))?;
            if let Some(why) = policy.applies().and_then(|applies| applies.to(subject)) {
                others.push((policy, why));
            }
        }
        Ok(PolicySet::new(first, others))
    }

    /// Every policy by name, the shipped ones included; a broken one is given as its error.
    pub fn list(&self) -> BTreeMap<String, Result<Policy, PoliciesError>> {
        self.names().into_iter().map(|name| (name.clone(), self.load(&name))).collect()
    }

    /// Puts the signature of `key` beside the policy `name`, and tells where it is.
    ///
    /// # Errors
    /// For a policy that is no file here or cannot be read, and for a key that is not among those that are pinned.
    pub fn sign(&self, name: &str, key: &PersonalKey) -> Result<(PathBuf, Detached), PoliciesError> {
        let path = self.dir().and_then(|dir| file(dir, name)).filter(|path| path.is_file());
        let known = || self.names().join(", ");
        let path = path.ok_or_else(|| PoliciesError::Unknown { name: name.to_owned(), known: known() })?;
        let policy = self.clone().unsigned().read(&path, name)?;
        self.signers.admits(&path, &key.public())?;
        let signed = key.sign_policy(policy.text());
        let beside = signature_path(&path);
        disk::write(&beside, signed.to_string().as_bytes(), true)
            .map_err(|source| PoliciesError::Io { path: beside.clone(), source })?;
        Ok((beside, signed))
    }

    fn read(&self, path: &Path, name: &str) -> Result<Policy, PoliciesError> {
        let text =
            fs::read_to_string(path).map_err(|source| PoliciesError::Io { path: path.to_owned(), source })?;
        // Before it is understood: a text that nobody signed is nobody's policy.
        self.signers.check(path, &text)?;
        let policy = Policy::parse(&text)
            .map_err(|source| PoliciesError::Invalid { path: path.to_owned(), source })?;
        if policy.name() != name {
            return Err(PoliciesError::OtherName {
                path: path.to_owned(),
                expected: name.to_owned(),
                found: policy.name().to_owned(),
            });
        }
        Ok(policy)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match self.signers.is_pinned() {
            true => Vec::new(),
            false => SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        let entries = self.dir().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let (Some(stem), Some("toml")) = (stem, path.extension().and_then(|e| e.to_str())) {
                names.push(stem.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Writes the shipped policies into `dir`; files that are there stay as they are.
pub fn install(dir: &Path) -> Result<(), PoliciesError> {
    for (name, text) in SHIPPED {
        let path = dir.join(format!("{name}.toml"));
        match disk::write(&path, text.as_bytes(), false) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(PoliciesError::Io { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The file of a policy; `None` for a name that could lead out of the folder.
fn file(dir: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    plain.then(|| dir.join(format!("{name}.toml")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        install(dir.path()).expect("the shipped policies can be written");
        dir
    }

    fn at(dir: &tempfile::TempDir) -> Shelf {
        Shelf { dir: Some(dir.path().to_owned()), signers: PolicySigners::default() }
    }

    #[test]
    fn a_file_in_the_workspace_outranks_the_shipped_one() {
        let dir = shelf();
        let path = dir.path().join("default.toml");
        let text = fs::read_to_string(&path).expect("installed").replace("min         = 0.50", "min = 0.80");
        fs::write(&path, &text).expect("writable");
        install(dir.path()).expect("what is there stays");
        let policy = at(&dir).load("default").expect("it parses");
        assert_eq!(policy.limits().min_deviation, 0.80);
        let shipped = Shelf::default().load("default").expect("shipped");
        assert_eq!(shipped.limits().min_deviation, 0.50);
    }

    #[test]
    fn a_broken_file_is_an_error_and_not_the_shipped_policy() {
        let dir = shelf();
        fs::write(dir.path().join("default.toml"), "schema = 1").expect("writable");
        assert!(matches!(at(&dir).load("default"), Err(PoliciesError::Invalid { .. })));
        fs::write(dir.path().join("other.toml"), SHIPPED[0].1).expect("writable");
        assert!(matches!(at(&dir).load("other"), Err(PoliciesError::OtherName { .. })));
    }

    #[test]
    fn what_applies_by_itself_judges_beside_the_one_that_was_named() {
        let dir = shelf();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("writable");
        write("clinical.toml", include_str!("../policies/examples/clinical.toml"));
        write("micrograph.toml", include_str!("../policies/examples/micrograph.toml"));
        let names = |named: &str, class: &[&str]| {
            let classes = class.iter().map(|class| class.parse().expect("a class")).collect();
            let subject = Subject { classes, ..Subject::default() };
            at(&dir).select(named, &subject).map(|set| set.name()).map_err(|e| e.to_string())
        };
        assert_eq!(names("default", &["photo"]), Ok("default".into()));
        assert_eq!(names("default", &["clinical"]), Ok("default + clinical".into()));
        assert_eq!(names("clinical", &["clinical", "micrograph"]), Ok("clinical + micrograph".into()));
        assert_eq!(names("default", &[]), Ok("default + clinical + micrograph".into()), "it may be either");
        assert_eq!(names("micrograph", &["photo"]), Ok("micrograph".into()), "named, it judges anything");
        write("other.toml", "schema = 2");
        let error = names("default", &["photo"]).expect_err("nobody knows what it says");
        assert!(
            error.ends_with("it may be one that applies, and nothing is released until it can be read"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones_and_never_leaves_the_folder() {
        let dir = shelf();
        for name in ["none", "../keys/x", "", "a/b"] {
            let error = at(&dir).load(name).expect_err(name);
            assert!(
                error.to_string().ends_with("this workspace has default, strict, without-strength"),
                "{error}"
            );
        }
    }
}
