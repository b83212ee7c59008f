//! The command line, word for word: the door of `clap`.

mod adopting;
mod making;
mod serving;
mod sweeping;
mod telling;
mod visible;
mod writing;

pub use adopting::Adopt;
pub use making::{
    Device, Lora, Meaning, ModelArgs, Orientation, Precision, Prediction, Probe, Sampler, Vary,
};
pub use serving::Serve;
pub use sweeping::Sweep;
pub use telling::TellingArgs;
pub use writing::Writing;

pub use visible::VisibleArgs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::manifest::Cause;
use crate::policy::{Class, Subject, Tag};
use crate::quantity::Seed;
use crate::specimen::Kind;

const EXIT_CODES: &str = "\
Exit codes:
  0  yes: released; verified as AI-derived on intact evidence; audit clean
  1  no: refused by the policy; no evidence, or evidence that contradicts itself; findings
  2  could not: usage, unreadable file, input or output error
  130  interrupted by Ctrl-C: what was made before stays, nothing else is left
With several files the worst wins.";

/// Make variations of scientific images that say what they are.
///
/// Vidimus makes a new image from a reference, compares the two, refuses what is too close, and attests
/// the rest: every output carries a signed C2PA manifest and an invisible watermark, and is recorded.
#[derive(Parser, Debug)]
#[command(name = "vidimus", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Debug)]
pub struct Global {
    /// Workspace to use [default: found by walking up from here]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIDIMUS_WORKSPACE",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    workspace: Option<OsString>,
    /// File with the passphrase of the signing key [default: VIDIMUS_PASSPHRASE, else asked for]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub passphrase_file: Option<PathBuf>,
    /// Print results as one JSON document
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Say more: timings of stages, full digests
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
    /// When to use colour (NO_COLOR is honoured)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub color: Color,
}

