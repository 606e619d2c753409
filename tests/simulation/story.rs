//! A script carried out, and judged. What is right is told by a model of the world that never reads our
//! store; the store is read only to hold it against the world.

mod accounts;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastrand::Rng;
use retrue::clock::{Clock, CountingClock};
use retrue::engine::{Answer, Cancellation};
use retrue::plan::InDoubt;
use retrue::saga::RunState;
use retrue::store::{Failure, MemoryImage, MemoryStore};
use retrue_provider_testcloud::Near;
use retrue_provider_testcloud::cloud::{Call, Cloud, EffectKind, Settings, TruthObject, lock};

use super::between::{Between, OtherWay, Passing, STRAGGLES, arrive};
use super::broken::Broken;
use super::disk::{Disk, Planned, Written, text_of};
use super::life::{Death, Deed, Ended, Told, live};
use super::meddling::{Meddled, meddle, meddle_with_any};
use super::outside::Outsiders;
use super::script::{Attempt, Crash, Full, Goal, Meddling, Round, Script, Stop, Verb};
use super::stack::{Blocks, SECRET, Thing, declared, observed, toml};

const LINEAGE: &str = "00000000-0000-4000-8000-000000000001";
const KEY: [u8; 32] = [0x11; 32];

/// How many things happened, over all stories.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stories: u64,
    pub(crate) lives: u64,
    pub(crate) deaths: u64,
    pub(crate) troubled: u64,
    pub(crate) calls: u64,
    /// Of them, by the other of two ways.
    pub(crate) other_way: u64,
    pub(crate) writes: u64,
    pub(crate) effects: u64,
    pub(crate) answers: u64,
    pub(crate) forward: u64,
    pub(crate) back: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.stories += other.stories;
        self.lives += other.lives;
        self.deaths += other.deaths;
        self.troubled += other.troubled;
        self.calls += other.calls;
        self.other_way += other.other_way;
        self.writes += other.writes;
        self.effects += other.effects;
        self.answers += other.answers;
        self.forward += other.forward;
        self.back += other.back;
    }
}

/// What must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// Which rule.
    pub(crate) rule: &'static str,
    /// What was seen.
    pub(crate) what: String,
}

/// By collection and id, what is recorded; and the addresses at which something is in doubt.
type Recorded = (BTreeSet<(String, String)>, BTreeSet<String>);

type Judged<T> = Result<T, Violation>;

fn violation<T>(rule: &'static str, what: impl Into<String>) -> Judged<T> {
    Err(Violation { rule, what: what.into() })
}

/// Carries out a script. What it says of each life goes to `log`.
pub(crate) fn tell(script: &Script, broken: Option<Broken>, log: &mut dyn FnMut(String)) -> Judged<Tally> {
    let mut story = Story::new(script, broken, log);
    for (number, round) in script.rounds.iter().enumerate() {
        story.round(number, round)?;
    }
    story.tally.stories = 1;
    story.tally.effects = u64::try_from(lock(&story.cloud).audit().len()).unwrap_or(0);
    Ok(story.tally)
}

struct Story<'s> {
    script: &'s Script,
    broken: Option<Broken>,
    log: &'s mut dyn FnMut(String),
    directory: tempfile::TempDir,
    name: String,
    clock: Arc<dyn Clock>,
    cloud: Arc<Mutex<Cloud>>,
    image: MemoryImage,
    written: Written,
    stragglers: Arc<Mutex<Vec<Call>>>,
    blocks: Blocks,
    outsiders: Outsiders,
    rng: Rng,
    tally: Tally,
}

/// What is expected to go wrong in a life.
#[derive(Default)]
struct Expected<'a> {
    faults: &'a [super::script::Fault],
    crash: Option<Crash>,
    stop: Option<Stop>,
    full: Option<Full>,
    between: Option<Meddling>,
}

impl<'s> Story<'s> {
    fn new(script: &'s Script, broken: Option<Broken>, log: &'s mut dyn FnMut(String)) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut cloud = Cloud::default();
        *cloud.settings() = Settings {
            polls: script.polls.into(),
            lag_reads: script.lag_reads.into(),
            names_are_shared: script.twins,
            ..Settings::default()
        };
        Story {
            script,
            broken,
            log,
            directory: tempfile::tempdir().unwrap(),
            name: format!("story-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            clock: CountingClock::shared(),
            cloud: Arc::new(Mutex::new(cloud)),
            image: MemoryImage::default(),
            written: Written::default(),
            stragglers: Arc::default(),
            blocks: Blocks::new(),
            outsiders: Outsiders::new(script),
            rng: Rng::with_seed(script.seed),
            tally: Tally::default(),
        }
    }

