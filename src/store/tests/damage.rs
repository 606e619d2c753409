//! Damage of every kind: the store is opened and whole, or repaired and says so, or refused with a
//! code. Never a panic, and never an older state without a word.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::tally::Tally;
use super::{Place, all, all_read, copy, put, text};
use crate::store::{Depth, Record, Store, StoreError, Write};

/// A store with two runs, a snapshot in between, large values and deletions; and what it says.
async fn sample() -> (Place, Value) {
    let place = Place::new();
    let store = place.open();
    store.append("a", vec![put("x", 1), put("big", text(1, 9000))]).await.unwrap();
    for n in 0..12 {
        store.append("a", vec![put(&format!("k{n}"), text(n, 700))]).await.unwrap();
    }
    store.snapshot().await.unwrap();
    for n in 0..6 {
        store.append("b", vec![put(&format!("k{n}"), text(n, 400)), put(&format!("n{n}"), n)]).await.unwrap();
    }
    let gone = Write::Delete { key: "k7".to_owned() };
    store.append("a", vec![Record { body: json!("late"), writes: vec![gone] }]).await.unwrap();
    let content = all(&store).await;
    drop(store);
    (place, content)
}

const SUITE: &str = "damaged files of a store";

/// Makes a copy of a store, does something to it, and opens it.
async fn after(place: &Place, damage: impl FnOnce(&Path)) -> Result<(Value, Vec<String>, Place), StoreError> {
    let other = Place::new();
    copy(&place.directory(), &other.directory());
    damage(&other.directory());
    let store = other.try_open()?;
    let content = all(&store).await;
    let notices = store.notices();
    drop(store);
    // Once more: a repair is complete.
    let again = other.try_open()?;
    assert_eq!(again.notices(), [""; 0], "after {notices:?}");
    assert_eq!(all(&again).await, content);
    drop(again);
    match other.reader().run("a") {
        // Records before the snapshot are not looked at when a store is opened.
        Err(error) => assert_eq!(error.code(), "RT0709"),
        Ok(_) => assert_eq!(all_read(&other.reader()), content),
    }
    Ok((content, notices, other))
}

fn zero(path: &Path, from: u64, length: usize) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = length.min(usize::try_from(file.metadata().unwrap().len() - from).unwrap());
    file.write_all_at(&vec![0; length], from).unwrap();
}

