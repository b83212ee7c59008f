//! Other programs, which measure when they are told to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use vidimus::generate::diffusion::Precision;

use super::process::Failure;

pub struct Peer {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Makes a row ready; `None` where there is no PyTorch.
    pub fn start(name: &str, threads: usize, precision: Precision) -> Result<Option<Peer>, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/venv-parity/bin/python");
        if !python.exists() {
            return Ok(None);
        }
        let mut command = Command::new(python);
        command.arg(root.join("benches/engines/peer.py"));
        Peer::told(command.args([name, &threads.to_string(), precision.name()])).map(Some)
    }

    /// Makes a network ready in stable-diffusion.cpp, of this kind (see `sdcpp.py`), from the models in `dir`.
    pub fn start_sdcpp(python: &str, dir: &str, threads: usize, kind: &str) -> Result<Peer, Failure> {
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/engines/sdcpp.py"));
        Peer::told(command.args(["run", dir, &threads.to_string(), kind]))
    }

    fn told(command: &mut Command) -> Result<Peer, Failure> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (process.stdin.take(), process.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err("no pipes to it".into()) };
        Ok(Peer { process, to, from: BufReader::new(from) })
    }

    /// CPU seconds of one run.
    pub fn seconds(&mut self) -> Result<f64, Failure> {
        writeln!(self.to, "run")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("it says {line:?}").into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It is done in any case.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