    fn round(&mut self, number: usize, round: &Round) -> Judged<()> {
        let before_blocks = self.blocks.clone();
        let edits = round.edits.iter().filter_map(|(slot, block)| block.map(|block| (*slot, block))).collect();
        self.outsiders.make_way(&self.cloud, &self.blocks, &edits);
        for outside in self.script.outside.iter().filter(|outside| usize::from(outside.round) == number) {
            self.outsiders.make(&self.cloud, *outside, &self.blocks);
        }
        self.outsiders.make_way(&self.cloud, &self.blocks, &edits);
        for meddling in &round.meddling {
            meddle(&self.cloud, *meddling);
        }
        self.outsiders.meddled(&self.truth(), &self.blocks, true);
        // Long ago, as far as reads are concerned.
        lock(&self.cloud).settle();
        // A row that only a delete can lose.
        if lock(&self.cloud).truth().iter().any(|object| object.collection == "databases" && object.rows.is_empty()) {
            meddle(&self.cloud, Meddling::Row);
        }
        self.expect(Deed::Accept, Expected::default())?;
        let newest = self.image.runs().keys().next_back().cloned();
        let before = self.truth();
        let mark = lock(&self.cloud).audit().len();
        for (slot, block) in &round.edits {
            match block {
                Some(block) => drop(self.blocks.insert(*slot, *block)),
                None => drop(self.blocks.remove(slot)),
            }
        }
        self.outsiders.declare(&self.blocks);
        for (number, attempt) in round.attempts.iter().enumerate() {
            let fresh = (number == 0).then_some(&before_blocks);
            self.attempt(attempt, round.goal, newest.as_deref(), fresh)?;
        }
        let theirs = self.outsiders.theirs_go(&self.cloud);
        if !theirs.is_empty() {
            // Their owners say so when it can be seen.
            lock(&self.cloud).settle();
        }
        let before: Vec<TruthObject> = before
            .into_iter()
            .filter(|object| !theirs.contains(&(object.collection.clone(), object.id.clone())))
            .collect();
        let calm = round.attempts.is_empty();
        let since = |image: &MemoryImage| {
            image.runs().keys().find(|run| newest.as_ref().is_none_or(|newest| *run > newest)).cloned()
        };
        match round.goal {
            Goal::Forward => {
                self.forward(mark)?;
                self.ended(&before, &before_blocks, calm)
            }
            Goal::Back => self.back(since(&self.image), &before, before_blocks, mark),
            Goal::ForwardAndBack => {
                self.forward(mark)?;
                self.ended(&before, &before_blocks, calm)?;
                self.back(since(&self.image), &before, before_blocks, mark)
            }
            Goal::Destroy => {
                self.blocks.clear();
                self.forward(mark)?;
                self.ended(&before, &before_blocks, calm)
            }
        }
    }

    /// What is not declared any more ended as it is written.
    fn ended(&self, before: &[TruthObject], blocks: &Blocks, calm: bool) -> Judged<()> {
        match self.outsiders.ended(before, &self.truth(), [blocks, &self.blocks], calm) {
            Some((rule, what)) => violation(rule, what),
            None => Ok(()),
        }
    }

    fn truth(&self) -> Vec<TruthObject> {
        lock(&self.cloud).truth()
    }

    /// `fresh` are the blocks before the round, where nothing was tried yet in it.
    fn attempt(&mut self, attempt: &Attempt, goal: Goal, newest: Option<&str>, fresh: Option<&Blocks>) -> Judged<()> {
        if let Some((slot, block)) = attempt.edit {
            self.blocks.insert(slot, block);
        }
        if attempt.verb == Verb::Compensate && !self.can_unwind(newest) {
            return Ok(());
        }
        // Back to what was before a change by somebody else that came in the middle there is no way.
        let stays = |between: &Meddling| match between {
            Meddling::Change(_) => matches!(goal, Goal::Forward | Goal::Destroy),
            // What is ours already is ours whatever it carries.
            Meddling::Claim(slot) => {
                let ours = fresh.is_none_or(|blocks| blocks.contains_key(slot));
                !ours && self.outsiders.could_be_adopted(*slot)
            }
            _ => true,
        };
        let Attempt { ref faults, crash, stop, full, .. } = *attempt;
        let expected = Expected { faults, crash, stop, full, between: attempt.between.filter(stays) };
        let before = self.image.clone();
        self.life(Deed::Verb(attempt.verb), expected)?;
        if attempt.verb == Verb::Compensate { self.began_with_the_newest(&before) } else { Ok(()) }
    }

