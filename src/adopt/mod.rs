//! Pictures that were made elsewhere: what is said of them, by their files and by whoever brings them.
//!
//! Nobody here saw them made. What is declared goes on record as declared, under the name of who declares it; the rest
//! of the road is that of every draft (`release`).

mod declare;
mod recognise;
mod tool;

pub use declare::{Contradiction, Flags, declare};
pub use recognise::{Known, recognise};
pub use tool::{Tool, ToolError};
