//! The mirror: for each run a file of lines that only grows, which readers follow while a run writes.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};

use super::files::{self, Faults, step};
use super::layout::Layout;
use super::line::{self, Header, Load};
use super::snapshot::{Head, Kepts, Snapshot};
use super::{StoreError, StoreResult};

/// What the name of a run's file ends with.
pub(super) const EXTENSION: &str = ".ndjson";

/// How many files of runs are held open.
const OPEN: usize = 16;

/// What a look at the file of a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The last whole record of the chain; none when there is no whole one.
    pub(super) head: Option<Head>,
    /// How many bytes follow it. When `damaged` is none they are a torn end: a write that was never
    /// acknowledged.
    pub(super) rest: u64,
    /// What is wrong, when records that were acknowledged cannot be read.
    pub(super) damaged: Option<&'static str>,
}

/// Reads the file of a run, from after the record `from` where it is given, and checks the chain.
/// Each whole record is given to `each`; the records of a call all together, or none of them.
pub(super) fn scan(
    path: &Path,
    lineage: &str,
    run: &str,
    from: Option<&Head>,
    each: &mut dyn FnMut(Header, &[u8]) -> StoreResult<()>,
) -> StoreResult<Scan> {
    let error = |error| StoreError::io(path, "read the records", error);
    let mut file = File::open(path).map_err(error)?;
    let length = file.metadata().map_err(error)?.len();
    let mut scan = Scan { head: from.cloned(), ..Scan::default() };
    if let Some(from) = from {
        let ending = format!(",\"hash\":\"{}\"}}\n", from.hash);
        let mut found = vec![0; ending.len()];
        let begin = from.bytes.saturating_sub(u64::try_from(ending.len()).unwrap_or(0));
        file.seek(SeekFrom::Start(begin)).map_err(error)?;
        if file.read_exact(&mut found).is_err() || found != ending.as_bytes() {
            return Ok(Scan { damaged: Some("it does not continue what the snapshot holds"), ..scan });
        }
    }
    let mut lines = io::BufReader::with_capacity(64 * 1024, file);
    let (mut end, mut buffer) = (scan.head.as_ref().map_or(0, |head| head.bytes), Vec::new());
    let first = line::first(lineage, run);
    let mut broken = false;
    // The records of a call whose last one has not come yet.
    let mut call: Vec<(Header, Vec<u8>)> = Vec::new();
    loop {
        buffer.clear();
        let count = lines.read_until(b'\n', &mut buffer).map_err(error)?;
        if count == 0 {
            break;
        }
        let whole = buffer.strip_suffix(b"\n").and_then(|line| Some((Header::read(line)?, line)));
        let next = scan.head.as_ref().map_or(1, |head| head.sequence + 1);
        match whole {
            Some((header, line)) if !broken && follows(&header, run, call.last(), scan.head.as_ref(), &first) => {
                let more = header.more;
                call.push((header, line.to_vec()));
                if more {
                    continue;
                }
                for (header, line) in call.drain(..) {
                    end += u64::try_from(line.len() + 1).unwrap_or(0);
                    let Header { sequence, serial, hash, .. } = header.clone();
                    scan.head = Some(Head { sequence, serial, hash, bytes: end });
                    each(header, &line)?;
                }
            }
            // What was synced together may be torn anywhere. But a whole record that was synced
            // later proves that the broken one was acknowledged.
            Some((header, _)) if header.run != run || !broken || header.group > next => {
                scan.damaged = Some("a record in it is broken, and later ones are whole");
                broken = true;
            }
            _ => broken = true,
        }
    }
    scan.rest = length.saturating_sub(end);
    Ok(scan)
}

fn follows(header: &Header, run: &str, before: Option<&(Header, Vec<u8>)>, head: Option<&Head>, first: &str) -> bool {
    let (sequence, prev) = match (before, head) {
        (Some((before, _)), _) => (before.sequence, before.hash.as_str()),
        (None, Some(head)) => (head.sequence, head.hash.as_str()),
        (None, None) => (0, first),
    };
    header.run == run && header.sequence == sequence + 1 && header.prev == prev
}

/// A record after the snapshot.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) header: Header,
    pub(super) line: Vec<u8>,
    /// Where the line ends in its file.
    pub(super) end: u64,
}

/// What the mirror holds.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) snapshot: Option<Snapshot>,
    /// How far each run has come whose file is there.
    pub(super) heads: BTreeMap<String, Head>,
    /// The records after the snapshot, by serial, without a gap.
    pub(super) tails: BTreeMap<u64, Tail>,
    /// Files that end in a write that was never acknowledged, and their whole lengths.
    pub(super) torn: BTreeMap<String, u64>,
    /// Runs that the snapshot knows and that have no file.
    pub(super) missing: Vec<String>,
    /// What is damaged, and how.
    pub(super) problems: Vec<(std::path::PathBuf, String)>,
    /// Why there is no snapshot.
    pub(super) unread: Option<&'static str>,
    base: u64,
}

