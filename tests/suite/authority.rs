//! A time-stamp authority on this machine: `openssl ts` behind a small HTTP server, with a throw-away root.
#![allow(dead_code)] // Each test binary uses its own part.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

/// How an authority answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// A time stamp over other data than was asked about.
    OtherData,
    /// A time stamp for somebody else's question.
    OtherQuestion,
    /// A rejection, as openssl gives it for what is no question.
    Refusing,
    Garbage,
    Silent,
    Huge,
}

pub struct Authority {
    dir: Arc<TempDir>,
    pub url: String,
    asked: Arc<AtomicUsize>,
}

const EXTENSIONS: &str = "\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

const CONFIG: &str = "\
[tsa]
default_tsa = here
[here]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
";

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(dir).output().expect("openssl is there");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Authority {
    /// An authority called "Throw-away TSA"; it answers until the tests end.
    pub fn new(manner: Manner) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let at = dir.path();
        let rsa = ["-newkey", "rsa:2048", "-nodes"];
        let root = ["req", "-x509", "-subj", "/O=tests/CN=Throw-away TSA root", "-days", "30"];
        openssl(at, &[&root[..], &rsa, &["-keyout", "root.key", "-out", "root.pem"]].concat());
        let leaf = ["req", "-subj", "/O=tests/CN=Throw-away TSA", "-keyout", "tsa.key", "-out", "tsa.csr"];
        openssl(at, &[&leaf[..], &rsa].concat());
        fs::write(at.join("ext.cnf"), EXTENSIONS).expect("writable");
        fs::write(at.join("tsa.cnf"), CONFIG).expect("writable");
        fs::write(at.join("serial"), "01\n").expect("writable");
        let sign = ["x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "20"];
        openssl(at, &[&sign[..], &["-CAcreateserial", "-extfile", "ext.cnf", "-out", "tsa.pem"]].concat());

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/tsr", listener.local_addr().expect("bound"));
        let asked = Arc::new(AtomicUsize::new(0));
        let (place, counter) = (Arc::clone(&dir), Arc::clone(&asked));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                counter.fetch_add(1, Ordering::SeqCst);
                serve(stream, place.path(), manner, number);
            }
        });
        Authority { dir, url, asked }
    }

    /// The certificate that vouches for it.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    pub fn root_pem(&self) -> String {
        fs::read_to_string(self.root()).expect("there")
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// `[timestamp]` of a vidimus.toml that names it.
    pub fn settings(&self, more: &str) -> String {
        format!("[timestamp]\nurl = \"{}\"\n{more}\n", self.url)
    }
}

fn serve(mut stream: TcpStream, dir: &Path, manner: Manner, number: usize) {
    let question = question(&mut stream);
    let answer = match manner {
        Manner::Silent => {
            // Until the other side hangs up.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        Manner::Garbage => b"not a time stamp".to_vec(),
        Manner::Huge => vec![0; 1 << 20],
        _ => stamp(&altered(question, manner), dir, number),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    // Whoever hangs up has heard enough.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
}

fn question(stream: &mut TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("it asks something");
        seen.extend_from_slice(&buffer[..read]);
        if let Some(at) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..at]).to_lowercase();
            assert!(head.contains("content-type: application/timestamp-query"), "{head}");
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.expect("it says how long it is").trim().parse().expect("a number");
            if seen.len() >= at + 4 + length {
                return seen[at + 4..at + 4 + length].to_vec();
            }
        }
        assert_ne!(read, 0, "it asks a whole question");
    }
}

/// The question that is answered instead.
fn altered(mut question: Vec<u8>, manner: Manner) -> Vec<u8> {
    match manner {
        Manner::OtherData => {
            let digest = question.windows(2).position(|two| two == [0x04, 0x20]).expect("a SHA-256 digest");
            question[digest + 2] ^= 1;
        }
        // The nonce stands before BOOLEAN TRUE.
        Manner::OtherQuestion => {
            let nonce = question.len() - 4;
            question[nonce] ^= 1;
        }
        Manner::Refusing => question.truncate(3),
        _ => {}
    }
    question
}

fn stamp(question: &[u8], dir: &Path, number: usize) -> Vec<u8> {
    let (query, reply) = (format!("{number}.tsq"), format!("{number}.tsr"));
    fs::write(dir.join(&query), question).expect("writable");
    let args = ["ts", "-reply", "-config", "tsa.cnf", "-section", "here", "-queryfile", &query];
    let with = ["-signer", "tsa.pem", "-inkey", "tsa.key", "-out", &reply];
    openssl(dir, &[&args[..], &with].concat());
    fs::read(dir.join(&reply)).expect("there")
}