impl Global {
    /// The workspace that was named; an empty name, as in an emptied environment variable, names none.
    pub fn place(&self) -> Option<&Path> {
        self.workspace.as_deref().filter(|name| !name.is_empty()).map(Path::new)
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a workspace: policies, keys and certificate, catalog
    Init(Init),
    /// Make labelled variations of one or more references
    Vary(Box<Vary>),
    /// Several strengths, seeds and engines side by side, on a sheet and on a page with their measures
    Sweep(Box<Sweep>),
    /// Label a picture that was made elsewhere, as declared: measured, judged, marked, recorded
    Adopt(Box<Adopt>),
    /// Does the model know a subject? Draws it from text alone: small pictures to look at, not to use
    Probe(Box<Probe>),
    /// Is it AI-derived, from what, by whom, and is the evidence intact?
    Verify(Verify),
    /// What does the watermark say, and what became of the picture since?
    Detect(Detect),
    /// Which references spawned which outputs?
    Lineage(Lineage),
    /// Check the whole workspace: log chain, objects, manifests, marks, decisions
    Audit(Audit),
    /// Export and import manifests, back up, count, search
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// List, show and try policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show, rotate, import and export keys and certificates
    #[command(subcommand)]
    Keys(KeysCommand),
    /// What can generate here, and what it needs
    Engines(Engines),
    /// Make, verify and look things up in a browser
    Serve(Serve),
    /// Draw a synthetic electron micrograph, to try things on
    Specimen(SpecimenArgs),
}

#[derive(Args, Debug)]
pub struct Init {
    /// Directory of the new workspace [default: --workspace, else the current one]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
The answer is never \"authentic\": only AI-derived and why, no evidence found, or evidence that contradicts itself.")]
pub struct Verify {
    /// Pictures to verify, and folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    pub files: Vec<PathBuf>,
    /// A trust list to trust beside the workspace's: roots as PEM, such as C2PA publishes
    #[arg(long, value_name = "PEM")]
    pub trust: Vec<PathBuf>,
    /// Manifest of the one FILE, instead of the one that it carries [default: the one in it, else NAME.c2pa beside it]
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Write FILE with the manifest that it lost and the catalog knows, under a new one of this workspace that says so
    #[arg(long, value_name = "OUT")]
    pub restore: Option<PathBuf>,
    /// Overwrite an existing OUT
    #[arg(long, requires = "restore")]
    pub force: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes: 0 a watermark in every file, 1 not in some, 2 could not.
This reads the pixels alone; 'vidimus verify' weighs them against manifest and catalog.")]
pub struct Detect {
    /// Pictures to look into
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Look only where the pixel grid was kept: no odd turns, no scaling
    #[arg(long)]
    pub fast: bool,
    /// Draw where in the picture the evidence lies (one FILE)
    #[arg(long, value_name = "OUT.png")]
    pub explain: Option<PathBuf>,
    /// Overwrite an existing explanation
    #[arg(long, requires = "explain")]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Lineage {
    /// A picture, the id of an asset, or a SHA-256 (its beginning is enough)
    #[arg(value_name = "FILE|ID|SHA256")]
    pub asset: PathBuf,
    /// How to print it; html is a page that can be mailed, with small pictures
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    pub format: LineageFormat,
}

#[derive(Args, Debug)]
pub struct Audit {
    /// Write a page that can be mailed, too: what was checked, what was found, and which references spawned which
    /// outputs, with small pictures
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Overwrite an existing page
    #[arg(long, requires = "html")]
    pub force: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineageFormat {
    Tree,
    Json,
    Dot,
    Mermaid,
    Html,
}

#[derive(Args, Debug)]
pub struct Engines {
    /// Folder to look for weights in, or one file of them [default: those of a ComfyUI, of an A1111 and of the Hugging
    /// Face cache]
    #[arg(long, value_name = "DIR|FILE")]
    pub model: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum PolicyCommand {
    /// The policies of this workspace
    List,
    /// A policy's text and limits
    Show {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Measure any two pictures and say what the policy would decide
    Check {
        /// The reference
        #[arg(value_name = "REF")]
        reference: PathBuf,
        /// The picture that must not be too close to it
        #[arg(value_name = "IMAGE")]
        image: PathBuf,
        /// Policy that judges, beside those that apply by themselves
        #[arg(long, value_name = "NAME", default_value = "default")]
        policy: String,
        #[command(flatten)]
        stated: Stated,
        /// Draw IMAGE, REF as it lies on it best, and where the two agree, side by side
        #[arg(long, value_name = "OUT.png")]
        map: Option<PathBuf>,
        /// Overwrite an existing map
        #[arg(long, requires = "map")]
        force: bool,
    },
    /// Which policies would judge variations of a reference, and which rule of which of them decides
    Explain {
        /// The reference
        #[arg(value_name = "REF")]
        reference: PathBuf,
        /// Policy that judges, beside those that apply by themselves
        #[arg(long, value_name = "NAME", default_value = "default")]
        policy: String,
        #[command(flatten)]
        stated: Stated,
    },
    /// Put your signature beside a policy, if its examples hold
    Sign {
        #[arg(value_name = "NAME")]
        name: String,
        /// Your private key: PEM, Ed25519, PKCS#8, mode 0600 [default: the workspace's]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Say yes to a draft that was refused by a policy with action "override"; two of its approvers have to
    Approve {
        /// The run that was refused
        #[arg(value_name = "RUN")]
        run: String,
        /// Why it may leave all the same; at least 20 characters
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Your private key: PEM, Ed25519, PKCS#8, mode 0600
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// From now on, release only under policies that this signer, or another pinned one, signed
    Pin {
        /// What to call the signer
        #[arg(value_name = "SIGNER")]
        signer: String,
        /// The signer's public key: PEM, as 'openssl pkey -pubout' writes it [default: the workspace's]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Try the examples ([[test]]) that stand in policies
    Test {
        /// Policies to try [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

/// What a reference is said to be.
#[derive(Args, Debug, Default)]
pub struct Stated {
    /// What the reference is: micrograph, clinical, photo or figure; again for one that is several [default: unknown,
    /// so that the policies of all classes apply]
    #[arg(long = "class", value_name = "CLASS")]
    pub classes: Vec<Class>,
    /// A word of your own about the reference, which policies may ask for
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<Tag>,
}

impl Stated {
    pub fn subject(&self) -> Subject {
        Subject { classes: self.classes.iter().copied().collect(), tags: self.tags.iter().cloned().collect() }
    }
}

#[derive(Subcommand, Debug)]
pub enum CatalogCommand {
    /// Write every manifest, with what its picture is known by, to an archive for other workspaces
    Export {
        #[arg(value_name = "OUT.tar")]
        out: PathBuf,
        /// Overwrite an existing archive
        #[arg(long)]
        force: bool,
    },
    /// Take in an archive of another workspace, by which copies recover what they lost; nothing of it counts as released
    /// here
    Import {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy the database as it is at one moment; pictures are files of their own
    Backup {
        #[arg(value_name = "OUT.db")]
        out: PathBuf,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// How much there is of each kind
    Stats,
    /// Pictures with all of these words in title, id, digest, prompt, purpose or engine; or those that look like another
    Search {
        #[arg(value_name = "WORD", required_unless_present = "similar")]
        words: Vec<String>,
        /// Pictures that look like this one, in any symmetry and tone, the likest first
        #[arg(long, value_name = "FILE", conflicts_with = "words")]
        similar: Option<PathBuf>,
        /// Most pictures to tell of, the newest first
        #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
        most: u32,
    },
}

#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Certificate, validity, fingerprints, trust anchors
    Show,
    /// Make a new key and certificate; the old anchor stays, so old outputs remain verifiable
    Rotate,
    /// Bring a certificate chain and its private key (PEM; Ed25519, P-256, P-384 or RSA)
    Import {
        /// Certificate chain, end entity first, root left out
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Private key, PKCS#8
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Say that a certificate is trusted no longer; signed, and exported with the anchors
    Revoke {
        /// Its fingerprint, or 8 digits and more of it [default: the one in use]
        #[arg(value_name = "CERTIFICATE")]
        certificate: Option<String>,
        /// Why: unspecified, key-compromise, superseded or cessation-of-operation
        #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = str::parse::<Cause>)]
        reason: Cause,
    },
    /// Put the signing key under a passphrase (PKCS#8, PBES2)
    Protect,
    /// Take the passphrase of the signing key away
    Unprotect,
    /// Print the trust anchors as one PEM bundle, for those who verify elsewhere
    ExportTrust,
}

#[derive(Args, Debug)]
pub struct SpecimenArgs {
    /// File to write; its extension chooses the format
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What is on the grid: adenovirus, influenza, filovirus or bullet
    #[arg(long, value_name = "KIND", default_value = "adenovirus")]
    pub kind: Kind,
    /// Size in pixels
    #[arg(long, value_name = "WxH", default_value = "384x256", value_parser = size)]
    pub size: (u32, u32),
    /// Seed: another seed is another field of view
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: Seed,
    /// False colour instead of grey
    #[arg(long)]
    pub colour: bool,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or("expected WxH, for example 384x256")?;
    let side = |t: &str| t.trim().parse::<u32>().map_err(|_| format!("{t:?} is not a number of pixels"));
    Ok((side(width)?, side(height)?))
}
