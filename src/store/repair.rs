//! Bringing the two halves of a store together: the longer valid history wins, the other is rebuilt
//! from it, and the user is told.

use std::collections::BTreeMap;

use super::files::{self, Faults, step};
use super::layout::{Format, Layout};
use super::line::{self, Change, Kept};
use super::mirror::{self, Mirror, View};
use super::objects::Objects;
use super::opening::Depth;
use super::sled::{Batch, Content, Database, Digest};
use super::snapshot::{self, Head};
use super::{StoreError, StoreResult};

/// How many records are given to the database at once.
const BATCH: usize = 256;

/// A store that is whole.
pub(super) struct Mended {
    pub(super) database: Database,
    pub(super) mirror: Mirror,
    pub(super) content: Content,
    /// What the snapshot on disk holds: its serial, and how many runs.
    pub(super) snapshot: Option<(u64, usize)>,
    pub(super) notices: Vec<String>,
}

/// Compares database and mirror, and repairs.
pub(super) struct Mender<'a> {
    layout: &'a Layout,
    format: &'a Format,
    objects: &'a Objects,
    faults: &'a Faults,
    depth: Depth,
    mirror: Mirror,
    notices: Vec<String>,
}

type Loaded = (Database, Content);

impl<'a> Mender<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        format: &'a Format,
        objects: &'a Objects,
        faults: &'a Faults,
        depth: Depth,
        notices: Vec<String>,
    ) -> Mender<'a> {
        let mirror = Mirror::new(layout.clone(), faults.clone());
        Mender { layout, format, objects, faults, depth, mirror, notices }
    }

    /// Does it all. Fails when neither half is whole and nothing may be left out.
    pub(super) fn mend(mut self) -> StoreResult<Mended> {
        let suspect = self.layout.suspect();
        let suspected = suspect.try_exists().map_err(|error| StoreError::io(&suspect, "look for it", error))?;
        let loaded = if suspected { Err(self.damaged("it failed before")) } else { self.load() };
        let all = self.depth != Depth::Usual;
        let base = loaded.as_ref().ok().map(|(_, content)| content.serial);
        let view = View::read(self.layout, &self.format.lineage, base, all)?;
        let (database, mut content) = match loaded {
            Ok((database, content)) => self.reconcile(database, content, view)?,
            Err(why) if is_damage(&why) => {
                // A database that failed once may still be read, where the mirror is no better.
                match self.rebuild(view, &why) {
                    Err(worse) if suspected => match self.load() {
                        Ok((database, content)) => {
                            let view = View::read(self.layout, &self.format.lineage, Some(content.serial), all)?;
                            self.reconcile(database, content, view)?
                        }
                        Err(_) => return Err(worse),
                    },
                    rebuilt => rebuilt?,
                }
            }
            Err(error) => return Err(error),
        };
        if suspected {
            fs_err::remove_file(&suspect).map_err(|error| StoreError::io(&suspect, "remove the mark", error))?;
        }
        if self.depth == Depth::Salvage {
            self.leave_out_unreadable(&database, &mut content)?;
        }
        let snapshot = self.refresh_snapshot(&content)?;
        Ok(Mended { database, mirror: self.mirror, content, snapshot, notices: self.notices })
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Database { path: self.layout.database(), what: what.to_owned() }
    }

    fn both_damaged(&self, database: &str, mirror: &str) -> StoreError {
        let what = format!("the database: {database}; the mirror: {mirror}");
        StoreError::Damaged { path: self.layout.directory.clone(), what }
    }

    fn tell(&mut self, notice: String) {
        // A person is told by whoever opened the store.
        tracing::info!(directory = %self.layout.directory.display(), "{notice}");
        self.notices.push(notice);
    }

    fn load(&self) -> StoreResult<Loaded> {
        let (database, content) = Database::load(&self.layout.database(), &self.format.lineage, self.faults)?;
        if self.depth != Depth::Usual {
            for (run, head) in &content.heads {
                let lines = database.lines_guarded(run, 1)?;
                if lines.last().is_none_or(|(last, _)| last.hash != head.hash) {
                    return Err(self.damaged(&format!("records of run {run} are missing")));
                }
            }
        }
        Ok((database, content))
    }

    // From the mirror to the database.

    /// Makes the database anew from the mirror.
    fn rebuild(&mut self, mut view: View, why: &StoreError) -> StoreResult<Loaded> {
        let broken = view.problems.first().map(|(path, what)| format!("{} is {what}", path.display()));
        if let Some(broken) = broken {
            if self.depth != Depth::Salvage {
                return Err(self.both_damaged(&why.to_string(), &broken));
            }
            view = self.salvage(&view)?;
        }
        self.cut_torn(&view)?;
        let new = files::temporary(&self.layout.directory)?;
        let result = self.fill_database(&new, &view).and_then(|()| self.put_in_place(&new));
        let loaded = match result {
            Ok(()) => self.load(),
            Err(StoreError::DamagedMirror { path, what }) => {
                let broken = format!("{}: {what}", path.display());
                Err(self.both_damaged(&why.to_string(), &broken))
            }
            Err(error) => Err(error),
        };
        if loaded.is_err() {
            let _ = fs_err::remove_dir_all(&new);
        }
        let loaded = loaded?;
        let why = match why {
            StoreError::Database { what, .. } => what.clone(),
            other => other.to_string(),
        };
        self.tell(format!("the database of the state could not be read ({why}), and was rebuilt from its mirror"));
        Ok(loaded)
    }

    fn fill_database(&self, new: &std::path::Path, view: &View) -> StoreResult<()> {
        let state = view.state(&|id| self.objects.json(id))?;
        let database = Database::make(new, self.faults)?;
        for (run, head) in &view.heads {
            let path = self.layout.run(run);
            let (mut batch, mut waiting) = (Batch::default(), 0);
            let scan = mirror::scan(&path, &self.format.lineage, run, None, &mut |header, line| {
                batch.line(run, header.sequence, line);
                waiting += 1;
                if waiting >= BATCH {
                    waiting = 0;
                    database.write(std::mem::take(&mut batch))?;
                }
                Ok(())
            })?;
            if scan.head.is_none_or(|found| found.hash != head.hash) {
                let what = scan.damaged.unwrap_or("records are missing").to_owned();
                return Err(StoreError::DamagedMirror { path, what });
            }
            batch.head(run, head)?;
            database.write(batch)?;
        }
        let mut batch = Batch::default();
        for (number, (key, kept)) in state.iter().enumerate() {
            batch.put(key, kept);
            if number % BATCH == BATCH - 1 {
                database.write(std::mem::take(&mut batch))?;
            }
        }
        batch.meta(&self.format.lineage, view.serial(), Digest::of(&view.heads, &state))?;
        database.commit(batch)?;
        database.close();
        Ok(())
    }

    /// Puts a database that was made in the place of the one that is there.
    fn put_in_place(&self, new: &std::path::Path) -> StoreResult<()> {
        let (place, aside) = (self.layout.database(), self.layout.damaged_database());
        let error = |error| StoreError::io(&place, "put the new database in place", error);
        for old in [&aside] {
            match fs_err::remove_dir_all(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io(old, "remove an old database", error));
                }
                _ => {}
            }
        }
        match step!(self.faults, "store.rebuild.aside", fs_err::rename(&place, &aside)) {
            Err(failed) if failed.kind() != std::io::ErrorKind::NotFound => return Err(error(failed)),
            _ => {}
        }
        // CRASH: there is no database; the next opening makes it from the mirror again.
        step!(self.faults, "store.rebuild.rename", fs_err::rename(new, &place)).map_err(error)?;
        files::sync_directory(&self.layout.directory)
    }

    /// Brings a database up to the mirror. `false` when they do not fit together.
    fn forward(&mut self, database: &Database, content: &mut Content, view: &View) -> StoreResult<bool> {
        if content.serial < view.base() {
            return Ok(false);
        }
        let news: Vec<_> = view.tails.range(content.serial + 1..).map(|(_, tail)| tail).collect();
        for group in news.chunks(BATCH) {
            let mut batch = Batch::default();
            for tail in group {
                let run = &tail.header.run;
                let before = content.heads.get(run);
                let prev = before.map_or_else(|| line::first(&self.format.lineage, run), |head| head.hash.clone());
                if prev != tail.header.prev {
                    return Ok(false);
                }
                let line::Header { sequence, serial, hash, .. } = tail.header.clone();
                let head = Head { sequence, serial, hash, bytes: tail.end };
                batch.line(run, sequence, &tail.line);
                batch.head(run, &head)?;
                content.digest.head(run, before, Some(&head));
                content.heads.insert(run.clone(), head);
                content.serial = serial;
                for change in line::changes(&tail.line, &|id| self.objects.json(id))? {
                    let before = content.state.get(change.key()).cloned();
                    match change {
                        Change::Put(key, kept) => {
                            content.digest.value(&key, before.as_deref(), Some(&kept));
                            batch.put(&key, &kept);
                            content.state.insert(key, kept.into());
                        }
                        Change::Delete(key) => {
                            content.digest.value(&key, before.as_deref(), None);
                            batch.delete(&key);
                            content.state.remove(&key);
                        }
                    }
                }
            }
            batch.meta(&self.format.lineage, content.serial, content.digest)?;
            super::sled::caught(&self.layout.database(), || database.commit(batch))?;
        }
        self.tell(format!("{} in the mirror alone, and added to the database", records(news.len(), "was", "were")));
        Ok(true)
    }

    // Both can be read.

    fn reconcile(&mut self, database: Database, mut content: Content, view: View) -> StoreResult<Loaded> {
        if view.serial() > content.serial && !self.forward(&database, &mut content, &view)? {
            database.close();
            return self.rebuild(view, &self.damaged("it is older than the mirror"));
        }
        self.cut_torn(&view)?;
        let mut rewritten = Vec::new();
        for (run, head) in &mut content.heads {
            let broken = view.problems.iter().any(|(path, _)| *path == self.layout.run(run));
            match view.heads.get(run) {
                Some(found) if found == head && !broken => continue,
                // The mirror holds what the database does not: two histories.
                Some(found)
                    if found.sequence > head.sequence || found.sequence == head.sequence && found.hash != head.hash =>
                {
                    if self.depth != Depth::Salvage {
                        let what = format!("it holds other records of run {run} than the database");
                        return Err(self.both_damaged("whole", &what));
                    }
                    self.mirror.set_aside(run, 0)?;
                }
                _ => {}
            }
            let lines = database.lines_guarded(run, 1);
            let lines = lines.map_err(|error| self.both_damaged(&error.to_string(), "it lacks the same records"))?;
            if lines.last().is_none_or(|(last, _)| last.hash != head.hash) {
                return Err(
                    self.both_damaged(&format!("records of run {run} are missing"), "it lacks the same records")
                );
            }
            let lines: Vec<Vec<u8>> = lines.into_iter().map(|(_, line)| line).collect();
            head.bytes = lines.iter().map(|line| u64::try_from(line.len() + 1).unwrap_or(0)).sum();
            self.mirror.replace(run, &lines)?;
            rewritten.push(run.clone());
        }
        self.remove_unknown(&database, &content, &view)?;
        if let Some(what) = view.unread {
            self.tell(format!("the snapshot was {what}, and written anew"));
        }
        if !rewritten.is_empty() {
            self.tell(format!(
                "the mirror of {} was not whole, and was written anew from the database",
                rewritten.join(", ")
            ));
        }
        Ok((database, content))
    }

    /// Cuts off what was being written when the process ended.
    fn cut_torn(&mut self, view: &View) -> StoreResult<()> {
        for (run, whole) in &view.torn {
            // CRASH: it is cut off the next time.
            self.mirror.truncate(run, *whole)?;
            self.tell(format!(
                "the end of run {run} had not been written in full, and was dropped: nobody acted on it"
            ));
        }
        Ok(())
    }

    /// Removes the files of runs that are to go, and puts aside those that the database never knew.
    fn remove_unknown(&mut self, database: &Database, content: &Content, view: &View) -> StoreResult<()> {
        for run in view.heads.keys().filter(|run| !content.heads.contains_key(*run)) {
            if content.removed.contains(run) {
                self.mirror.remove(run)?;
            } else {
                self.mirror.set_aside(run, 0)?;
                self.tell(format!("the database does not know run {run}: it was put aside, as `{run}.ndjson.damaged`"));
            }
        }
        if !content.removed.is_empty() {
            // The files are durably gone before this is forgotten.
            let mut batch = Batch::default();
            for run in &content.removed {
                batch.forget_removed(run);
            }
            super::sled::caught(&self.layout.database(), || database.commit(batch))?;
        }
        Ok(())
    }

    /// Writes the snapshot when the one that is there does not fit any more.
    fn refresh_snapshot(&mut self, content: &Content) -> StoreResult<Option<(u64, usize)>> {
        let fits = match snapshot::Snapshot::read(&self.layout.snapshot())? {
            Ok(snapshot) => snapshot.header.lineage == self.format.lineage && self.continues(&snapshot.header, content),
            Err(_) => false,
        };
        if !fits {
            let path = self.layout.snapshot();
            snapshot::write(&path, self.format, content.serial, &content.heads, &content.state, self.faults)?;
            return Ok(Some((content.serial, content.heads.len())));
        }
        // A snapshot that says less is no mistake: readers add up the rest.
        Ok(None)
    }

    fn continues(&self, header: &snapshot::SnapshotHeader, content: &Content) -> bool {
        let no_longer =
            |(run, head): (&String, &Head)| content.heads.get(run).is_none_or(|now| now.sequence >= head.sequence);
        header.serial <= content.serial && header.runs.iter().all(no_longer)
    }

    // Where nothing is whole.

    /// Makes a whole mirror of what can be read of it, and puts the rest aside.
    fn salvage(&mut self, view: &View) -> StoreResult<View> {
        let state = view.state(&|id| self.objects.json(id)).map_err(|error| {
            self.both_damaged("it cannot be read", &format!("nothing can be saved from it: {error}"))
        })?;
        let limit = view.serial();
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        for (run, length) in mirror::runs(self.layout)? {
            let (mut keep, mut bytes) = (None, 0);
            mirror::scan(&self.layout.run(&run), &self.format.lineage, &run, None, &mut |header, line| {
                bytes += u64::try_from(line.len() + 1).unwrap_or(0);
                if header.serial <= limit {
                    let line::Header { sequence, serial, hash, .. } = header;
                    keep = Some(Head { sequence, serial, hash, bytes });
                }
                Ok(())
            })?;
            let kept = keep.as_ref().map_or(0, |head| head.bytes);
            if kept < length {
                self.mirror.set_aside(&run, kept)?;
                let sequence = keep.as_ref().map_or(0, |head| head.sequence);
                self.tell(format!(
                    "run {run} could be read up to record {sequence}; it was put aside whole, as `{run}.ndjson.damaged`"
                ));
            }
            heads.extend(keep.map(|head| (run, head)));
        }
        snapshot::write(&self.layout.snapshot(), self.format, limit, &heads, &state, self.faults)?;
        let view = View::read(self.layout, &self.format.lineage, None, true)?;
        match view.problems.is_empty() {
            true => Ok(view),
            false => Err(self.both_damaged("it cannot be read", &view.damaged("it cannot be saved").to_string())),
        }
    }

    /// Leaves out values whose objects cannot be read.
    fn leave_out_unreadable(&mut self, database: &Database, content: &mut Content) -> StoreResult<()> {
        let mut batch = Batch::default();
        let mut lost = Vec::new();
        for (key, kept) in &content.state {
            let unreadable = match Kept::parse(kept)?.object {
                Some(id) => matches!(self.objects.json(&id), Err(StoreError::DamagedObject { .. })),
                None => false,
            };
            if unreadable {
                lost.push((key.clone(), kept.clone()));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        for (key, kept) in &lost {
            batch.delete(key);
            content.digest.value(key, Some(kept), None);
            content.state.remove(key);
            self.tell(format!("what was recorded as {key} cannot be read, and was left out"));
        }
        batch.meta(&self.format.lineage, content.serial, content.digest)?;
        super::sled::caught(&self.layout.database(), || database.commit(batch))?;
        // The snapshot must not bring them back.
        let path = self.layout.snapshot();
        snapshot::write(&path, self.format, content.serial, &content.heads, &content.state, self.faults)
    }
}

/// Whether an error speaks of damage, and not of a user's rights or a full disk.
fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { .. } | StoreError::Io { .. })
}

fn records(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 record {one}") } else { format!("{count} records {many}") }
}