fn cut(path: &Path, length: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

#[tokio::test]
async fn a_database_cut_at_any_sector_is_repaired_from_the_mirror() {
    let tally = Tally::of(SUITE, "the database cut at every sector");
    let (place, content) = sample().await;
    let length = size(&place.path("db/db"));
    for sector in 0..=length / 512 {
        tally.one();
        let (found, notices, _) = after(&place, |directory| cut(&directory.join("db/db"), sector * 512)).await.unwrap();
        assert_eq!(found, content, "cut at {sector}");
        assert!(sector > 0 || !notices.is_empty());
    }
}

#[tokio::test]
async fn zeroed_pages_of_the_database_are_repaired_from_the_mirror() {
    let tally = Tally::of(SUITE, "pages of the database zeroed");
    let (place, content) = sample().await;
    let length = size(&place.path("db/db"));
    for at in (0..length).step_by(1024) {
        tally.one();
        let damaged = after(&place, |directory| zero(&directory.join("db/db"), at, 4096)).await;
        assert_eq!(damaged.unwrap().0, content, "zeroed at {at}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_old_or_another_is_repaired_from_the_mirror() {
    let tally = Tally::of(SUITE, "the database or a part of it gone, empty, or another");
    let (place, content) = sample().await;
    let mut snaps: Vec<_> =
        std::fs::read_dir(place.path("db")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    snaps.retain(|name| name.to_string_lossy().starts_with("snap."));
    assert!(!snaps.is_empty());
    for snap in &snaps {
        tally.scenarios(6);
        let path = Path::new("db").join(snap);
        let (found, notices, _) = after(&place, |directory| cut(&directory.join(&path), 0)).await.unwrap();
        assert_eq!((found, notices.len()), (content.clone(), 0), "an empty one is no loss");
        for length in [1, 12, 13, size(&place.path(path.to_str().unwrap())) - 1] {
            assert_eq!(after(&place, |directory| cut(&directory.join(&path), length)).await.unwrap().0, content);
        }
        let gone = after(&place, |directory| std::fs::remove_file(directory.join(&path)).unwrap()).await;
        assert_eq!(gone.unwrap().0, content);
    }
    for damage in [
        (|directory: &Path| std::fs::remove_dir_all(directory.join("db")).unwrap()) as fn(&Path),
        |directory| std::fs::remove_file(directory.join("db/db")).unwrap(),
        |directory| std::fs::write(directory.join("db/conf"), text(1, 200)).unwrap(),
        |directory| std::fs::write(directory.join("db/db"), text(1, 5000)).unwrap(),
        |directory| std::fs::write(directory.join("db.suspect"), "").unwrap(),
    ] {
        tally.one();
        let (found, notices, _) = after(&place, damage).await.unwrap();
        assert_eq!(found, content);
        assert!(!notices.is_empty());
    }
    tally.scenarios(2);
    let cut_short = after(&place, |directory| cut(&directory.join("db/conf"), 3)).await;
    assert_eq!(cut_short.unwrap().0, content);
    let foreign = Place::new();
    foreign.open().append("a", vec![put("x", "foreign")]).await.unwrap();
    let (found, notices, _) = after(&place, |directory| {
        std::fs::remove_dir_all(directory.join("db")).unwrap();
        copy(&foreign.path("db"), &directory.join("db"));
    })
    .await
    .unwrap();
    assert_eq!(found, content);
    assert!(notices[0].contains("another state"), "{notices:?}");
}

#[tokio::test]
async fn an_old_copy_of_either_half_is_brought_up_to_date() {
    let tally = Tally::of(SUITE, "an old copy of either half");
    let place = Place::new();
    let mut copies = Vec::new();
    for n in 0..8 {
        let store = place.open();
        if n == 3 || n == 6 {
            store.snapshot().await.unwrap();
        }
        let run = format!("run{}", n / 2);
        store.append(&run, vec![put(&format!("k{n}"), n), put("same", n)]).await.unwrap();
        drop(store);
        let saved = tempfile::tempdir().unwrap();
        copy(&place.directory(), saved.path());
        copies.push(saved);
    }
    let content = all(&place.open()).await;
    for saved in &copies[..7] {
        tally.one();
        let (found, notices, _) = after(&place, |directory| {
            std::fs::remove_dir_all(directory.join("db")).unwrap();
            copy(&saved.path().join("db"), &directory.join("db"));
        })
        .await
        .unwrap();
        assert_eq!((found, notices.len()), (content.clone(), 1), "{notices:?}");
        let (found, notices, _) = after(&place, |directory| {
            std::fs::remove_dir_all(directory.join("runs")).unwrap();
            copy(&saved.path().join("runs"), &directory.join("runs"));
            std::fs::copy(saved.path().join("snapshot.json"), directory.join("snapshot.json")).unwrap();
        })
        .await
        .unwrap();
        assert_eq!((found, notices.len()), (content.clone(), 1), "{notices:?}");
    }
}

#[tokio::test]
async fn a_mirror_cut_at_any_byte_of_its_last_line_is_repaired_from_the_database() {
    let tally = Tally::of(SUITE, "the mirror cut at every byte of its end");
    let (place, content) = sample().await;
    let path = place.path("runs/b.ndjson");
    let text = std::fs::read(&path).unwrap();
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in last..text.len() {
        tally.one();
        let other = Place::new();
        copy(&place.directory(), &other.directory());
        cut(&other.path("runs/b.ndjson"), u64::try_from(length).unwrap());
        // A reader sees the calls before; that the database has more it cannot know.
        assert_eq!(other.reader().run("b").unwrap().len(), 10);
        // The record after it, in the other run, is there: then a reader knows that one is missing.
        assert_eq!(other.reader().state().unwrap_err().code(), "RT0709");
        let store = other.open();
        assert_eq!(all(&store).await, content, "cut at {length}");
        assert!(!store.notices().is_empty());
        drop(store);
        assert_eq!(all_read(&other.reader()), content);
        assert!(std::fs::read(other.path("runs/b.ndjson")).unwrap() == text, "byte for byte");
    }
}

#[tokio::test]
async fn a_torn_end_that_was_never_acknowledged_is_dropped() {
    let tally = Tally::of(SUITE, "the mirror torn at every byte of a call that nobody acknowledged");
    let place = Place::new();
    let store = place.open();
    store.append("run", vec![put("x", 1), put("y", 1)]).await.unwrap();
    drop(store);
    let saved = tempfile::tempdir().unwrap();
    copy(&place.directory(), saved.path());
    let before = std::fs::read(place.path("runs/run.ndjson")).unwrap();
    let store = place.open();
    let content = all(&store).await;
    store.append("run", vec![put("x", 2), put("y", 2), put("z", 2)]).await.unwrap();
    let full = all(&store).await;
    drop(store);
    let text = std::fs::read(place.path("runs/run.ndjson")).unwrap();
    for length in before.len()..=text.len() {
        tally.one();
        let other = Place::new();
        copy(saved.path(), &other.directory());
        std::fs::write(other.path("runs/run.ndjson"), &text[..length]).unwrap();
        let store = other.open();
        // The records of a call count together, or not at all.
        let whole = if length == text.len() { 3 } else { 0 };
        let records = store.run("run").await.unwrap();
        assert_eq!(records.len(), 2 + whole, "cut at {length}");
        assert_eq!(all(&store).await, if whole == 0 { content.clone() } else { full.clone() });
        let torn = length != before.len() && whole == 0;
        assert_eq!(store.notices().len(), usize::from(torn) + usize::from(whole > 0), "{:?}", store.notices());
        assert_eq!(store.append("run", vec![put("x", 3)]).await.unwrap(), [u64::try_from(3 + whole).unwrap()]);
        drop(store);
        let store = other.open();
        assert_eq!(store.notices(), [""; 0]);
        assert_eq!(all_read(&other.reader()), all(&store).await);
    }
    // Synced together, torn in the middle: what a power cut leaves of a group of three.
    let ends: Vec<usize> = (before.len()..text.len()).filter(|at| text[*at] == b'\n').map(|at| at + 1).collect();
    for at in [ends[0] - 20, ends[1] - 20] {
        let other = Place::new();
        copy(saved.path(), &other.directory());
        std::fs::write(other.path("runs/run.ndjson"), &text).unwrap();
        zero(&other.path("runs/run.ndjson"), u64::try_from(at).unwrap(), 10);
        let reader = other.reader();
        assert_eq!(reader.run("run").unwrap().len(), 2);
        let store = other.open();
        assert_eq!(store.run("run").await.unwrap().len(), 2);
        assert!(
            store.notices().iter().any(|notice| notice.contains("not been written in full")),
            "{:?}",
            store.notices()
        );
    }
}

#[tokio::test]
async fn damage_anywhere_in_the_mirror_is_noticed_and_repaired() {
    let tally = Tally::of(SUITE, "the mirror damaged anywhere");
    let (place, content) = sample().await;
    for name in ["snapshot.json", "runs/a.ndjson", "runs/b.ndjson", "format.json"] {
        let length = size(&place.path(name));
        for at in (0..length).step_by(97) {
            tally.one();
            let damaged = |directory: &Path| zero(&directory.join(name), at, 8);
            let (found, notices, other) = match after(&place, damaged).await {
                Ok(found) => found,
                Err(error) => panic!("{name} at {at}: {error}"),
            };
            assert_eq!(found, content, "{name} at {at}: {notices:?}");
            assert!(!notices.is_empty() || name == "runs/a.ndjson", "{name} at {at}");
            drop(other);
        }
        let gone = after(&place, |directory| std::fs::remove_file(directory.join(name)).unwrap()).await;
        assert_eq!(gone.unwrap().0, content, "{name} is gone");
    }
    let gone = after(&place, |directory| std::fs::remove_dir_all(directory.join("runs")).unwrap()).await;
    assert_eq!(gone.unwrap().0, content);
}

#[tokio::test]
async fn old_damage_is_found_by_those_who_read_it_and_by_a_full_look() {
    let (place, content) = sample().await;
    let store = place.open();
    store.snapshot().await.unwrap();
    drop(store);
    for name in ["runs/a.ndjson", "runs/b.ndjson"] {
        let mut other = Place::new();
        copy(&place.directory(), &other.directory());
        zero(&other.path(name), 300, 8);
        let run = &name[5..6];
        assert_eq!(other.reader().run(run).unwrap_err().code(), "RT0709");
        let store = other.open();
        assert_eq!(all(&store).await, content, "read from the database instead");
        drop(store);
        other.options.depth = Depth::Everything;
        let store = other.open();
        assert_eq!(store.notices().len(), 1, "{:?}", store.notices());
        drop(store);
        assert_eq!(all_read(&other.reader()), content);
    }
}

#[tokio::test]
async fn where_both_halves_are_damaged_nothing_is_guessed() {
    let tally = Tally::of(SUITE, "both halves damaged");
    let (place, content) = sample().await;
    type Damage = fn(&Path);
    let database: [Damage; 2] = [
        |directory| std::fs::remove_file(directory.join("db/db")).unwrap(),
        |directory| zero(&directory.join("db/db"), 0, 1_000_000),
    ];
    let mirror: [Damage; 4] = [
        |directory| zero(&directory.join("runs/a.ndjson"), 300, 8),
        |directory| zero(&directory.join("runs/b.ndjson"), 300, 8),
        |directory| std::fs::remove_file(directory.join("runs/b.ndjson")).unwrap(),
        |directory| {
            zero(&directory.join("snapshot.json"), 300, 8);
            zero(&directory.join("runs/a.ndjson"), 100, 8);
        },
    ];
    for database in database {
        for (number, mirror) in mirror.iter().enumerate() {
            tally.one();
            let mut other = Place::new();
            copy(&place.directory(), &other.directory());
            database(&other.directory());
            mirror(&other.directory());
            for _ in 0..2 {
                let Err(error) = other.try_open() else { panic!("{number} was opened") };
                assert_eq!(error.code(), "RT0708", "{number}: {error}");
                assert!(error.hint().contains("recover") && error.hint().contains("restore"));
            }
            other.options.depth = Depth::Salvage;
            let store = other.try_open();
            if number == 3 {
                assert_eq!(store.as_ref().unwrap_err().code(), "RT0708");
                continue;
            }
            let store = store.unwrap();
            assert!(store.notices().len() >= 2, "{:?}", store.notices());
            let saved = all(&store).await;
            assert_eq!(saved["lineage"], content["lineage"]);
            assert_eq!(saved["state"]["x"], 1, "what the snapshot had");
            store.append("b2", vec![put("after", 1)]).await.unwrap();
            drop(store);
            other.options.depth = Depth::Usual;
            let store = other.open();
            assert_eq!(store.notices(), [""; 0]);
            assert_eq!(all_read(&other.reader()), all(&store).await);
        }
    }
}

#[tokio::test]
async fn without_snapshot_and_database_all_records_add_up_to_the_state() {
    let (place, content) = sample().await;
    let (found, notices, _) = after(&place, |directory| {
        std::fs::remove_file(directory.join("db/db")).unwrap();
        std::fs::remove_file(directory.join("snapshot.json")).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(found, content);
    assert!(!notices.is_empty());
}

#[tokio::test]
async fn a_lost_object_is_an_error_of_its_own_and_can_be_left_out() {
    let (mut place, _) = sample().await;
    for entry in std::fs::read_dir(place.path("objects")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let store = place.open();
    assert_eq!(store.state().await.unwrap_err().code(), "RT0710");
    assert_eq!(store.get("big").await.unwrap_err().code(), "RT0710");
    assert_eq!(store.get("x").await.unwrap(), Some(json!(1)));
    drop(store);
    assert_eq!(place.reader().state().unwrap_err().code(), "RT0710");
    place.options.depth = Depth::Salvage;
    let store = place.open();
    assert!(store.notices()[0].contains("big"), "{:?}", store.notices());
    assert_eq!(store.get("big").await.unwrap(), None);
    drop(store);
    place.options.depth = Depth::Usual;
    let store = place.open();
    assert_eq!(store.notices(), [""; 0]);
    assert_eq!(place.reader().state().unwrap(), store.state().await.unwrap());
}

#[tokio::test]
async fn two_histories_of_one_run_are_refused() {
    let (place, _) = sample().await;
    let other = Place::new();
    copy(&place.directory(), &other.directory());
    place.open().append("b", vec![put("x", "one")]).await.unwrap();
    other.open().append("b", vec![put("x", "other")]).await.unwrap();
    std::fs::copy(other.path("runs/b.ndjson"), place.path("runs/b.ndjson")).unwrap();
    assert_eq!(place.try_open().unwrap_err().code(), "RT0708");
    let mut place = place;
    place.options.depth = Depth::Salvage;
    let store = place.open();
    assert_eq!(store.get("x").await.unwrap(), Some(json!("one")));
    assert!(place.path("runs/b.ndjson.damaged").exists());
}