    /// One life, with what is expected to go wrong in it; `None` when it died.
    fn life(&mut self, deed: Deed<'_>, expected: Expected<'_>) -> Judged<Option<Told>> {
        let death = Death::default();
        let cancellation = Cancellation::default();
        let store = MemoryStore::reopen(LINEAGE, &KEY, self.image.clone());
        if let Some(Full { nth, kept }) = expected.full {
            let how = if kept { Failure::KeptUnacknowledged } else { Failure::Lost };
            store.fail_after(u64::from(nth.saturating_sub(1)), how);
        }
        let late = std::mem::take(&mut *self.stragglers.lock().unwrap());
        // What only shows later, or arrives later, cannot be heeded.
        let between = expected.between.filter(|_| self.script.lag_reads == 0 && late.is_empty());
        let meddled = Arc::new(Mutex::new(None));
        let planned = between.map(|between| {
            let (cloud, meddled) = (Arc::clone(&self.cloud), Arc::clone(&meddled));
            Box::new(move || *meddled.lock().unwrap() = meddle_with_any(&cloud, between)) as Planned
        });
        let disk =
            Arc::new(Disk::new(store, death.clone(), expected.crash, self.broken, self.written.clone(), planned));
        let between = Arc::new(Between {
            cloud: Arc::clone(&self.cloud),
            death: death.clone(),
            written: self.written.clone(),
            crash: expected.crash,
            stop: expected.stop,
            soft: cancellation.soft.clone(),
            hard: cancellation.hard.clone(),
            slow: self.script.slow,
            broken: self.broken,
            passing: Mutex::new(Passing {
                rng: self.rng.fork(),
                calls: 0,
                faults: expected.faults.iter().map(|fault| (*fault, 0)).collect(),
                troubled: 0,
                other_way: 0,
                violations: Vec::new(),
            }),
            stragglers: Arc::clone(&self.stragglers),
        });
        let near = Near::new(&self.name, Arc::clone(&between) as _);
        let other = self
            .script
            .fallback
            .then(|| Near::new(&format!("{}-other", self.name), Arc::new(OtherWay(Arc::clone(&between))) as _));
        // A read may come two seconds after the one before, and each uses up one that lags.
        let settles = if self.script.stragglers { STRAGGLES.as_secs() + 1 } else { 0 };
        let settles =
            if self.script.lag_reads > 0 { settles + 2 * u64::from(self.script.lag_reads) + 1 } else { settles };
        fs_err::write(self.directory.path().join("retrue.toml"), self.written_down(&near, other.as_ref(), settles))
            .unwrap();
        let arriving = late.into_iter().map(|call| (self.rng.u64(..STRAGGLES.as_millis() as u64), call)).collect();
        let arriving = Arc::new(Mutex::new(arriving));
        let place = super::life::Place {
            store: Arc::clone(&disk) as _,
            clock: Arc::clone(&self.clock),
            directory: self.directory.path(),
            parallelism: self.script.parallelism.into(),
            death: &death,
            cancellation: &cancellation,
            cloud: Arc::clone(&self.cloud),
            arriving: Arc::clone(&arriving),
        };
        let ended = live(place, deed);
        drop((near, other));
        for (_, call) in std::mem::take(&mut *arriving.lock().unwrap()) {
            arrive(&self.cloud, &call, None);
        }
        if !self.script.stragglers {
            self.stragglers.lock().unwrap().clear();
        }
        self.image = disk.left(death.came());
        let passing = between.passing.lock().unwrap();
        self.tally.lives += 1;
        self.tally.deaths += u64::from(death.came());
        self.tally.troubled += passing.troubled;
        self.tally.calls += u64::from(passing.calls);
        self.tally.other_way += passing.other_way;
        self.tally.writes += u64::from(disk.writes());
        (self.log)(format!("{} calls, {} writes: {ended:?}", passing.calls, disk.writes()));
        if let Some(what) = passing.violations.first() {
            return violation("write ahead", what);
        }
        drop(passing);
        let meddled = meddled.lock().unwrap().take();
        if let Some(meddled) = &meddled {
            (self.log)(format!("in the middle of it: {meddled:?}"));
        }
        if let Some(Meddled::Claimed { collection, id, .. }) = &meddled
            && self.recorded()?.0.contains(&(collection.clone(), id.clone()))
        {
            return violation("what another stack owns is not adopted", format!("{id} is recorded"));
        }
        let changed = matches!(meddled, Some(Meddled::Changed { .. }));
        if let Some((rule, what)) = meddled.and_then(|meddled: Meddled| meddled.overwritten(&self.cloud)) {
            return violation(rule, what);
        }
        if changed {
            self.outsiders.meddled(&self.truth(), &self.blocks, false);
        }
        let told = match ended {
            Ended::Violated(what) => return violation("neither panics nor waits without bounds", what),
            Ended::Died => None,
            Ended::Told(told) => Some(told),
        };
        self.accounted()?;
        let kept = text_of(&self.image);
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        // The end of it may be padded otherwise than where it stands alone.
        let base64 = BASE64.encode(SECRET.get(..27).unwrap_or(SECRET));
        if let Some(form) = [SECRET, &hex, &base64].iter().find(|form| kept.contains(**form)) {
            return violation("no secret rests in the clear", format!("the planted password is in the store: {form}"));
        }
        Ok(told)
    }

