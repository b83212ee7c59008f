//! The signed statement inside a picture: a C2PA manifest, written and read. The only door of c2pa.
//!
//! Decided here, once (see `build`): `c2pa.created` with `trainedAlgorithmicMedia`; the reference as an
//! `inputTo` ingredient, with its own manifest store; the facts twice, in the parameters of the created
//! action (which nobody can redact) and in an `org.vidimus.derivation` assertion (which others can read).
//! What was made elsewhere is `c2pa.opened`, with its own manifest store, and the facts, which nobody here witnessed, stand
//! under other names: action `org.vidimus.declared`, assertion `org.vidimus.declaration`.
//! No network, ever: the SDK is built without an HTTP client. Time stamps come by whoever asks for a signature.

mod annotations;
mod build;
mod bundle;
mod extract;
mod raw;
mod read;
mod reading;
mod recovery;
mod sign;
mod stamp;
mod statement;
mod store;
mod vendor;

pub use annotations::{Annotations, Metadata, NoPermission, Permission, Permissions, TrainingMining};
pub use bundle::{Cause, Revocation, purpose};
pub use raw::{RawPen, is_signed};
pub use read::{ReadError, read, read_detached};
pub use reading::{
    Agreement, Failure, IngredientReading, Reading, SignerReading, SoftBindingReading, State,
    TimeStampReading,
};
pub use recovery::{PIXELS, Recovery, restore};
pub use sign::{
    Algorithm, Credential, Place, ReferenceAsset, Sign, SignError, SignedAsset, sign, sign_adopted, sign_at,
};
pub use stamp::TimeStamps;
pub use statement::{
    BELOW_LIMIT, Declaration, Derivation, LoraReference, OtherPolicy, PolicyReference, Software, Statement,
    VisibleLabel, WatermarkReference,
};
pub use store::active_alone;
pub use vendor::Vendor;

use std::path::{Path, PathBuf};

use bundle::Trust;
use c2pa::{Context, Settings};

/// A file over this many bytes is not read: the SDK leaves the cost of large input to its host.
pub const LIMIT_BYTES: usize = 512 << 20;

/// Version of the C2PA specification that our manifests keep.
const SPEC_VERSION: &str = "2.4.0";

/// Where the manifest of the file at `path` lies if it lies beside it: `picture.c2pa` beside `picture.png`.
pub fn sidecar(path: &Path) -> PathBuf {
    path.with_extension("c2pa")
}

/// How the SDK works for us, with what is in `bundles` as the only trusted roots.
fn context(bundles: &[String]) -> c2pa::Result<Context> {
    let Trust { anchors, purposes, .. } = Trust::of(bundles);
    let mut settings = Settings::new()
        // Off by default in 0.90.22, whatever its documentation says.
        .with_value("verify.verify_after_sign", true)?
        .with_value("verify.remote_manifest_fetch", false)?
        .with_value("verify.ocsp_fetch", false)?
        .with_value("builder.thumbnail.enabled", false)?
        .with_value("builder.actions.all_actions_included", true)?
        // What is not listed is "gathered": carried, but not attributed to the signer.
        .with_value("builder.created_assertion_labels", build::CREATED.map(str::to_owned).to_vec())?;
    if !anchors.trim().is_empty() {
        settings = settings.with_value("trust.user_anchors", anchors)?;
    }
    if !purposes.is_empty() {
        settings = settings.with_value("trust.trust_config", purposes)?;
    }
    Context::new().with_settings(settings)
}
