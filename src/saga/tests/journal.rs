//! What is written is legal first, then durable, then acknowledged.

use std::sync::Arc;

use super::*;
use crate::clock::{Clock, CountingClock};
use crate::saga::journal::{Entry, Journal, JournalError};
use crate::saga::machine::Machine;
use crate::saga::state::{RunRecord, State, run_key};
use crate::store::{Failure, MemoryStore, Store, Write};

async fn journal(kind: RunKind) -> (Arc<MemoryStore>, Journal) {
    let store = Arc::new(MemoryStore::new("lineage", &[0; 32]));
    let shared: Arc<dyn Store> = store.clone();
    let started = RunStarted { continues: Some("before".into()), compensates: vec!["r".into()], ..run_started(kind) };
    let journal = Journal::start(shared, CountingClock::shared(), started).await.unwrap();
    (store, journal)
}

async fn recorded(store: &MemoryStore, journal: &Journal) -> RunRecord {
    State::read(store.state().await.unwrap()).unwrap().runs.remove(journal.run()).unwrap()
}

async fn written(store: &MemoryStore, journal: &Journal) -> RunHistory {
    let bodies: Vec<Json> = store.run(journal.run()).await.unwrap().into_iter().map(|stored| stored.body).collect();
    read(&bodies).unwrap().unwrap()
}

#[tokio::test]
async fn a_run_that_has_started_is_written_and_remembered() {
    let (store, journal) = journal(RunKind::Compensate).await;
    assert_eq!(journal.run(), CountingClock::default().run_id(None));
    assert_eq!(journal.state(), Some(RunState::Processing));
    let record = recorded(&store, &journal).await;
    assert_eq!(record, journal.record());
    assert_eq!(
        (record.run.as_str(), record.kind, record.state),
        (journal.run(), RunKind::Compensate, RunState::Processing)
    );
    assert_eq!((record.continues.as_deref(), &record.compensates[..]), (Some("before"), &["r".to_owned()][..]));
    assert!(!record.effects && !record.interrupted && !record.accepted && record.finished.is_none());
    let history = written(&store, &journal).await;
    assert_eq!((history.events.len(), history.started.kind), (1, RunKind::Compensate));
    assert!(journal.now() > record.started && journal.now().starts_with("2026-01-01T00:00:0"));
    let shared: Arc<dyn Store> = store;
    assert!(Arc::ptr_eq(journal.store(), &shared));
}

#[tokio::test]
async fn an_event_and_what_it_changes_are_written_as_one() {
    let (store, journal) = journal(RunKind::Apply).await;
    let a = step("a", StepEffect::Create);
    let put = |value: u64| Write::Put { key: "generation/t.a".into(), value: json!(value) };
    let entries = vec![
        Entry::of(&a, imaged()),
        Entry::of(&a, begun()).with(vec![put(1)]).with(vec![put(2)]),
        Entry::run(child(1)),
    ];
    journal.write(entries).await.unwrap();
    assert_eq!(store.get("generation/t.a").await.unwrap(), Some(json!(2)));
    let history = written(&store, &journal).await;
    let about: Vec<_> = history.events.iter().map(|event| (event.step.as_ref(), event.address.as_ref())).collect();
    assert_eq!(about, [(None, None), (Some(&a), Some(&a.address)), (Some(&a), Some(&a.address)), (None, None)]);
    assert!(history.events.iter().all(|event| event.v == JOURNAL_VERSION));
    assert!(history.events.is_sorted_by(|one, next| one.time < next.time));
    assert_eq!(journal.counts(), Counts { unknown: 1, ..Counts::default() });
}

#[tokio::test]
async fn an_illegal_event_is_not_written_nor_what_it_would_change() {
    let (store, journal) = journal(RunKind::Apply).await;
    let write = Write::Put { key: "generation/t.a".into(), value: json!(1) };
    let entry = Entry::of(&step("a", StepEffect::Create), begun()).with(vec![write]);
    assert!(matches!(journal.write(vec![entry]).await, Err(JournalError::Illegal(_))));
    assert_eq!(store.get("generation/t.a").await.unwrap(), None);
    assert_eq!(written(&store, &journal).await.events.len(), 1);
}

#[tokio::test]
async fn what_is_remembered_of_a_run_is_written_when_it_ends() {
    let (store, journal) = journal(RunKind::Apply).await;
    journal.had_effect();
    journal.was_interrupted();
    let counts = Counts { applied: 1, ..Counts::default() };
    journal.finish(RunState::FailedPermanent, counts, Some("broken".into())).await.unwrap();
    let record = recorded(&store, &journal).await;
    assert!(record.effects && record.interrupted);
    assert_eq!((record.state, record.counts), (RunState::FailedPermanent, counts));
    assert!(record.finished.is_some_and(|finished| finished > record.started));
    assert_eq!(journal.state(), Some(RunState::FailedPermanent));
    let last = written(&store, &journal).await.events.pop().unwrap().event;
    let finish = RunFinished { state: RunState::FailedPermanent, counts, error: Some("broken".into()) };
    assert_eq!(last, Event::RunFinished(finish));
}

#[tokio::test]
async fn an_earlier_run_is_gone_on_with_from_where_it_stands() {
    let (store, journal) = journal(RunKind::Apply).await;
    let a = step("a", StepEffect::Create);
    journal.write(vec![Entry::of(&a, imaged()), Entry::of(&a, begun())]).await.unwrap();
    let machine: Machine = written(&store, &journal).await.machine;
    let shared: Arc<dyn Store> = store.clone();
    let later = Journal::reopen(shared, CountingClock::shared(), journal.record(), machine);
    assert_eq!((later.run(), later.record()), (journal.run(), journal.record()));
    let settled = resolved(ResolvedOutcome::NotApplied, None);
    later.write(vec![Entry::of(&a, settled)]).await.unwrap();
    assert_eq!(later.counts(), Counts { not_applied: 1, ..Counts::default() });
    assert_eq!(run_key(later.run()), format!("run/{}", journal.run()));
}

#[tokio::test]
async fn what_is_older_than_is_kept_is_forgotten_with_the_start_of_a_run() {
    let (store, old) = journal(RunKind::Apply).await;
    let clock: Arc<dyn Clock> = Arc::new(CountingClock::default());
    clock.now();
    let shared: Arc<dyn Store> = store.clone();
    let started = RunStarted { forgets: vec![old.run().to_owned()], ..run_started(RunKind::Apply) };
    let journal = Journal::start(shared, clock, started).await.unwrap();
    assert_ne!(journal.run(), old.run());
    let state = State::read(store.state().await.unwrap()).unwrap();
    assert_eq!(state.runs.keys().collect::<Vec<_>>(), [journal.run()]);
}

#[tokio::test]
async fn what_could_not_be_written_is_told() {
    let (store, journal) = journal(RunKind::Apply).await;
    store.fail_after(0, Failure::Lost);
    let a = step("a", StepEffect::Create);
    let written = journal.write(vec![Entry::of(&a, imaged()), Entry::of(&a, begun())]).await;
    assert!(matches!(written, Err(JournalError::Store(_))), "{written:?}");
}