    /// The file of the stack.
    fn written_down(&self, near: &Near, other: Option<&Near>, settles: u64) -> String {
        toml(&self.blocks, &self.script.ends, [Some(near.url()), other.map(Near::url)], settles)
    }

    /// One life in which nothing goes wrong.
    fn expect(&mut self, deed: Deed<'_>, expected: Expected<'_>) -> Judged<Told> {
        match self.life(deed, expected)? {
            Some(told) => Ok(told),
            None => violation("a life without a crash ends", "it died"),
        }
    }

    /// A person answers what only a person can: nobody else can tell one token from another.
    fn answer(&mut self, doubts: &[InDoubt]) -> Judged<()> {
        for doubt in doubts {
            if !doubt.address.to_string().starts_with("testcloud_token") {
                return violation("reading settles what can be read", format!("{doubt:?}"));
            }
            let (known, _) = self.recorded()?;
            let unknown = self.truth().into_iter().find(|object| {
                object.collection == "tokens" && !known.contains(&("tokens".to_owned(), object.id.clone()))
            });
            let answer = unknown.map_or(Answer::Absent, |object| Answer::Exists(object.id));
            self.tally.answers += 1;
            let told = self.expect(Deed::Answer(&doubt.address, answer.clone()), Expected::default())?;
            if let Some(why) = told.failed {
                return violation("a person's answer is taken", format!("{doubt:?}: {answer:?}: {why}"));
            }
        }
        Ok(())
    }

    /// Applies until the world is as declared.
    fn forward(&mut self, mark: usize) -> Judged<()> {
        let mut last = String::new();
        for _ in 0..4 {
            let told = self.expect(Deed::Verb(Verb::Apply), Expected::default())?;
            if !told.in_doubt.is_empty() {
                self.answer(&told.in_doubt)?;
                continue;
            }
            if let Some(failed) = told.failed {
                return violation("a resumed apply ends in the desired state", failed);
            }
            if matches!(told.state, None | Some(RunState::Succeeded)) {
                // By the time that a person looks again, reads show the world as it is.
                lock(&self.cloud).settle();
                let plan = self.expect(Deed::Plan, Expected::default())?;
                if !plan.said.is_empty() && self.script.lag_reads > 0 && told.state.is_none() {
                    // It planned by what it saw, which was out of date: now it sees more.
                    continue;
                }
                if !plan.said.is_empty() || plan.failed.is_some() {
                    return violation("a second apply does nothing", format!("{plan:?}"));
                }
                self.tally.forward += 1;
                self.agreed()?;
                let truth = self.truth();
                let found = Outsiders::without(observed(&truth), &self.outsiders.beside(&truth, &self.blocks));
                let rule = "a resumed apply ends in the desired state";
                return self.compare(rule, &declared(&self.blocks), found, mark, true);
            }
            last = told.said;
        }
        violation("a resumed apply ends in the desired state", format!("it never does: {last}"))
    }

