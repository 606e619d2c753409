//! Does once more what was recorded, on providers that answer from the recording.

use std::collections::BTreeSet;

use crate::engine::compensation::Compensated;
use crate::engine::session::Kept;
use crate::engine::workspace::{Workspace, load, with_variables};
use crate::engine::{
    Cancellation, CompensateOptions, Failure, OnFailure, Options, PlanOptions, Planned, Session, Silent, stood,
};
use crate::plan::{self, PlanKind};
use crate::store::Sealer;
use crate::trace::{Doing, End, Header, KEY, Player, Scope};

/// The stack, where what was recorded is planned from one. No variable of it is read from anywhere.
pub(super) fn workspace(options: &Options, header: &Header) -> Result<Option<Workspace>, Failure> {
    // A plan is the whole program, and an unwinding needs no stack.
    if header.plan.is_some() || header.kind == Doing::Compensate {
        return Ok(None);
    }
    let mut stack = load(options)?;
    stack.variables.values_mut().for_each(|variable| variable.from = None);
    with_variables(options, stack).map(Some)
}

impl Session {
    /// Does it once more, and says how it ended.
    pub(super) async fn again(
        &self,
        player: &Player,
        header: &Header,
        workspace: Option<&Workspace>,
        cancellation: &Cancellation,
    ) -> Result<End, Failure> {
        let trace = player.trace();
        let before = trace.end.as_ref();
        // Where a person said no to it, nothing is carried out now.
        let wanted = before.is_none_or(|end| end.state.is_some() || !end.failed.is_empty());
        match (header.kind, workspace) {
            (Doing::Compensate, _) => self.unwind_again(&header.scope, wanted, cancellation).await,
            (_, None) => match before {
                // It was refused, or done already, before anybody was asked.
                Some(end) if trace.calls() == 0 => Ok(end.clone()),
                _ => self.apply_again(header, before, wanted, cancellation).await,
            },
            (Doing::Reconcile, Some(workspace)) => {
                let (report, _) = self.compare(workspace, header.in_doubt.clone(), cancellation).await?;
                Ok(stood(&report, End::default()))
            }
            (Doing::Fix, Some(workspace)) => self.fix_again(header, workspace, wanted, cancellation).await,
            (doing, Some(workspace)) => {
                let planning = PlanOptions {
                    destroy: doing == Doing::Destroy,
                    targets: header.scope.targets.clone(),
                    replace: header.scope.replace.clone(),
                    refresh: header.scope.refresh,
                };
                let planned = self.plan(workspace, &planning, header.in_doubt.clone(), cancellation).await?;
                self.carried_out(planned, wanted, on_failure(&header.scope), cancellation).await
            }
        }
    }

    /// A plan that was kept.
    async fn apply_again(
        &self,
        header: &Header,
        before: Option<&End>,
        wanted: bool,
        cancellation: &Cancellation,
    ) -> Result<End, Failure> {
        let file = header.plan.as_ref().map(ToString::to_string).unwrap_or_default();
        let plan = plan::file::read(file.as_bytes(), &Sealer::new(&KEY))
            .map_err(|error| Failure::one(crate::diagnostic::Diagnostic::error(error.code(), error.to_string())))?;
        match (self.ready(plan, &header.in_doubt, cancellation).await?, before) {
            // Whether the world was as the plan saw it is told by hashes that only the key of the store makes: what
            // is looked at is compared, and the verdict is the one that there was.
            (Kept::Ready(planned), Some(end)) if !end.failed.is_empty() => {
                planned.providers.close().await;
                Ok(end.clone())
            }
            (Kept::Ready(planned), _) => {
                self.carried_out(*planned, wanted, on_failure(&header.scope), cancellation).await
            }
            (Kept::Done(_), _) => Ok(End::default()),
        }
    }

    async fn fix_again(
        &self,
        header: &Header,
        workspace: &Workspace,
        wanted: bool,
        cancellation: &Cancellation,
    ) -> Result<End, Failure> {
        let doubtful = header.in_doubt.clone();
        if let Some(mend) = &header.scope.mend {
            let mend = mend.iter().cloned().collect();
            let planned = self.plan_fix(workspace, &mend, doubtful, cancellation).await?;
            return self.carried_out(planned, wanted, on_failure(&header.scope), cancellation).await;
        }
        // Whoever holds the lock has settled what could be settled, and compares all.
        let (report, _) = self.compare(workspace, doubtful.clone(), cancellation).await?;
        let mend: BTreeSet<_> = report.to_mend();
        if mend.is_empty() {
            return Ok(stood(&report, End::default()));
        }
        let planned = self.plan_fix(workspace, &mend, doubtful.clone(), cancellation).await?;
        if !wanted {
            planned.providers.close().await;
            return Ok(stood(&report, End::default()));
        }
        let end = self.carried_out(planned, wanted, OnFailure::Continue, cancellation).await?;
        let (after, _) = self.compare(workspace, doubtful.clone(), cancellation).await?;
        Ok(stood(&after, end))
    }

    async fn unwind_again(&self, scope: &Scope, wanted: bool, cancellation: &Cancellation) -> Result<End, Failure> {
        let unwinding = scope.unwinding.clone().unwrap_or_default();
        let options = CompensateOptions {
            run: unwinding.run,
            through: unwinding.through,
            past: unwinding.past,
            skip: unwinding.skip,
            alone: false,
        };
        let Some(compensation) = self.compensation(&options).await?.filter(|_| wanted) else {
            return Ok(End::default());
        };
        let unwound: Compensated = self.unwind(compensation, &Silent, cancellation).await?;
        self.unwound(&unwound).await
    }

    async fn carried_out(
        &self,
        mut planned: Planned,
        wanted: bool,
        on_failure: OnFailure,
        cancellation: &Cancellation,
    ) -> Result<End, Failure> {
        let plan = &mut planned.plan;
        // What they look at is outside.
        plan.checks.clear();
        for retry in plan.steps.iter_mut().filter_map(|step| step.lifecycle.retry.as_mut()) {
            *retry = retry.clone().at_once();
        }
        let nothing = plan.is_empty() && !plan.has_upkeep();
        if nothing || !wanted {
            planned.providers.close().await;
            return Ok(End::default());
        }
        let on_failure = if plan.kind == PlanKind::Fix { OnFailure::Continue } else { on_failure };
        let applied = self.apply(&planned, None, on_failure, &Silent, cancellation).await?;
        self.ended(&applied).await
    }
}

fn on_failure(scope: &Scope) -> OnFailure {
    match scope.on_failure.as_str() {
        "continue" => OnFailure::Continue,
        "compensate" => OnFailure::Compensate,
        _ => OnFailure::Halt,
    }
}
