//! What waits to be written, and who waits for it.
//!
//! Architecture Invariant: every job that was taken gets an answer: from the writing thread, or from
//! the watchdog when the disk does not answer it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::{Append, Lines};
use super::{StoreError, StoreResult};

/// How many records are made durable together at most, so that none waits for long.
const GROUP: usize = 1024;

/// How long the disk may take for one group.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_secs(5);

/// Something for the writing thread to do.
#[derive(Debug)]
pub(super) enum Task {
    Append(Append),
    Snapshot,
    RemoveRun(String),
    /// Reads the lines of a run from the database.
    Lines(String),
}

/// What it answers.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Sequences(Vec<u64>),
    Lines(Lines),
}

type Reply = oneshot::Sender<StoreResult<Answer>>;

#[derive(Debug)]
struct Job {
    task: Task,
    reply: Reply,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Replies of the jobs that the writing thread has taken, and since when. A reply is taken out
    /// by whoever answers it.
    working: Option<(Instant, Vec<Option<Reply>>)>,
    stopped: Option<String>,
    closing: bool,
    ended: bool,
    closers: Vec<oneshot::Sender<()>>,
}

/// The jobs that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something waits, or nothing will any more.
    waiting: Condvar,
    /// The writing thread has ended.
    over: Condvar,
}

/// The place of a task in the group that was taken.
pub(super) type Slot = usize;

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end. Refuses it when the store is stopped or closed.
    pub(super) fn push(&self, task: Task) -> StoreResult<oneshot::Receiver<StoreResult<Answer>>> {
        let mut state = self.lock();
        if state.closing {
            return Err(StoreError::Closed);
        }
        if let Some(why) = &state.stopped {
            return Err(StoreError::Stopped(why.clone()));
        }
        let (reply, receive) = oneshot::channel();
        state.waiting.push_back(Job { task, reply });
        self.waiting.notify_one();
        Ok(receive)
    }

    /// What stopped the store, if anything did.
    pub(super) fn check(&self) -> StoreResult<()> {
        let state = self.lock();
        match &state.stopped {
            _ if state.closing => Err(StoreError::Closed),
            Some(why) => Err(StoreError::Stopped(why.clone())),
            None => Ok(()),
        }
    }

    /// Waits for jobs and takes a group of them. `None` when the store was closed and all is done.
    pub(super) fn take(&self) -> Option<Vec<Task>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closing {
                return None;
            }
            state = self.waiting.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut group, mut replies, mut records) = (Vec::new(), Vec::new(), 0);
        while records < GROUP
            && let Some(Job { task, reply }) = state.waiting.pop_front()
        {
            records += match &task {
                Task::Append(append) => append.records.len().max(1),
                _ => 1,
            };
            group.push(task);
            replies.push(Some(reply));
        }
        state.working = Some((Instant::now(), replies));
        Some(group)
    }

    /// Answers one of them, unless the watchdog has.
    pub(super) fn answer(&self, slot: Slot, answer: StoreResult<Answer>) {
        let mut state = self.lock();
        let reply = state.working.as_mut().and_then(|(_, replies)| replies.get_mut(slot)?.take());
        if let Some(reply) = reply {
            // A caller that went away needs no answer: its records are durable all the same.
            let _ = reply.send(answer);
        }
    }

    /// Notes that the group is done; with `stopped`, that nothing may be written any more.
    pub(super) fn finish(&self, stopped: Option<String>) {
        let mut state = self.lock();
        state.working = None;
        if let Some(why) = stopped {
            state.stop(&why);
        }
    }

    /// Asks the writing thread to end when it has done all that waits.
    pub(super) fn close(&self) -> oneshot::Receiver<()> {
        let (send, receive) = oneshot::channel();
        let mut state = self.lock();
        state.closing = true;
        if state.ended {
            let _ = send.send(());
        } else {
            state.closers.push(send);
        }
        self.waiting.notify_one();
        receive
    }

    /// Notes that the writing thread has ended.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.stop("the store was closed");
        state.tell_closers();
        self.over.notify_all();
    }

    /// Waits until the writing thread has ended; `false` when it did not within the deadline.
    pub(super) fn wait_ended(&self, deadline: Duration) -> bool {
        let state = self.lock();
        let waited = self.over.wait_timeout_while(state, deadline, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Looks after the writing thread until it ends: when the disk does not answer it, those who
    /// wait are told, and nothing is written any more.
    pub(super) fn watch(&self, stuck: &dyn Fn() -> StoreError) {
        let mut state = self.lock();
        while !state.ended {
            let late = state.working.as_ref().is_some_and(|(since, _)| since.elapsed() > DEADLINE);
            if late {
                let error = stuck();
                if let Some((_, replies)) = &mut state.working {
                    replies.iter_mut().filter_map(Option::take).for_each(|reply| drop(reply.send(Err(stuck()))));
                }
                state.stop(&error.to_string());
                state.tell_closers();
            }
            state = self.over.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn tell_closers(&mut self) {
        for closer in self.closers.drain(..) {
            let _ = closer.send(());
        }
    }

    fn stop(&mut self, why: &str) {
        let why = self.stopped.get_or_insert_with(|| why.to_owned()).clone();
        for job in self.waiting.drain(..) {
            let _ = job.reply.send(Err(StoreError::Stopped(why.clone())));
        }
    }
}
