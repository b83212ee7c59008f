//! What is on the grid, and how closely the microscope looks at it.

use std::fmt;
use std::str::FromStr;

/// Which virion is drawn. Sizes are those of the literature (ICTV, *Virus Taxonomy*, 9th report).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bare icosahedral capsids of T = 25, 90 nm across, with fibres at the vertices.
    Adenovirus,
    /// Pleomorphic envelopes, 100 nm across, with a fringe of glycoprotein spikes.
    Influenza,
    /// Cross-striated filaments, 80 nm wide and micrometres long, with hooks and loops.
    Filovirus,
    /// Rhabdovirus: bullets of 75 nm × 180 nm, densely packed.
    Bullet,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Adenovirus, Kind::Influenza, Kind::Filovirus, Kind::Bullet];

    /// Lower-case name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Adenovirus => "adenovirus",
            Kind::Influenza => "influenza",
            Kind::Filovirus => "filovirus",
            Kind::Bullet => "bullet",
        }
    }

    /// Nanometres that the short side of a picture shows, whatever its pixels.
    pub(super) fn field(self) -> f32 {
        match self {
            Kind::Adenovirus => 560.0,
            Kind::Influenza => 680.0,
            Kind::Filovirus => 1000.0,
            Kind::Bullet => 980.0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no kind of specimen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of specimen {found:?}: expected adenovirus, influenza, filovirus or bullet")]
pub struct ParseKindError {
    pub found: String,
}

impl FromStr for Kind {
    type Err = ParseKindError;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_ascii_lowercase();
        let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| ParseKindError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.name().to_uppercase().parse(), Ok(kind));
        }
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_names_of_all() {
        let message = "herpes".parse::<Kind>().unwrap_err().to_string();
        assert!(message.contains("\"herpes\""));
        assert!(Kind::ALL.iter().all(|kind| message.contains(kind.name())));
    }
}