impl View {
    /// Looks at the snapshot and at what came after it. With `all`, at every record. Where there is
    /// no snapshot, the records after the serial `base` count as its tail.
    pub(super) fn read(layout: &Layout, lineage: &str, base: Option<u64>, all: bool) -> StoreResult<View> {
        let (snapshot, unread) = match Snapshot::read(&layout.snapshot())? {
            Ok(snapshot) if snapshot.header.lineage == lineage => (Some(snapshot), None),
            Ok(_) => (None, Some("of another state")),
            Err(what) => (None, Some(what)),
        };
        let base = snapshot.as_ref().map(|snapshot| snapshot.header.serial).or(base).unwrap_or(0);
        let mut view = View {
            base,
            snapshot,
            heads: BTreeMap::new(),
            tails: BTreeMap::new(),
            torn: BTreeMap::new(),
            missing: Vec::new(),
            problems: Vec::new(),
            unread,
        };
        let known = view.snapshot.as_ref().map(|snapshot| snapshot.header.runs.clone()).unwrap_or_default();
        let files = runs(layout)?;
        view.missing = known.keys().filter(|run| !files.contains_key(*run)).cloned().collect();
        for (run, length) in files {
            view.read_run(layout, lineage, &run, length, known.get(&run), all)?;
        }
        view.check_tails(layout);
        // Without a snapshot, all records from the first on are as good.
        if let Some(what) = view.unread
            && !view.tails.contains_key(&1)
        {
            view.problems.insert(0, (layout.snapshot(), what.to_owned()));
        }
        Ok(view)
    }

    fn read_run(
        &mut self,
        layout: &Layout,
        lineage: &str,
        run: &str,
        length: u64,
        known: Option<&Head>,
        all: bool,
    ) -> StoreResult<()> {
        if let Some(head) = known
            && head.bytes == length
            && !all
        {
            self.heads.insert(run.to_owned(), head.clone());
            return Ok(());
        }
        let (path, after) = (layout.run(run), self.base);
        let mut from = known.filter(|_| !all);
        let mut tails = Vec::new();
        let found = loop {
            tails.clear();
            let mut end = from.map_or(0, |head| head.bytes);
            let result = scan(&path, lineage, run, from, &mut |header, line| {
                end += u64::try_from(line.len() + 1).unwrap_or(0);
                if header.serial > after {
                    tails.push(Tail { header, line: line.to_vec(), end });
                }
                Ok(())
            });
            match result {
                // Removed a moment ago.
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
                // Perhaps just a snapshot that is older than a repair: the whole chain decides.
                Ok(found) if found.damaged.is_some() && from.is_some() => from = None,
                result => break result?,
            }
        };
        let reached = found.head.as_ref().map_or(0, |head| head.sequence);
        match found.damaged {
            Some(what) => self.problems.push((path, what.to_owned())),
            None if known.is_some_and(|known| known.sequence > reached) => {
                self.problems.push((path, "it is shorter than the snapshot says".to_owned()));
            }
            None if found.rest > 0 => {
                let whole = found.head.as_ref().map_or(0, |head| head.bytes);
                self.torn.insert(run.to_owned(), whole);
            }
            None => {}
        }
        if let Some(head) = found.head {
            self.heads.insert(run.to_owned(), head);
        }
        self.tails.extend(tails.into_iter().map(|tail| (tail.header.serial, tail)));
        Ok(())
    }

    /// Drops what comes after a gap in the serials.
    fn check_tails(&mut self, layout: &Layout) {
        let mut next = self.base + 1;
        for serial in self.tails.keys() {
            if *serial != next {
                break;
            }
            next += 1;
        }
        let beyond = self.tails.split_off(&next);
        if !beyond.is_empty() {
            self.problems.push((layout.runs(), format!("record {next} is missing, and later ones are there")));
        }
    }

    /// The serial after which [`View::tails`] begins.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The serial of the newest record.
    pub(super) fn serial(&self) -> u64 {
        self.tails.keys().next_back().copied().unwrap_or(self.base)
    }

    /// The state, as it is kept, after the newest record. Fails with the first problem in its way.
    pub(super) fn state(&self, load: Load<'_>) -> StoreResult<Kepts> {
        let mut state = match &self.snapshot {
            Some(snapshot) => snapshot.state().map_err(|what| self.damaged(what))?,
            None if self.tails.contains_key(&1) => Kepts::new(),
            None => return Err(self.damaged("there is no snapshot, and the first records are gone")),
        };
        for tail in self.tails.values() {
            for change in line::changes(&tail.line, load)? {
                match change {
                    line::Change::Put(key, kept) => drop(state.insert(key, kept.into())),
                    line::Change::Delete(key) => drop(state.remove(&key)),
                }
            }
        }
        Ok(state)
    }

