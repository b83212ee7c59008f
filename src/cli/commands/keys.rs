use std::path::Path;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::cli::args::KeysCommand;
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::host::System;
use crate::cli::term::{BOLD, GOOD, Terminal, WARN, paint};
use crate::cli::{passphrase, place};
use crate::digest::Digest;
use crate::host::Host;
use crate::keys::{self, Keys, Signer};
use crate::manifest::{Cause, Revocation};
use crate::settings::Settings;
use crate::workspace::Workspace;

pub fn run(command: &KeysCommand, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let now = host.now();
    let workspace = place::need(place)?;
    let dir = workspace.keys();
    let keys = match command {
        KeysCommand::Show => place::load_keys(&workspace, now)?,
        KeysCommand::Rotate | KeysCommand::Import { .. } if Keys::is_locked(&dir) => {
            return Err(Failure::new("the signing key is under a passphrase, and a new one would not be")
                .advise("run 'vidimus keys unprotect' first, and 'vidimus keys protect' afterwards"));
        }
        KeysCommand::Rotate => {
            if Settings::load(&workspace).map_err(Failure::new)?.signer.is_some() {
                return Err(Failure::new(
                    "the signer is another program, as vidimus.toml says: nothing to rotate here",
                )
                .advise("change its key there, and [signer] chain with it"));
            }
            let keys = Keys::rotate(&dir, now, &place::entropy(&host)).map_err(Failure::new)?;
            terminal.talk("made a new key and certificate; outputs signed before remain verifiable");
            keys
        }
        KeysCommand::Import { cert, key } => {
            let chain = text(cert)?;
            let private = text(key)?;
            Keys::import(&dir, &chain, &private, now, &place::entropy(&host)).map_err(Failure::new)?
        }
        KeysCommand::Revoke { certificate, reason } => {
            let keys = place::load_keys(&workspace, now)?;
            let certificate = match certificate {
                Some(text) => keys.certificate_of(&dir, &text.to_lowercase()).map_err(Failure::new)?,
                None => keys.signer().fingerprint,
            };
            let revocation = Revocation { certificate, at: now, reason: *reason };
            keys.revoke(&dir, &revocation).map_err(Failure::new)?;
            return revoked(&revocation, certificate == keys.signer().fingerprint, terminal);
        }
        KeysCommand::Protect => {
            let mut random = [0; 32];
            host.random(&mut random);
            let passphrase = passphrase::chosen().map_err(unasked)?;
            keys::protect(&dir, &passphrase, &random).map_err(Failure::new)?;
            return protection(&workspace, true, terminal);
        }
        KeysCommand::Unprotect => {
            let passphrase = passphrase::given().map_err(unasked)?;
            keys::unprotect(&dir, &passphrase).map_err(Failure::new)?;
            return protection(&workspace, false, terminal);
        }
        KeysCommand::ExportTrust => {
            let bundle = Keys::export_trust(&dir).map_err(Failure::new)?;
            if bundle.is_empty() {
                return Err(Failure::at(dir.display(), "no trust anchor to export")
                    .advise("keys are made by 'vidimus init' or the first 'vidimus vary'"));
            }
            let document = serde_json::json!({ "schema": 1, "anchors_pem": bundle });
            let text = if terminal.json { format!("{document:#}") } else { bundle };
            terminal.result(&text).map_err(Failure::new)?;
            return Ok(Outcome::Yes);
        }
    };
    show(&workspace, &keys, now, terminal)?;
    Ok(Outcome::Yes)
}

fn unasked(reason: String) -> Failure {
    Failure::new(reason)
        .advise("give it in a file (--passphrase-file), in VIDIMUS_PASSPHRASE or on a terminal")
}

/// Says what a revocation means.
fn revoked(revocation: &Revocation, current: bool, terminal: &Terminal) -> Result<Outcome, Failure> {
    if terminal.json {
        let document = serde_json::json!({
            "schema": 1,
            "certificate": revocation.certificate,
            "reason": revocation.reason.name(),
        });
        terminal.result(&format!("{document:#}")).map_err(Failure::new)?;
        return Ok(Outcome::Yes);
    }
    let what = match revocation.reason {
        Cause::KeyCompromise => "nothing that it signed is trusted any more",
        _ => "of what it signed, only what a trusted time stamp says was before now is trusted",
    };
    let then = if current { "; 'vidimus keys rotate' makes the next one" } else { "" };
    let text = format!(
        "{} {}: {what}{then}\nothers learn of it by 'vidimus keys export-trust'",
        paint(BOLD, "revoked"),
        revocation.certificate.short(16)
    );
    terminal.result(&text).map_err(Failure::new)?;
    Ok(Outcome::Yes)
}

/// Says what became of the signing key's passphrase.
fn protection(workspace: &Workspace, protected: bool, terminal: &Terminal) -> Result<Outcome, Failure> {
    let path = workspace.keys().join("signing.key");
    let text = match (terminal.json, protected) {
        (true, _) => format!("{:#}", serde_json::json!({ "schema": 1, "protected": protected })),
        (false, true) => format!("{}: under a passphrase from now on", path.display()),
        (false, false) => format!("{}: without a passphrase from now on", path.display()),
    };
    terminal.result(&text).map_err(Failure::new)?;
    Ok(Outcome::Yes)
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(files::read(path)?).map_err(|_| Failure::at(path.display(), "not a PEM text file"))
}

fn show(workspace: &Workspace, keys: &Keys, now: OffsetDateTime, terminal: &Terminal) -> Result<(), Failure> {
    let signer = keys.signer();
    let anchors: usize = keys.anchors().iter().map(|text| text.matches("BEGIN CERTIFICATE").count()).sum();
    if terminal.json {
        let document = serde_json::json!({
            "schema": 1,
            "workspace": workspace.root().to_string_lossy(),
            "signer": signer,
            "watermark_key_sha256": Digest::of(keys.watermark_key()),
            "anchors": anchors,
        });
        return terminal.result(&format!("{document:#}")).map_err(Failure::new);
    }
    let label = |name: &str| paint(BOLD, format_args!("{name:<12}"));
    let lines = [
        format!("{}{} ({}), {}", label("Signer"), signer.common_name, signer.organisation, signer.algorithm),
        format!("{}{}", label("Certificate"), signer.fingerprint),
        format!(
            "{}{} to {}{}",
            label("Valid"),
            day(signer.not_before),
            day(signer.not_after),
            remaining(signer, now)
        ),
        format!("{}{} in {}", label("Anchors"), anchors, workspace.keys().join("trust").display()),
        format!("{}{}", label("Watermark"), Digest::of(keys.watermark_key()).short(16)),
    ];
    terminal.result(&lines.join("\n")).map_err(Failure::new)
}

/// What is to be said about the end of the certificate.
pub fn remaining(signer: &Signer, now: OffsetDateTime) -> String {
    let left = signer.not_after - now;
    if left < place::EXPIRY_WARNING {
        paint(WARN, format_args!("  {} days left: vidimus keys rotate", left.whole_days().max(0)))
    } else {
        paint(GOOD, format_args!("  {} days left", left.whole_days()))
    }
}

fn day(moment: OffsetDateTime) -> String {
    moment.format(format_description!("[year]-[month]-[day]")).unwrap_or_else(|_| moment.to_string())
}
