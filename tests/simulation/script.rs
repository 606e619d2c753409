//! What is simulated: a script, as data, made from a seed, written as one line and read again.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How many blocks a stack may have.
pub(crate) const SLOTS: u8 = 10;

/// A whole story: how the world is, and what is done in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Script {
    /// Steps at once.
    pub(crate) parallelism: u8,
    /// How many reads still see the world before a change.
    pub(crate) lag_reads: u8,
    /// How many reads find a new instance pending.
    pub(crate) polls: u8,
    /// Whether calls take time, and arrive in another order than they were sent.
    pub(crate) slow: bool,
    /// Whether calls that were on their way when the process died arrive later.
    pub(crate) stragglers: bool,
    /// Whether the cloud makes two networks of one name where it is asked to.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) twins: bool,
    /// Whether there is another way to the cloud, which never fails.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) fallback: bool,
    /// What somebody else makes, for us to find.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) outside: Vec<Outside>,
    /// What is written of how the objects of slots end; nothing of the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ends: BTreeMap<u8, Ending>,
    /// What delays are drawn from.
    pub(crate) seed: u64,
    /// What happens, one after the other.
    pub(crate) rounds: Vec<Round>,
}

/// A thing with the name of one of ours, made before a round where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    /// Before which round.
    pub(crate) round: u8,
    /// Of which slot.
    pub(crate) slot: u8,
    /// Of which zone: a part of the name of some.
    pub(crate) zone: u8,
    /// What it is like.
    pub(crate) size: u8,
    /// Whether another stack owns it. It is taken away before the round ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) theirs: bool,
}

/// What `on_destroy` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    Restore,
    Forget,
    Delete,
}

/// An edit, what goes wrong with it, and how it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// What becomes of blocks: another content, or none.
    pub(crate) edits: Vec<(u8, Option<Block>)>,
    /// What somebody else changes before anything is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) meddling: Vec<Meddling>,
    /// What is tried, in trouble.
    pub(crate) attempts: Vec<Attempt>,
    /// What is done when all trouble is over.
    pub(crate) goal: Goal,
}

/// The content of a block. What the fields stand for depends on the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// Changed in place.
    pub(crate) size: u8,
    /// Changed by a replacement.
    pub(crate) zone: u8,
    /// Whether it refers to another block, where that exists.
    pub(crate) refers: bool,
    /// Whether its replacement is made before it is deleted.
    pub(crate) first: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What somebody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Meddling {
    /// Changes an attribute of the object of a slot.
    Change(u8),
    /// Deletes the object of a slot.
    Delete(u8),
    /// Adds a row to the database.
    Row,
    /// Makes a network with the name of one of ours.
    Create(u8),
    /// Another stack takes for its own what we are about to adopt.
    Claim(u8),
}

/// One life of the program, with what goes wrong in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// What becomes of a block before it, in the middle of the round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edit: Option<(u8, Block)>,
    /// What is asked for.
    pub(crate) verb: Verb,
    /// What the cloud does to calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<Fault>,
    /// When the program dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crash: Option<Crash>,
    /// The call at which a person asks it to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop: Option<Stop>,
    /// When nothing can be written any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) full: Option<Full>,
    /// What somebody else does when the plan is made, and before anything of it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) between: Option<Meddling>,
}

impl Attempt {
    /// One in which nothing goes wrong.
    pub(crate) fn of(verb: Verb) -> Attempt {
        Attempt { edit: None, verb, faults: Vec::new(), crash: None, stop: None, full: None, between: None }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    Apply,
    ApplyContinue,
    ApplyCompensate,
    Compensate,
    Fix,
    Destroy,
}

/// Something that goes wrong at the calls from the n-th on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// 1 for the first call that changes something, or for the first call at all.
    pub(crate) nth: u8,
    /// How many in a row; 0 for all.
    pub(crate) times: u8,
    /// Only calls that change something.
    pub(crate) changes: bool,
    /// What.
    pub(crate) what: Trouble,
}

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    /// Refused: too many requests, and nothing done.
    Throttled,
    /// Not available, and nothing done.
    Unavailable,
    /// An error of the server, and nothing done.
    ErrorBefore,
    /// An error of the server, and it was done.
    ErrorAfter,
    /// Done, and the answer is lost.
    LostAnswer,
    /// The connection is reset, and nothing done.
    Reset,
    /// The connection cannot be made.
    NotSent,
    /// No answer before the deadline; done all the same.
    TimedOutDone,
    /// No answer before the deadline, and nothing done.
    TimedOut,
    /// The credentials are no good any more.
    Expired,
}

/// When the program dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crash {
    /// At its n-th write to the store, which is on the disk afterwards, or not.
    Write { nth: u16, kept: bool },
    /// At its n-th call, which is carried out all the same, or not.
    Call { nth: u16, done: bool },
}

/// When the disk is full: this write fails, and all after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Full {
    /// Which write.
    pub(crate) nth: u16,
    /// Whether it is on the disk all the same.
    pub(crate) kept: bool,
}