    /// Unwinds all runs of the round.
    fn back(&mut self, first: Option<String>, before: &[TruthObject], blocks: Blocks, mark: usize) -> Judged<()> {
        let mut last = String::new();
        let mut left = BTreeSet::new();
        for _ in 0..4 {
            let Some(first) = &first else { break };
            let told = self.expect(Deed::Through(first), Expected::default())?;
            left.extend(told.left.iter().cloned());
            if !told.in_doubt.is_empty() {
                self.answer(&told.in_doubt)?;
                continue;
            }
            if let Some(failed) = told.failed {
                // A run that cannot be unwound, such as a compensation, is nothing to unwind.
                if failed.starts_with("RT0606") {
                    break;
                }
                return violation("a compensation ends in the state before", failed);
            }
            let in_full = matches!(told.state, None | Some(RunState::Compensated));
            if in_full || told.state == Some(RunState::CompensatedPartly) && told.left_behind {
                last.clear();
                break;
            }
            if self.script.lag_reads == 0 {
                return violation("a compensation that nothing disturbs ends at once", told.said);
            }
            last = told.said;
        }
        if !last.is_empty() {
            return violation("a compensation ends in the state before", format!("it never does: {last}"));
        }
        self.tally.back += 1;
        let undone = self.outsiders.undone(before, &self.truth());
        let before = self.but_for_untouched(observed(before), mark, &left);
        let found = observed(&self.truth());
        self.compare("a compensation ends in the state before", &before, found, mark, false)?;
        if let Some((rule, what)) = undone {
            return violation(rule, what);
        }
        // What was there before, and gone for the record, is gone for the record again.
        self.blocks = blocks;
        Ok(())
    }

    /// What no step of the round touched still names the id that something had before it was made again: a
    /// compensation undoes steps, and the next apply does the rest. So does what was let go and taken back since, and
    /// was told as left behind. And what named something long gone names what
    /// stands for it now, where a step was undone that had mended that.
    fn but_for_untouched(&self, mut before: Vec<Thing>, mark: usize, left: &BTreeSet<String>) -> Vec<Thing> {
        let cloud = lock(&self.cloud);
        let touched: BTreeSet<&str> = cloud.audit().iter().skip(mark).map(|entry| entry.id.as_str()).collect();
        let now = observed(&cloud.truth());
        let but_for_it = |thing: &Thing| thing.is.split_once(", of ").map(|(rest, _)| rest.to_owned());
        for thing in before.iter_mut().filter(|thing| thing.kind == "buckets") {
            let same = now.iter().find(|now| now.kind == thing.kind && now.name == thing.name);
            let Some(now) = same.filter(|now| but_for_it(now) == but_for_it(thing)) else { continue };
            let is_told = left.iter().any(|block| thing.name.starts_with(&format!("b{}-", &block[1..])));
            let is_left = (is_told || !touched.contains(thing.name.as_str())) && now.is.contains(", of i-");
            let is_mended = thing.is.contains(", of i-") && !now.is.contains(", of i-");
            if is_left || is_mended {
                thing.is.clone_from(&now.is);
            }
        }
        before.sort();
        before
    }

    fn compare(
        &self,
        rule: &'static str,
        expected: &[Thing],
        found: Vec<Thing>,
        mark: usize,
        ignore_rows: bool,
    ) -> Judged<()> {
        let lost = lock(&self.cloud)
            .audit()
            .iter()
            .skip(mark)
            .any(|entry| entry.effect == EffectKind::Delete && entry.collection == "databases");
        let bare = |things: &[Thing]| -> Vec<Thing> {
            let rows = |thing: &Thing| if lost || ignore_rows { 0 } else { thing.rows };
            things.iter().map(|thing| Thing { rows: rows(thing), ..thing.clone() }).collect()
        };
        let (expected, found) = (bare(expected), bare(&found));
        if expected == found {
            return Ok(());
        }
        let missing: Vec<_> = expected.iter().filter(|thing| !found.contains(thing)).collect();
        let extra: Vec<_> = found.iter().filter(|thing| !expected.contains(thing)).collect();
        violation(rule, format!("missing {missing:#?}, instead {extra:#?}"))
    }
}
