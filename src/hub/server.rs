//! A hub on this machine, for tests: it answers as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::digest::Digest;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Bytes of the body after which the connection ends.
    pub cut: Option<usize>,
    /// Before the body is sent.
    pub pause: Duration,
    /// After it, or what there is of it, before the connection ends.
    pub hold: Duration,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            pause: Duration::ZERO,
            hold: Duration::ZERO,
        }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((header, value.into()));
        self
    }

    /// The rest of `body`, with its length.
    pub fn of(body: &[u8], range: Option<usize>) -> Reply {
        let whole = body.len();
        let reply = match range {
            None => Reply { body: body.to_vec(), ..Reply::status(200) },
            Some(start) if start >= whole => return Reply::status(416),
            Some(start) => {
                let range = format!("bytes {start}-{}/{whole}", whole - 1);
                Reply { body: body[start..].to_vec(), ..Reply::status(206) }.with("Content-Range", range)
            }
        };
        let length = reply.body.len().to_string();
        reply.with("Content-Length", length)
    }
}

type Answers = dyn Fn(&Asked) -> Reply + Send + Sync;

/// Stops when it is dropped.
pub struct Server {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    pub fn new(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, ended) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (log, end, answers): (Arc<Mutex<Vec<Asked>>>, _, Arc<Answers>) =
            (Arc::clone(&asked), Arc::clone(&ended), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                // Whoever asked may have gone.
                std::thread::spawn(move || {
                    stream.is_ok_and(|stream| answer(stream, &log, &*answers).is_ok())
                });
            }
        });
        Server { address, asked, ended }
    }

    /// Of a repository.
    pub fn of(model: Model) -> Server {
        Server::new(move |asked| model.answer(asked))
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address.trim_start_matches("http://")));
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, answers: &Answers) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut asked = Asked {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        authorization: None,
        range: None,
    };
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                asked.authorization = Some(value.to_owned());
            }
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                asked.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok();
            }
            Some(_) => {}
        }
    }
    log.lock().expect("no panic").push(asked.clone());
    let reply = answers(&asked);
    let mut head = format!("HTTP/1.1 {} x\r\nConnection: close\r\n", reply.status);
    reply.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    std::thread::sleep(reply.pause);
    stream.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())])?;
    std::thread::sleep(reply.hold);
    Ok(())
}

/// A repository of these files, `owner/name` by any name.
#[derive(Clone, Default)]
pub struct Model {
    pub files: BTreeMap<String, Vec<u8>>,
    pub card: Value,
}

impl Model {
    pub fn new(files: &[(&str, &[u8])]) -> Model {
        let files = files.iter().map(|(name, body)| ((*name).to_owned(), body.to_vec())).collect();
        Model { files, card: Value::Null }
    }

    /// Of the files in a folder.
    pub fn of_folder(dir: &Path) -> Model {
        fn walk(dir: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
            for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else {
                    let name = path.strip_prefix(root).expect("below").to_str().expect("plain").to_owned();
                    files.insert(name, std::fs::read(&path).expect("a file"));
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(dir, dir, &mut files);
        Model { files, card: Value::Null }
    }

    /// As the hub answers: large files with their SHA-256, others with what git calls them.
    pub fn answer(&self, asked: &Asked) -> Reply {
        if asked.path.starts_with("/api/models/") {
            return Reply::of(self.info().to_string().as_bytes(), None);
        }
        let name = asked.path.split_once(&format!("/resolve/{COMMIT}/")).map(|(_, name)| name);
        match name.and_then(|name| self.files.get(name)) {
            Some(body) => Reply::of(body, asked.range),
            None => Reply::status(404).with("X-Error-Code", "EntryNotFound"),
        }
    }

    pub fn info(&self) -> Value {
        let siblings = self.files.iter().map(|(name, body)| {
            let git = Sha1::new_with_prefix(format!("blob {}\0", body.len())).chain_update(body).finalize();
            let mut file = json!({ "rfilename": name, "size": body.len(), "blobId": hex::encode(git) });
            if name.ends_with(".safetensors") {
                file["lfs"] =
                    json!({ "sha256": Digest::of(body).to_string(), "size": body.len(), "pointerSize": 130 });
            }
            file
        });
        json!({ "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>(), "cardData": self.card })
    }
}