    /// The first problem, as an error.
    pub(super) fn damaged(&self, otherwise: &str) -> StoreError {
        match self.problems.first() {
            Some((path, what)) => StoreError::DamagedMirror { path: path.clone(), what: what.clone() },
            None => StoreError::DamagedMirror { path: "snapshot.json".into(), what: otherwise.to_owned() },
        }
    }
}

/// The files of runs, and their lengths.
pub(super) fn runs(layout: &Layout) -> StoreResult<BTreeMap<String, u64>> {
    let directory = layout.runs();
    let error = |error| StoreError::io(&directory, "list the runs", error);
    let mut runs = BTreeMap::new();
    let entries = match fs_err::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(runs),
        entries => entries.map_err(error)?,
    };
    for entry in entries {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)) else { continue };
        if super::check_run(run).is_err() {
            continue;
        }
        match entry.metadata() {
            Ok(found) => drop(runs.insert(run.to_owned(), found.len())),
            // Removed a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(failed) => return Err(error(failed)),
        }
    }
    Ok(runs)
}

/// Writes the files of runs.
#[derive(Debug)]
pub(super) struct Mirror {
    layout: Layout,
    faults: Faults,
    open: BTreeMap<String, File>,
}

impl Mirror {
    pub(super) fn new(layout: Layout, faults: Faults) -> Mirror {
        Mirror { layout, faults, open: BTreeMap::new() }
    }

    /// Appends lines to the file of a run, which is to be `at` bytes long, and syncs it.
    pub(super) fn append(&mut self, run: &str, at: u64, lines: &[u8]) -> StoreResult<()> {
        let path = self.layout.run(run);
        let error = |error| StoreError::io(&path, "write a record", error);
        if !self.open.contains_key(run) {
            if self.open.len() >= OPEN {
                self.open.clear();
            }
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(error)?;
            if at == 0 {
                // CRASH: an empty file of a run is left; it has no records, and counts as none.
                step!(self.faults, "store.mirror.directory", files::sync(&self.layout.runs())).map_err(error)?;
            }
            self.open.insert(run.to_owned(), file);
        }
        let Some(mut file) = self.open.get(run) else { return Err(StoreError::Closed) };
        if file.metadata().map_err(error)?.len() != at {
            let what = "it was changed by something else".to_owned();
            return Err(StoreError::DamagedMirror { path, what });
        }
        // CRASH: a part of the lines is left. What is whole of them counts, though nobody was told;
        // the rest is cut off at the next opening.
        step!(self.faults, "store.mirror.write", file.write_all(lines)).map_err(error)?;
        step!(self.faults, "store.mirror.sync", file.sync_data()).map_err(error)
        // CRASH: the mirror is ahead of the database, which the next opening brings up to it.
    }

    /// Cuts off the end of a file, from `length` bytes on.
    pub(super) fn truncate(&mut self, run: &str, length: u64) -> StoreResult<()> {
        let path = self.layout.run(run);
        self.open.remove(run);
        let result = OpenOptions::new().write(true).open(&path).and_then(|file| {
            file.set_len(length)?;
            file.sync_all()
        });
        result.map_err(|error| StoreError::io(&path, "cut off what was not finished", error))
    }

    /// Replaces the file of a run by one with these lines.
    pub(super) fn replace(&mut self, run: &str, lines: &[Vec<u8>]) -> StoreResult<()> {
        self.open.remove(run);
        files::replace(&self.layout.run(run), &self.faults, |file| {
            lines.iter().try_for_each(|line| file.write_all(line).and_then(|()| file.write_all(b"\n")))
        })
    }

    /// Puts the file of a run aside, so that nothing is lost that somebody may want to look at.
    pub(super) fn set_aside(&mut self, run: &str, keep: u64) -> StoreResult<()> {
        let path = self.layout.run(run);
        self.open.remove(run);
        // The end of the name keeps it from being taken for a run.
        let aside = self.layout.runs().join(format!("{run}{EXTENSION}.damaged"));
        let error = |error| StoreError::io(&path, "put a damaged run aside", error);
        fs_err::copy(&path, &aside).map_err(error)?;
        File::open(&aside).and_then(|file| file.sync_all()).map_err(error)?;
        if keep == 0 { self.remove(run) } else { self.truncate(run, keep) }
    }

    /// Removes the file of a run.
    pub(super) fn remove(&mut self, run: &str) -> StoreResult<()> {
        let path = self.layout.run(run);
        self.open.remove(run);
        let removed = match step!(self.faults, "store.mirror.remove", fs_err::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            // CRASH: the file may come back; the database remembers that it is to go.
            _ => step!(self.faults, "store.mirror.directory", files::sync(&self.layout.runs())),
        };
        removed.map_err(|error| StoreError::io(&path, "remove a run", error))
    }
}
