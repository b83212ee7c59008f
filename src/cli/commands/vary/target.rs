//! Where the outputs of one command go.

use std::path::{Path, PathBuf};

use crate::cli::args::Vary;
use crate::cli::error::Failure;
use crate::cli::files;
use crate::quantity::{Seed, Strength};
use crate::raster::{Encoding, Format};

/// Where outputs go, decided once for all of them.
pub struct Target {
    pub encoding: Encoding,
    /// The one output file, or `None` for files in `folder`.
    file: Option<PathBuf>,
    folder: PathBuf,
}

impl Target {
    pub fn choose(args: &Vary) -> Result<Self, Failure> {
        let extension = args.out.extension().and_then(|e| e.to_str());
        let named: Option<Format> = extension.and_then(|e| e.parse().ok()).filter(|_| !args.out.is_dir());
        let Some(by_name) = named else {
            if let Some(extension) = extension.filter(|_| !args.out.is_dir()) {
                let error = format!("unknown picture format {extension:?}: expected png, jpeg, webp or tiff");
                return Err(Failure::at(args.out.display(), error)
                    .advise("name a file like out.png, or a folder without a dot"));
            }
            let encoding = encoding(args, args.writing.format.unwrap_or(Format::Png))?;
            return Ok(Target { encoding, file: None, folder: args.out.clone() });
        };
        if args.references.len() > 1 || args.count > 1 {
            return Err(Failure::at(args.out.display(), "one file cannot hold several variations")
                .advise("name a directory with --out"));
        }
        if args.writing.format.is_some_and(|format| format != by_name) {
            return Err(Failure::at(args.out.display(), "its extension and --format disagree")
                .advise("leave one of them out"));
        }
        Ok(Target {
            encoding: encoding(args, by_name)?,
            file: Some(args.out.clone()),
            folder: PathBuf::new(),
        })
    }

    /// The one file that was named.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// `NAME-s070-SEED.png` in the folder, unless one file was named.
    pub fn path(&self, reference: &Path, strength: Strength, seed: Seed) -> PathBuf {
        if let Some(file) = &self.file {
            return file.clone();
        }
        self.folder.join(files::variation(reference, None, strength, seed, self.encoding.format()))
    }
}

fn encoding(args: &Vary, format: Format) -> Result<Encoding, Failure> {
    args.writing
        .encoding(format)
        .map_err(|error| Failure::new(error).advise("choose another --format, or leave the option out"))
}
