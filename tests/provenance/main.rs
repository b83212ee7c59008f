//! Keys and manifests together: signing, reading back, and what others do to our files.

mod annotated;
#[path = "../suite/authority.rs"]
mod authority;
mod certificates;
#[path = "../suite/certified.rs"]
mod certified;
mod foreign;
mod signed;
mod stamped;
mod support;
mod validity;
