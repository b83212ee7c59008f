//! `vidimus.toml` at the root of a workspace: what the program asks of others. Strict, as policies are: a slip of the
//! pen must not switch off what was meant.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::authority::{Authority, Url};
use crate::manifest::{Algorithm, NoPermission, TrainingMining};
use crate::workspace::Workspace;

/// The file's name.
pub const FILE: &str = "vidimus.toml";

/// What stands in the file; without one, nothing is asked of anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub time_stamps: Option<TimeStamps>,
    pub signer: Option<Signer>,
    pub trust: Trust,
    /// `[manifest] training-mining`: whether others may mine what is made here, and train or run models on it, unless an
    /// output is said otherwise of.
    pub training_mining: Option<TrainingMining>,
}

/// `[trust]`: whom to trust beside `keys/trust/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The trust list that C2PA publishes, or another: roots as PEM.
    pub c2pa_list: Option<PathBuf>,
    /// Purposes (extendedKeyUsage, object identifiers) that certificates may be made out for, beside those of C2PA.
    pub purposes: Vec<String>,
}

/// `[signer]`: a command that signs in place of `keys/signing.key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// The certificate chain, leaf first.
    pub chain: PathBuf,
    /// What the certificate's key signs with, if the file says so.
    pub algorithm: Option<Algorithm>,
    pub timeout: Duration,
}

/// `[timestamp]`: who says when something was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStamps {
    pub authority: Authority,
    pub on_failure: OnFailure,
}

impl TimeStamps {
    /// The way to the authority, as a signature takes it.
    pub fn ask(&self) -> impl Fn(&[u8]) -> Result<Vec<u8>, String> + Copy + Send + Sync {
        |question| self.authority.ask(question).map_err(|error| error.to_string())
    }
}

/// What becomes of a signature for which the authority gives no time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    Refuse,
    /// It is made without one, and says so.
    Unstamped,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{}: cannot be read: {}", path.display(), source.kind())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: line {line}: {message}", path.display())]
    Toml { path: PathBuf, line: usize, message: String },
    #[error("{}: {key} {found:?} cannot be used: {fault}", path.display())]
    Value { path: PathBuf, key: &'static str, found: String, fault: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    timestamp: Option<TimeStampTable>,
    signer: Option<SignerTable>,
    trust: Option<TrustTable>,
    manifest: Option<ManifestTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ManifestTable {
    training_mining: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TrustTable {
    c2pa_list: Option<PathBuf>,
    #[serde(default)]
    purposes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SignerTable {
    command: Vec<String>,
    chain: PathBuf,
    algorithm: Option<Algorithm>,
    timeout_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TimeStampTable {
    url: String,
    on_failure: Option<OnFailure>,
    timeout_s: Option<u64>,
}

impl Settings {
    /// What stands in the file of `workspace`; nothing where there is none.
    pub fn load(workspace: &Workspace) -> Result<Self, SettingsError> {
        let path = workspace.root().join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Settings::parse(&path, &text),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(source) => Err(SettingsError::Io { path, source }),
        }
    }

    /// What `text` says, which stands in the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let table: FileTable = toml::from_str(text).map_err(|error| SettingsError::Toml {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| {
                text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
            }),
            message: error.message().replace('\n', " "),
        })?;
        let value = |key, found: &str, fault: String| SettingsError::Value {
            path: path.to_owned(),
            key,
            found: found.to_owned(),
            fault,
        };
        let time_stamps = table.timestamp.map(|table| {
            let url =
                Url::parse(&table.url).map_err(|fault| value("timestamp.url", &table.url, fault.into()))?;
            let timeout = seconds(table.timeout_s, 10)
                .map_err(|found| value("timestamp.timeout-s", &found, SECONDS.into()))?;
            Ok(TimeStamps {
                authority: Authority::new(url, timeout),
                on_failure: table.on_failure.unwrap_or(OnFailure::Refuse),
            })
        });
        let signer = table.signer.map(|table| {
            if table.command.first().is_none_or(String::is_empty) {
                let found = table.command.join(" ");
                return Err(value(
                    "signer.command",
                    &found,
                    "expected [\"PROGRAM\", \"ARGUMENT\", …]".into(),
                ));
            }
            let timeout = seconds(table.timeout_s, 30)
                .map_err(|found| value("signer.timeout-s", &found, SECONDS.into()))?;
            let chain = path.parent().unwrap_or(Path::new(".")).join(table.chain);
            Ok(Signer { command: table.command, chain, algorithm: table.algorithm, timeout })
        });
        let trust = table.trust.unwrap_or(TrustTable { c2pa_list: None, purposes: Vec::new() });
        let is_oid =
            |oid: &&String| oid.contains('.') && oid.split('.').all(|arc| arc.parse::<u64>().is_ok());
        if let Some(found) = trust.purposes.iter().find(|oid| !is_oid(oid)) {
            let expected = "expected an object identifier such as 1.3.6.1.5.5.7.3.4".into();
            return Err(value("trust.purposes", found, expected));
        }
        let training_mining = table.manifest.and_then(|table| table.training_mining).map(|text| {
            let fault = |error: NoPermission| value("manifest.training-mining", &text, error.to_string());
            text.parse::<TrainingMining>().map_err(fault)
        });
        let beside = |file: PathBuf| path.parent().unwrap_or(Path::new(".")).join(file);
        Ok(Settings {
            time_stamps: time_stamps.transpose()?,
            signer: signer.transpose()?,
            trust: Trust { c2pa_list: trust.c2pa_list.map(beside), purposes: trust.purposes },
            training_mining: training_mining.transpose()?,
        })
    }
}

