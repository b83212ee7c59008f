//! Keys and manifests together: signing, reading back, and what others do to our files.

mod certificates;
mod foreign;
mod signed;
mod support;
