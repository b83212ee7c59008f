//! A draft that two people release below a limit: it is drawn once more, and has to be the one that they approved.

use std::collections::BTreeSet;

use super::error::ReleaseError;
use super::order::Desk;
use super::states::Course;
use crate::digest::Digest;
use crate::policy::{Case, Cleared, Refusal};

impl Course<'_> {
    /// Whether what is to be overridden can be, as far as that is known before anything is drawn.
    pub(super) fn may_override(&self, desk: &Desk<'_>) -> Result<(), ReleaseError> {
        let Some(run) = self.order.overriding.clone() else { return Ok(()) };
        let Some(refused) = desk.catalog.refused_draft(&run)? else {
            return Err(ReleaseError::NothingToOverride { run });
        };
        if desk.catalog.is_overridden(&run)? {
            return Err(ReleaseError::AlreadyOverridden { run });
        }
        let mut policies: Vec<Digest> = desk.policy.members().map(|(policy, _)| policy.digest()).collect();
        policies.sort();
        if policies != refused.policies {
            return Err(ReleaseError::OtherPolicies { run });
        }
        Ok(())
    }

    /// Those whose approval of exactly the pixels `draft` is on record and signed; nobody where no override is asked for.
    pub(super) fn approvers(
        &self,
        desk: &Desk<'_>,
        draft: Digest,
    ) -> Result<BTreeSet<[u8; 32]>, ReleaseError> {
        let Some(run) = &self.order.overriding else { return Ok(BTreeSet::new()) };
        let refused = desk.catalog.refused_draft(run)?;
        let refused = refused.ok_or_else(|| ReleaseError::NothingToOverride { run: run.clone() })?;
        if refused.sha256 != draft {
            return Err(ReleaseError::OtherDraft { run: run.clone() });
        }
        let mut approvals = desk.catalog.approvals(run)?;
        approvals.retain(|one| refused.approving(&one.reason).is_signed(&one.key, &one.signature));
        Ok(approvals.into_iter().map(|one| one.key).collect())
    }
}

/// The judgement, with what `approvers` may lift.
pub(super) fn judge(desk: &Desk<'_>, case: Case, approvers: &BTreeSet<[u8; 32]>) -> Result<Cleared, Refusal> {
    if approvers.is_empty() { desk.policy.judge(case) } else { desk.policy.lift(case, approvers) }
}
