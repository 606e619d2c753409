//! Reconcile: report, mend, accept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::address::Address;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::look::look_and;
use crate::engine::planning::{Basis, Planned, make, recent_runs};
use crate::engine::retracing::Beginning;
use crate::engine::session::journal_stop;
use crate::engine::{Applied, Cancellation, Failure, Observer, OnFailure, Options, PlanOptions, Session, Workspace};
use crate::plan::marks::mark_planned;
use crate::plan::{Drift, DriftStatus, InDoubt, PlanKind};
use crate::reconcile::Report;
use crate::saga::journal::{Entry, Journal};
use crate::saga::state::object_key;
use crate::saga::{Counts, Event, RestingObject, RunKind, RunStarted, RunState, State, codes};
use crate::store::{Sealer, Write};
use crate::survey::{Calls, Records, moves};
use crate::trace::{Doing, Recorder};

/// What records a comparison.
#[derive(Clone, Copy)]
pub struct Recording<'a> {
    /// What it is written with.
    pub recorder: &'a Recorder,
    /// Where what has drifted is brought back next: what is in doubt, and stays as it is.
    pub fix: Option<&'a [InDoubt]>,
}

/// Compares the world with what is recorded and desired; changes nothing, and needs no lock. Who holds it has settled
/// what could be settled, and says in `doubtful` what is left.
pub async fn reconcile(
    options: &Options,
    workspace: &Workspace,
    doubtful: Option<&[InDoubt]>,
    recording: Option<Recording<'_>>,
    cancellation: &Cancellation,
) -> Result<(Report, Planned), Failure> {
    let mut records = BTreeMap::new();
    let looked = look_and(options, Some(&workspace.stack), &mut |seen| {
        if recording.is_some() {
            records.clone_from(seen);
        }
    })?;
    let empty = State::default();
    let temporary = Sealer::new(&[0; 32]);
    let (state, seal, lineage, in_doubt): (&State, &Sealer, &str, Vec<InDoubt>) = match (&looked, doubtful) {
        (Some(look), Some(doubtful)) => (&look.state, look.seal(), look.lineage(), doubtful.to_vec()),
        (Some(look), None) => (&look.state, look.seal(), look.lineage(), look.in_doubt()?),
        (None, _) => (&empty, &temporary, "", Vec::new()),
    };
    let at_work = match &looked {
        // Who holds the lock is the one who asks.
        Some(look) if doubtful.is_none() => look.at_work()?,
        _ => None,
    };
    if let Some(Recording { recorder, fix }) = recording {
        let doing = if fix.is_some() { Doing::Fix } else { Doing::Reconcile };
        let beginning = Beginning::of(doing, workspace, (records, seal, lineage));
        let in_doubt = fix.map_or_else(|| in_doubt.clone(), <[InDoubt]>::to_vec);
        Beginning { in_doubt, ..beginning }.write(recorder, options)?;
    }
    let (report, planned) = compare(options, workspace, (state, seal, lineage), in_doubt, cancellation).await?;
    let report = Report { at_work, ..report };
    if let Some(telemetry) = crate::telemetry::get() {
        telemetry.drift(&[
            ("in_true", report.in_true),
            ("drifted", report.count(DriftStatus::Drifted)),
            ("changed_outside", report.count(DriftStatus::ChangedOutside)),
            ("missing", report.count(DriftStatus::Missing)),
            ("unreadable", report.count(DriftStatus::Unreadable)),
        ]);
    }
    Ok((report, planned))
}

/// Compares the world with what is recorded.
async fn compare(
    options: &Options,
    workspace: &Workspace,
    (state, seal, lineage): (&State, &Sealer, &str),
    in_doubt: Vec<InDoubt>,
    cancellation: &Cancellation,
) -> Result<(Report, Planned), Failure> {
    let calls = Calls::reading(cancellation.soft.clone()).after(recent_runs(state, &SystemClock.now()));
    let calls = calls.tapped(&options.taps);
    let basis = Basis { workspace, state, seal, lineage, in_doubt, calls, only: None, checks: true };
    // What is declared anew, or wrongly, is no matter of drift: only what is recorded is looked at.
    let objects = state.addresses.iter().filter(|(_, entry)| entry.current.is_some() || !entry.deposed.is_empty());
    let recorded: BTreeSet<Address> = objects.map(|(address, _)| address.clone()).collect();
    let basis = Basis { only: Some(&recorded), ..basis };
    let planned = make(options, &PlanOptions::default(), PlanKind::Fix, basis).await?;
    planned.providers.close().await;
    Ok((Report::new(&planned.plan, planned.in_true, &planned.undeclared), planned))
}

