use std::io;
use std::path::PathBuf;

use super::Id;

/// A model cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("{endpoint:?} is no address of a hub: expected http:// or https:// and a host")]
    Endpoint { endpoint: String },
    #[error("the token for the hub has characters that no token has")]
    Token,
    #[error("the system has no certificates that show who a host is: {cause}")]
    NoCertificates { cause: String },
    #[error("{host} cannot be reached: {cause}")]
    Unreachable { host: String, cause: String },
    /// The hub answers alike for what is not there and for what it does not show without a token.
    #[error("the hub shows no model {id}")]
    NoModel { id: Id, with_token: bool },
    #[error("{id}: there is no such revision")]
    NoRevision { id: Id },
    #[error("{id} is given only to who has accepted its licence")]
    Gated { id: Id, with_token: bool },
    #[error("{id}: the hub does not let the token read it")]
    Forbidden { id: Id },
    #[error("{host} answered {status} for {path}")]
    Status { host: String, status: u16, path: String },
    #[error("{host} leads from {path} to {to:?}: expected another address of https")]
    Redirect { host: String, path: String, to: String },
    #[error("{id}: the hub's answer is not what is expected: {cause}")]
    Answer { id: Id, cause: String },
    #[error("{id}: refused, for it has a file whose name leads elsewhere: {name:?}")]
    Name { id: Id, name: String },
    #[error("{name}: expected {expected} bytes, as the hub says, found {found}")]
    Length { name: String, expected: u64, found: u64 },
    #[error("{name}: damaged on the way: expected {expected}, as the hub says, found {found}")]
    Damaged { name: String, expected: String, found: String },
    #[error("{place}: {} are needed and {} are free", Size(*needed), Size(*free), place = place.display())]
    Space { place: PathBuf, needed: u64, free: u64 },
    #[error("{path}: {source}", path = path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("stopped; what came is kept")]
    Cancelled,
}

/// Bytes, in the units of the hub and of disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{} bytes", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_the_hub_shows() {
        let shown = [0, 999, 1_200, 5_000_000, 33_700_000_000].map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["0 bytes", "999 bytes", "1.2 kB", "5.0 MB", "33.7 GB"]);
    }
}