/// When a person asks it to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// At this call.
    pub(crate) nth: u16,
    /// At once, not softly.
    pub(crate) hard: bool,
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Goal {
    /// By an apply, with the world as declared.
    Forward,
    /// By unwinding, with the world as it was before the round.
    Back,
    /// By an apply, which is then unwound.
    ForwardAndBack,
    /// With nothing left.
    Destroy,
}

impl Script {
    /// The script of a seed.
    pub(crate) fn of(seed: u64) -> Script {
        let mut rng = Rng::with_seed(seed);
        let stragglers = rng.u8(..4) == 0;
        Script {
            parallelism: rng.u8(1..=4),
            lag_reads: if rng.u8(..4) == 0 { rng.u8(1..=3) } else { 0 },
            polls: rng.u8(..=2),
            slow: rng.bool(),
            stragglers,
            twins: false,
            fallback: false,
            outside: Vec::new(),
            ends: BTreeMap::new(),
            seed: rng.u64(..),
            rounds: (0..rng.usize(1..=3)).map(|number| round(&mut rng, number)).collect(),
        }
        .in_more_trouble(Rng::with_seed(!seed))
        .beside_others(Rng::with_seed(seed.rotate_left(32) ^ 0xad09))
        .with_another_way(Rng::with_seed(seed.rotate_left(16) ^ 0xfa11))
    }

    /// What goes wrong besides, drawn from a source of its own: the rest of a seed's script stays as it was.
    fn in_more_trouble(mut self, mut rng: Rng) -> Script {
        self.twins = rng.bool();
        for attempt in self.rounds.iter_mut().flat_map(|round| &mut round.attempts) {
            if rng.u8(..6) == 0 {
                attempt.full = Some(Full { nth: rng.u16(1..=30), kept: rng.bool() });
            }
            if rng.bool() {
                let slot = rng.u8(..SLOTS);
                attempt.between =
                    Some(if rng.u8(..3) == 0 { Meddling::Create(slot % 2) } else { Meddling::Change(slot) });
            }
        }
        for round in &mut self.rounds {
            if rng.u8(..5) == 0 {
                round.attempts.extend(cut_off(&mut rng));
            }
        }
        self
    }
}

impl Script {
    /// Another way to the cloud, in a third of the stories, and outages of the first one.
    fn with_another_way(mut self, mut rng: Rng) -> Script {
        self.fallback = rng.u8(..3) == 0;
        if self.fallback {
            for attempt in self.rounds.iter_mut().flat_map(|round| &mut round.attempts) {
                let what = match rng.u8(..6) {
                    0 => Trouble::Unavailable,
                    1 => Trouble::NotSent,
                    2 => Trouble::TimedOutDone,
                    _ => continue,
                };
                attempt.faults.insert(0, Fault { nth: rng.u8(1..=20), times: 0, changes: false, what });
                if rng.bool() {
                    attempt.faults.truncate(1);
                }
            }
        }
        self
    }

    /// What others have made, in half of the stories, drawn from a source of its own.
    fn beside_others(mut self, mut rng: Rng) -> Script {
        if rng.bool() {
            return self;
        }
        let rounds = u8::try_from(self.rounds.len()).unwrap_or(1);
        for slot in ADOPTABLE {
            if rng.u8(..3) > 0 {
                let (round, zone, size) = (rng.u8(..rounds), rng.u8(..2), rng.u8(..3));
                self.outside.push(Outside { round, slot, zone, size, theirs: rng.u8(..8) == 0 });
            }
            match (slot, rng.u8(..6)) {
                (_, 0) => _ = self.ends.insert(slot, Ending::Restore),
                (_, 1) => _ = self.ends.insert(slot, Ending::Forget),
                // A network that is made again has another id: it is another one.
                (5 | 6, 2) => _ = self.ends.insert(slot, Ending::Delete),
                _ => {}
            }
        }
        for attempt in self.rounds.iter_mut().flat_map(|round| round.attempts.first_mut()) {
            if rng.u8(..4) == 0 {
                attempt.between = Some(Meddling::Claim(ADOPTABLE[rng.usize(..ADOPTABLE.len())]));
            }
        }
        self
    }
}

/// The slots whose objects are found by a name that a person gives.
const ADOPTABLE: [u8; 4] = [0, 1, 5, 6];

/// A change of what nobody can find again is cut off, with little else in its run, and is to be unwound at once.
fn cut_off(rng: &mut Rng) -> [Attempt; 3] {
    let crash = match rng.bool() {
        true => Crash::Call { nth: rng.u16(1..=20), done: rng.bool() },
        false => Crash::Write { nth: rng.u16(2..=5), kept: true },
    };
    let cut = Attempt { edit: Some((8, block(rng))), crash: Some(crash), ..Attempt::of(Verb::Apply) };
    [Attempt::of(Verb::Apply), cut, Attempt::of(Verb::Compensate)]
}

