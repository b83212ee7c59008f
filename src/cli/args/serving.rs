//! The arguments of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "\
Without --token, whoever uses this machine may do everything.
Traffic is not encrypted: put a proxy with TLS in front of what others reach.
Ctrl-C ends it; a second one at once.")]
pub struct Serve {
    /// Address and port; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878")]
    pub bind: SocketAddr,
    /// What visitors have to show for everything but verification and resolution; at least 16 characters
    #[arg(
        long,
        value_name = "T",
        env = "VIDIMUS_TOKEN",
        hide_env_values = true,
        conflicts_with = "public_verify_only"
    )]
    pub token: Option<String>,
    /// Serve verification and resolution alone, to whoever comes, with limits on each address
    #[arg(long)]
    pub public_verify_only: bool,
    /// A name by which browsers reach the server, beside its addresses; again for several
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Folder to look for weights in, or one file of them [default: those of a ComfyUI, of an A1111 and of the Hugging
    /// Face cache]
    #[arg(long, value_name = "DIR|FILE")]
    pub model: Option<PathBuf>,
}