const SECONDS: &str = "expected 1 to 120 seconds";

/// A time limit; the text of one that is none.
fn seconds(found: Option<u64>, otherwise: u64) -> Result<Duration, String> {
    match found.unwrap_or(otherwise) {
        seconds @ 1..=120 => Ok(Duration::from_secs(seconds)),
        other => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new("vidimus.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_says_nothing_asks_nobody() {
        assert_eq!(parse("").expect("empty"), Settings::default());
        let dir = tempfile::tempdir().expect("a temporary directory");
        let workspace = Workspace::create(dir.path()).expect("writable");
        assert_eq!(Settings::load(&workspace).expect("no file"), Settings::default());
    }

    #[test]
    fn an_authority_is_required_unless_the_file_says_otherwise() {
        let asked = |text: &str| {
            let settings = parse(&format!("[timestamp]\nurl = \"http://tsa.example/tsr\"\n{text}"));
            settings.expect("sound").time_stamps.expect("asked")
        };
        let plain = asked("");
        assert_eq!(plain.on_failure, OnFailure::Refuse);
        assert_eq!(plain.authority.to_string(), "http://tsa.example/tsr");
        assert_eq!(plain.authority.timeout(), Duration::from_secs(10));
        let lax = asked("on-failure = \"unstamped\"\ntimeout-s = 3");
        assert_eq!((lax.on_failure, lax.authority.timeout()), (OnFailure::Unstamped, Duration::from_secs(3)));
    }

    #[test]
    fn a_signer_is_a_command_and_a_chain() {
        let settings = Settings::parse(
            Path::new("/here/vidimus.toml"),
            "[signer]\ncommand = [\"./sign\", \"--slot\", \"1\"]\nchain = \"keys/hsm.pem\"\nalgorithm = \"es256\"",
        );
        let signer = settings.expect("sound").signer.expect("there is one");
        assert_eq!(signer.command, ["./sign", "--slot", "1"]);
        assert_eq!(signer.chain, Path::new("/here/keys/hsm.pem"));
        assert_eq!((signer.algorithm, signer.timeout), (Some(Algorithm::Es256), Duration::from_secs(30)));
    }

    #[test]
    fn who_may_learn_from_outputs_is_said_for_all_of_them() {
        let said = parse("[manifest]\ntraining-mining = \"constrained:ask us\"").expect("sound");
        assert_eq!(said.training_mining, Some(TrainingMining::Constrained("ask us".into())));
        let slip = parse("[manifest]\ntraining-mining = \"never\"").expect_err("none of the answers");
        assert!(
            slip.starts_with("vidimus.toml: manifest.training-mining \"never\" cannot be used: expected"),
            "{slip}"
        );
    }

    #[test]
    fn every_slip_is_named_with_its_line_or_key() {
        for (text, words) in [
            ("[timestamps]", "vidimus.toml: line 1: unknown field `timestamps`"),
            ("[timestamp]", "line 1: missing field `url`"),
            ("\n[timestamp]\nurl = 7", "line 3: invalid type"),
            (
                "[timestamp]\nurl = \"tsa.example\"",
                "timestamp.url \"tsa.example\" cannot be used: expected http",
            ),
            ("[timestamp]\nurl = \"http://a\"\nonfailure = \"refuse\"", "unknown field `onfailure`"),
            ("[timestamp]\nurl = \"http://a\"\non-failure = \"ignore\"", "unknown variant `ignore`"),
            (
                "[timestamp]\nurl = \"http://a\"\ntimeout-s = 0",
                "timeout-s \"0\" cannot be used: expected 1 to 120",
            ),
            (
                "[signer]\ncommand = []\nchain = \"a\"",
                "signer.command \"\" cannot be used: expected [\"PROGRAM\"",
            ),
            ("[signer]\ncommand = \"sign\"\nchain = \"a\"", "line 2: invalid type"),
            ("[trust]\npurposes = [\"mail\"]", "trust.purposes \"mail\" cannot be used: expected an object"),
            ("[trust]\nc2pa = \"a\"", "unknown field `c2pa`"),
            ("[signer]\ncommand = [\"sign\"]", "missing field `chain`"),
            ("[signer]\ncommand = [\"a\"]\nchain = \"a\"\nalgorithm = \"rs256\"", "unknown variant `rs256`"),
            ("[timestamp]\nurl = \"http://a\"\ntimeout-s = 1000", "timeout-s \"1000\" cannot"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
