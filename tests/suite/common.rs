//! What the integration tests share: a laboratory in a temporary directory, and the program.
#![allow(dead_code)] // Each test file uses its own part.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub struct Lab {
    /// A temporary directory; the laboratory lies deep in it, so that what climbs out of the one is found in the other.
    dir: tempfile::TempDir,
}

const INSIDE: &str = "a/b/c/lab";

/// How a run of the program ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }

    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

impl Lab {
    /// An empty directory; a workspace comes with the first `vary`.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir_all(dir.path().join(INSIDE)).expect("a folder");
        Lab { dir }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join(INSIDE)
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
        command
            .args(args)
            .current_dir(self.root())
            .env_remove("VIDIMUS_WORKSPACE")
            .env_remove("VIDIMUS_PASSPHRASE")
            .env("NO_COLOR", "1");
        // No models but the lab's own.
        command.env("HOME", self.root());
        ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "COMFYUI_PATH"].iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        ended(self.command(args).output().expect("the program starts"))
    }

    /// A specimen of 320×208 pixels at `name`.
    pub fn specimen(&self, name: &str, seed: u32) -> PathBuf {
        let seed = seed.to_string();
        self.run(["specimen", "--out", name, "--size", "320x208", "--seed", &seed]).expect(0);
        self.path(name)
    }

    /// A released variation of `reference` at `out`, at strength 0.9. The measure refuses some drafts of
    /// any engine, so seeds are tried from `seed` on until one is released.
    pub fn variation(&self, reference: &str, out: &str, seed: u32) -> Value {
        for seed in seed..seed + 12 {
            let seed = seed.to_string();
            let args = ["vary", reference, "--strength", "0.9", "--seed", &seed, "--out", out, "--json"];
            let ended = self.run(args);
            match ended.code {
                0 => return ended.json(),
                1 => {}
                _ => panic!("stdout: {}\nstderr: {}", ended.stdout, ended.stderr),
            }
        }
        panic!("twelve seeds in a row were refused");
    }

    /// One try at a variation of `ref.png`, with that seed alone.
    pub fn vary(&self, seed: &str, out: &str, more: &[&str]) -> Ended {
        let args = ["vary", "ref.png", "--strength", "0.9", "--seed", seed, "--out", out, "--attempts", "1"];
        self.run([&args[..], more].concat())
    }

    pub fn verify(&self, file: &str) -> Value {
        self.run(["verify", file, "--json"]).json()
    }

    /// Runs a script of `tests/interop` with the pinned Python environment of `make test`.
    pub fn python(&self, script: &str, args: &[&str]) -> Ended {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test', which installs it", python.display());
        let output = Command::new(python)
            .arg(root.join("tests/interop").join(script))
            .args(args)
            .current_dir(self.root())
            .output()
            .expect("python starts");
        ended(output)
    }

    /// Runs `sql` on the catalog through the sqlite3 shell, as a stranger would.
    pub fn sqlite3(&self, sql: &str) -> Ended {
        let output = Command::new("sqlite3")
            .arg(self.path("catalog/catalog.db"))
            .arg(sql)
            .output()
            .expect("the sqlite3 shell is there: 'make test' installs it");
        ended(output)
    }

    /// Every file below `name`, sorted, relative to the laboratory.
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        let root = self.root();
        below(&self.path(name)).iter().map(|p| p.strip_prefix(&root).expect("below").to_owned()).collect()
    }

    /// Every file of the temporary directory that is not in the laboratory: there is to be none.
    pub fn outside(&self) -> Vec<PathBuf> {
        let root = self.root();
        below(self.dir.path()).into_iter().filter(|path| !path.starts_with(&root)).collect()
    }
}

/// The seed of what was made: a number, or text where JSON's numbers are too small.
pub fn seed(made: &Value) -> String {
    made["seed"].as_str().map_or_else(|| made["seed"].to_string(), str::to_owned)
}

fn below(dir: &Path) -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(dir, &mut found);
    found.sort();
    found
}

pub fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