impl Session {
    /// Compares the world with what is recorded in this session.
    pub(super) async fn compare(
        &self,
        workspace: &Workspace,
        in_doubt: Vec<InDoubt>,
        cancellation: &Cancellation,
    ) -> Result<(Report, Planned), Failure> {
        let state = self.state().await?;
        compare(&self.options, workspace, (&state, self.seal(), self.lineage()), in_doubt, cancellation).await
    }

    /// Plans to bring back what has drifted or is gone, and nothing else.
    pub async fn plan_fix(
        &self,
        workspace: &Workspace,
        mend: &BTreeSet<Address>,
        in_doubt: Vec<InDoubt>,
        cancellation: &Cancellation,
    ) -> Result<Planned, Failure> {
        // What is no longer declared is ended by an apply, not by mending.
        let declared: BTreeSet<Address> =
            mend.iter().filter(|address| workspace.stack.blocks.contains_key(&address.block)).cloned().collect();
        let planning = PlanOptions::default();
        self.plan_kind(workspace, &planning, PlanKind::Fix, in_doubt, Some(&declared), cancellation).await
    }

    /// Carries out what [`Session::plan_fix`] planned.
    pub async fn fix(
        &self,
        planned: &Planned,
        observer: &dyn Observer,
        cancellation: &Cancellation,
    ) -> Result<Applied, Failure> {
        self.apply(planned, None, OnFailure::Continue, observer, cancellation).await
    }

    /// Takes what was found as the new record. What is gone is forgotten. Returns the run that says so,
    /// if there was anything to take, and what was taken.
    pub async fn accept_drift(
        &self,
        report: &Report,
        stack: &Stack,
        wanted: Option<&BTreeSet<Address>>,
    ) -> Result<(Option<String>, Vec<Drift>), Failure> {
        let state = self.state().await?;
        let moved = moves(stack, &state);
        let mut entries = Vec::new();
        let mut accepted = Vec::new();
        for drift in &report.drift {
            if wanted.is_some_and(|wanted| !wanted.contains(&drift.address)) || drift.status == DriftStatus::Unreadable
            {
                continue;
            }
            // A rename that no apply has carried out yet: it is recorded under the address that it had.
            let before =
                |(known, _): &(&Address, _)| Records::renamed(known, &moved).is_some_and(|now| now == drift.address);
            let recorded =
                || state.addresses.keys().filter_map(|known| Some((known, state.object(known, &drift.object)?)));
            let here = recorded().find(|(known, _)| **known == drift.address);
            let Some((known, resting)) = here.or_else(|| recorded().find(before)) else { continue };
            let key = object_key(known, &drift.object);
            let (object, write) = if drift.status == DriftStatus::Missing {
                (None, Write::Delete { key })
            } else {
                let mut object = resting
                    .wake(self.seal())
                    .map_err(|error| Failure::one(Diagnostic::error(codes::SEALED, error.to_string())))?;
                object.attributes = mark_planned(
                    &retrue_provider_api::Block::default(),
                    drift.observed.clone(),
                    Some(&object.attributes),
                );
                let resting = RestingObject::new(&object, self.seal());
                let value = serde_json::to_value(&resting).map_err(|error| journal_stop(&error.into()))?;
                (Some(Box::new(resting)), Write::Put { key, value })
            };
            entries.push(Entry {
                address: Some(known.clone()),
                step: None,
                event: Event::Recorded { what: "what was found was accepted".into(), object },
                writes: vec![write],
            });
            accepted.push(drift.clone());
        }
        let run = if entries.is_empty() { None } else { Some(self.surgery(entries).await?) };
        Ok((run, accepted))
    }

    /// Writes a run that changes only the record.
    pub(super) async fn surgery(&self, entries: Vec<Entry>) -> Result<String, Failure> {
        let started = RunStarted {
            steps: entries.len(),
            directory: self.options.directory.display().to_string(),
            ..RunStarted::of(RunKind::Surgery, &self.options.actor)
        };
        let journal = Journal::start(Arc::clone(&self.store), Arc::clone(&self.clock), started)
            .await
            .map_err(|error| journal_stop(&error))?;
        journal.had_effect();
        journal.write(entries).await.map_err(|error| journal_stop(&error))?;
        journal.finish(RunState::Succeeded, Counts::default(), None).await.map_err(|error| journal_stop(&error))?;
        self.store.snapshot().await.map_err(super::workspace::store_failure)?;
        Ok(journal.run().to_owned())
    }
}
