//! A signer outside of this program, for keys that no file holds: bytes on its stdin, a raw signature on its stdout.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::manifest::{Algorithm, is_signed};

/// Most bytes of a signature: RSA with 16,384 bits has 2,048.
const LIMIT: u64 = 4096;
/// How often a command that has answered is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What to run, and the certificate that its signatures have to hold under.
#[derive(Clone, Debug)]
pub(super) struct SignerCommand {
    /// The program and its arguments; no shell reads them.
    pub words: Vec<String>,
    /// Where it runs: the workspace's root.
    pub place: PathBuf,
    pub timeout: Duration,
    pub algorithm: Algorithm,
    /// Of the leaf certificate: DER, SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

impl SignerCommand {
    /// The signature of `message`, which holds under the certificate.
    ///
    /// What the command says on stderr is not repeated: it may be a secret.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let name = self.words.first().map_or("", String::as_str);
        let signature = self.run(message).map_err(|fault| format!("the signer {name:?} {fault}"))?;
        if is_signed(self.algorithm, &self.public_key, message, &signature) {
            return Ok(signature);
        }
        Err(format!(
            "the signer {name:?} gave {} bytes that are no {} signature under the certificate: expected one of its key, raw",
            signature.len(),
            self.algorithm
        ))
    }

    fn run(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let (program, arguments) = self.words.split_first().ok_or("is not named")?;
        let mut child = Command::new(located(program, &self.place))
            .args(arguments)
            .current_dir(&self.place)
            // Its own secrets are its own affair, ours are none of it.
            .env_remove("VIDIMUS_PASSPHRASE")
            .env_remove("VIDIMUS_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot be run: {}", error.kind()))?;
        let ended = self.talk(&mut child, message);
        if ended.is_err() {
            // Whatever it still does is not waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }

    fn talk(&self, child: &mut Child, message: &[u8]) -> Result<Vec<u8>, String> {
        let (mut stdin, stdout) = match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => (stdin, stdout),
            _ => return Err("has no stdin and stdout".into()),
        };
        let message = message.to_vec();
        // One that reads nothing may still sign; what it says counts.
        thread::spawn(move || drop(stdin.write_all(&message)));
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut signature = Vec::new();
            let read = stdout.take(LIMIT + 1).read_to_end(&mut signature);
            // Whoever waits no longer has given up.
            let _ = send.send(read.map(|_| signature));
        });
        let slow = || format!("gave no signature within {} s", self.timeout.as_secs());
        let signature = receive.recv_timeout(self.timeout).map_err(|_| slow())?;
        let signature = signature.map_err(|error| format!("broke off: {}", error.kind()))?;
        if signature.len() as u64 > LIMIT {
            return Err(format!("gave over {LIMIT} bytes: expected a raw signature"));
        }
        let looks = self.timeout.as_millis() / LOOK.as_millis();
        for _ in 0..=looks {
            match child.try_wait().map_err(|error| format!("cannot be waited for: {}", error.kind()))? {
                Some(status) if status.success() => return Ok(signature),
                Some(status) => return Err(format!("failed ({status}): expected exit status 0")),
                None => thread::sleep(LOOK),
            }
        }
        Err(slow())
    }
}

/// A program with a slash in its name is found from the workspace's root, any other as a shell would.
fn located(program: &str, place: &Path) -> PathBuf {
    if program.contains('/') { place.join(program) } else { PathBuf::from(program) }
}