fn round(rng: &mut Rng, number: usize) -> Round {
    let dense = number == 0;
    let edits = (0..SLOTS)
        .filter(|_| if dense { rng.u8(..10) < 6 } else { rng.u8(..10) < 4 })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|slot| (slot, (dense || rng.u8(..4) > 0).then(|| block(rng))))
        .collect();
    let meddling = if number > 0 && rng.u8(..3) == 0 {
        (0..rng.usize(1..=2)).map(|_| meddling(rng)).collect()
    } else {
        Vec::new()
    };
    Round {
        edits,
        meddling,
        attempts: (0..rng.usize(..=3)).map(|number| attempt(rng, number)).collect(),
        goal: match rng.u8(..10) {
            0..=3 => Goal::Forward,
            4..=6 => Goal::Back,
            7..=8 => Goal::ForwardAndBack,
            _ => Goal::Destroy,
        },
    }
}

fn block(rng: &mut Rng) -> Block {
    Block { size: rng.u8(..3), zone: rng.u8(..2), refers: rng.bool(), first: rng.u8(..3) == 0 }
}

fn meddling(rng: &mut Rng) -> Meddling {
    match rng.u8(..5) {
        0..=2 => Meddling::Change(rng.u8(..SLOTS)),
        // A network stays: what is in it could not be brought back without it.
        3 => Meddling::Delete(rng.u8(2..SLOTS)),
        _ => Meddling::Row,
    }
}

fn attempt(rng: &mut Rng, number: usize) -> Attempt {
    let verb = match (number, rng.u8(..10)) {
        (_, 0..=4) | (0, 7..=8) => Verb::Apply,
        (_, 5) => Verb::ApplyContinue,
        (_, 6) => Verb::ApplyCompensate,
        (_, 7..=8) => Verb::Compensate,
        _ if number > 0 && rng.bool() => Verb::Destroy,
        _ => Verb::Fix,
    };
    let faults = (0..[0, 0, 1, 1, 2, 3][rng.usize(..6)]).map(|_| fault(rng)).collect();
    let crash = (rng.u8(..10) < 6).then(|| match rng.u8(..2) {
        0 => Crash::Write { nth: rng.u16(1..=40), kept: rng.bool() },
        _ => Crash::Call { nth: rng.u16(1..=30), done: rng.bool() },
    });
    let stop = (rng.u8(..8) == 0).then(|| Stop { nth: rng.u16(1..=20), hard: rng.bool() });
    Attempt { faults, crash, stop, ..Attempt::of(verb) }
}

fn fault(rng: &mut Rng) -> Fault {
    use Trouble::*;
    const ALL: [Trouble; 10] =
        [Throttled, Unavailable, ErrorBefore, ErrorAfter, LostAnswer, Reset, NotSent, TimedOutDone, TimedOut, Expired];
    let what = ALL[rng.usize(..ALL.len())];
    // An outage may last for the rest of a life.
    let times = if rng.u8(..12) == 0 { 0 } else { rng.u8(1..=3) };
    Fault { nth: rng.u8(1..=12), times, changes: rng.u8(..3) > 0, what }
}

/// Everything that is a little less than a script, most of it first.
pub(crate) fn smaller(script: &Script) -> Vec<Script> {
    let mut found = Vec::new();
    let mut put = |change: &dyn Fn(&mut Script)| {
        let mut less = script.clone();
        change(&mut less);
        if less != *script {
            found.push(less);
        }
    };
    for index in 0..script.rounds.len() {
        put(&|less| drop(less.rounds.remove(index)));
    }
    for (index, round) in script.rounds.iter().enumerate() {
        for attempt in 0..round.attempts.len() {
            put(&|less| drop(less.rounds[index].attempts.remove(attempt)));
        }
        for edit in 0..round.edits.len() {
            put(&|less| _ = less.rounds[index].edits.remove(edit));
        }
        put(&|less| less.rounds[index].meddling.clear());
        for (at, attempt) in round.attempts.iter().enumerate() {
            put(&|less| less.rounds[index].attempts[at].edit = None);
            put(&|less| less.rounds[index].attempts[at].crash = None);
            put(&|less| less.rounds[index].attempts[at].stop = None);
            put(&|less| less.rounds[index].attempts[at].full = None);
            put(&|less| less.rounds[index].attempts[at].between = None);
            for fault in 0..attempt.faults.len() {
                put(&|less| _ = less.rounds[index].attempts[at].faults.remove(fault));
            }
        }
        if round.goal == Goal::ForwardAndBack {
            put(&|less| less.rounds[index].goal = Goal::Forward);
        }
        for (at, (_, block)) in round.edits.iter().enumerate() {
            if block.is_some() {
                put(&|less| less.rounds[index].edits[at].1.iter_mut().for_each(|block| block.refers = false));
                put(&|less| less.rounds[index].edits[at].1.iter_mut().for_each(|block| block.first = false));
            }
        }
    }
    for index in 0..script.outside.len() {
        put(&|less| _ = less.outside.remove(index));
    }
    for slot in script.ends.keys() {
        put(&|less| _ = less.ends.remove(slot));
    }
    put(&|less| less.fallback = false);
    put(&|less| less.parallelism = 1);
    put(&|less| less.lag_reads = 0);
    put(&|less| less.polls = 0);
    put(&|less| less.slow = false);
    put(&|less| less.stragglers = false);
    put(&|less| less.twins = false);
    found
}
