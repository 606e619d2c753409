//! Who may open a store, and what they are told when they may not.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{Place, all, options, put};
use crate::store::lock::{self, Lock, Owner};
use crate::store::{KeySource, Options, Reader, Store, StoreError, open, set_aside};

#[tokio::test]
async fn one_at_a_time_and_the_other_is_told_who() {
    let mut place = Place::new();
    let key = place.options.key.clone();
    assert!(Reader::open(&place.directory(), &key).unwrap().is_none());
    let store = place.open();
    let StoreError::Locked(owner) = place.try_open().unwrap_err() else { panic!() };
    assert_eq!(owner.pid, std::process::id());
    assert_eq!((owner.what.as_str(), owner.since.as_str()), ("test", "2025-01-02T03:04:05Z"));
    assert_eq!(place.reader().owner().unwrap().as_ref(), Some(&*owner));
    let error = StoreError::Locked(owner);
    assert_eq!(error.code(), "RT0701");
    assert!(error.to_string().contains("`test` by "), "{error}");
    // Reading goes on, and writing, too.
    store.append("run", vec![put("x", 1)]).await.unwrap();
    assert_eq!(place.reader().state().unwrap()["x"], json!(1));
    store.close().await.unwrap();
    assert_eq!(place.reader().owner().unwrap(), None, "a process that lives on but has closed it is no owner");
    place.options.what = "next".to_owned();
    let next = place.open();
    assert_eq!(place.reader().owner().unwrap().unwrap().what, "next");
    drop(store);
    assert_eq!(place.reader().owner().unwrap().unwrap().what, "next", "dropping a closed one takes nothing away");
    drop(next);
}

#[test]
fn a_dead_owner_blocks_nobody() {
    let place = Place::new();
    drop(place.open());
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let this = Owner::this_process("apply", jiff::Timestamp::UNIX_EPOCH);
    assert!(this.started > 0 && !this.user.is_empty() && !this.host.is_empty());
    for dead in [
        Owner { pid, ..this.clone() },
        // The number is used again, by this process.
        Owner { started: this.started - 1, ..this.clone() },
        // On another machine: nobody holds the lock here.
        Owner { host: "elsewhere".to_owned(), ..this },
    ] {
        std::fs::write(place.path("lock"), serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(place.reader().owner().unwrap(), None, "{dead:?}");
        drop(place.open());
    }
    for text in ["", "{", "not JSON \0"] {
        std::fs::write(place.path("lock"), text).unwrap();
        assert_eq!(place.reader().owner().unwrap(), None);
        drop(place.open());
    }
}

#[test]
fn a_lock_that_is_held_elsewhere_is_seen() {
    let place = Place::new();
    drop(place.open());
    let path = place.path("lock");
    let owner = Owner { host: "elsewhere".to_owned(), ..Owner::this_process("apply", jiff::Timestamp::UNIX_EPOCH) };
    let lock = Lock::take(&path, &owner).unwrap().unwrap();
    assert_eq!(place.reader().owner().unwrap(), Some(owner.clone()));
    let StoreError::Locked(told) = place.try_open().unwrap_err() else { panic!() };
    assert_eq!(*told, owner);
    drop(lock);
    assert_eq!(lock::owner(&path).unwrap(), None);
    assert!(Lock::take(&place.path("gone/lock"), &owner).unwrap().is_none());
}

#[test]
fn of_many_that_open_at_once_one_gets_it() {
    for round in 0..20 {
        let place = Place::new();
        if round % 2 == 0 {
            drop(place.open());
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&place.directory(), &options()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let held = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(held, 1, "{results:?}");
        let lost = results.iter().filter_map(|result| result.as_ref().err());
        lost.for_each(|error| assert_eq!(error.code(), "RT0701", "{error}"));
        drop(results);
        let env: Vec<_> = place.directory().parent().unwrap().read_dir().unwrap().collect();
        assert_eq!(env.len(), 1, "{env:?}");
    }
}

#[tokio::test]
async fn a_store_that_was_not_made_to_the_end_counts_as_none() {
    let place = Place::new();
    let parent = place.directory().parent().unwrap().to_owned();
    let abandoned = parent.join(".retrue-0123");
    std::fs::create_dir_all(abandoned.join("db")).unwrap();
    std::fs::write(abandoned.join("lock"), "").unwrap();
    std::fs::write(abandoned.join("format.json"), "half").unwrap();
    let empty = parent.join(".retrue-4567");
    std::fs::create_dir(&empty).unwrap();
    let alive = parent.join(".retrue-89ab");
    std::fs::create_dir(&alive).unwrap();
    let owner = Owner::this_process("apply", jiff::Timestamp::UNIX_EPOCH);
    let lock = Lock::take(&alive.join("lock"), &owner).unwrap().unwrap();
    std::fs::create_dir(place.directory()).unwrap();
    assert!(Reader::open(&place.directory(), &place.options.key).unwrap().is_none());
    let store = place.open();
    store.append("run", vec![put("x", 1)]).await.unwrap();
    assert!(!abandoned.exists() && !empty.exists() && alive.exists());
    drop((store, lock));
    // Temporary files inside are removed, too.
    for name in [".retrue-a", "runs/.retrue-b", "objects/.retrue-c"] {
        std::fs::write(place.path(name), "x").unwrap();
    }
    std::fs::create_dir(place.path(".retrue-d")).unwrap();
    let store = place.open();
    assert_eq!(store.notices(), [""; 0]);
    for entry in walkdir::WalkDir::new(place.directory()) {
        assert!(!entry.unwrap().file_name().to_string_lossy().starts_with(".retrue-"));
    }
    assert_eq!(store.get("x").await.unwrap(), Some(json!(1)));
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.directory()).unwrap();
    std::fs::write(place.path("precious"), "mine").unwrap();
    let error = place.try_open().unwrap_err();
    assert_eq!(error.code(), "RT0717");
    assert_eq!(place.directory().read_dir().unwrap().count(), 1);
    let beside = place.directory().parent().unwrap().read_dir().unwrap().count();
    assert_eq!(beside, 1, "nothing half-done");
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::new();
    drop(place.open());
    let newer = r#"{"format":"retrue.store","version":2,"something":"new"}"#;
    std::fs::write(place.path("format.json"), newer).unwrap();
    for error in [place.try_open().unwrap_err(), Reader::open(&place.directory(), &place.options.key).unwrap_err()] {
        assert_eq!(error.code(), "RT0703");
        assert!(error.to_string().contains("format 2"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(place.path("format.json")).unwrap(), newer);
}

#[tokio::test]
async fn the_wrong_key_and_no_key_are_told_apart() {
    let mut place = Place::new();
    let store = place.open();
    let sealed = store.sealer().seal(b"secret");
    store.append("run", vec![put("secret", sealed.clone())]).await.unwrap();
    drop(store);
    let right = place.options.key.clone();
    let missing = place.root.path().join("config/key");
    for (key, code) in [
        (KeySource::Text("08".repeat(32)), "RT0712"),
        (KeySource::File(missing.clone()), "RT0711"),
        (KeySource::Text("short".to_owned()), "RT0713"),
        (KeySource::Command("exit 1".to_owned()), "RT0713"),
    ] {
        place.options.key = key.clone();
        assert_eq!(place.try_open().unwrap_err().code(), code);
        assert_eq!(Reader::open(&place.directory(), &key).unwrap_err().code(), code);
    }
    assert!(!missing.exists(), "no key is made for a store that exists");
    place.options.key = right;
    let store = place.open();
    assert_eq!(store.sealer().open(&sealed).unwrap(), b"secret");
    assert_eq!(place.reader().sealer().open(&sealed).unwrap(), b"secret");
}

#[test]
fn a_key_file_is_made_with_the_first_store_and_used_by_the_next() {
    let (mut one, mut two) = (Place::new(), Place::new());
    let path = one.root.path().join("config/retrue/key");
    one.options.key = KeySource::File(path.clone());
    two.options.key = KeySource::File(path.clone());
    let id = one.open().sealer().key_id().to_owned();
    assert_eq!(two.open().sealer().key_id(), id);
    assert_eq!(one.open().sealer().key_id(), id);
    assert!(path.is_file());
}

#[test]
fn a_file_in_the_way_is_an_error_at_its_place() {
    let place = Place::new();
    std::fs::write(place.root.path().join(".retrue"), "a file").unwrap();
    let error = place.try_open().unwrap_err();
    assert_eq!(error.code(), "RT0707");
    assert!(error.to_string().contains(".retrue"), "{error}");
}

#[test]
fn network_file_systems_are_known_by_their_numbers() {
    assert_eq!(lock::network_kind(0x6969), Some("NFS"));
    assert_eq!(lock::network_kind(0xff53_4d42), Some("CIFS"));
    assert_eq!(lock::network_kind(i128::from(0xff53_4d42_u32.cast_signed())), Some("CIFS"));
    assert_eq!(lock::network_kind(0xef53), None, "ext4");
    assert!(lock::refuse_network(Path::new("relative/and/not/there")).is_ok());
    let error = StoreError::NetworkFileSystem { path: "/mnt".into(), kind: "NFS" };
    assert!(error.to_string().contains("NFS") && error.hint().contains("RETRUE_STORE"));
}

#[tokio::test]
async fn what_cannot_be_saved_is_put_aside_and_its_lineage_goes_on() {
    let mut place = Place::new();
    assert_eq!(set_aside(&place.directory(), &place.options).unwrap(), None);
    let store = place.open();
    store.append("run", vec![put("x", 1)]).await.unwrap();
    let document = store.export().await.unwrap();
    assert_eq!(set_aside(&place.directory(), &place.options).unwrap_err().code(), "RT0701");
    drop(store);
    for number in 1..=2 {
        let aside = set_aside(&place.directory(), &place.options).unwrap().unwrap();
        assert!(aside.to_string_lossy().ends_with(&format!("default.damaged-{number}")));
        place.options.lineage = document["lineage"].as_str().map(str::to_owned);
        let store = place.open();
        assert_eq!(store.lineage(), document["lineage"]);
        assert!(store.state().await.unwrap().is_empty());
    }
}

#[test]
fn a_reader_never_sees_half_of_a_change() {
    let place = Place::new();
    let store = place.open();
    let reader = place.reader();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let (mut seen, mut last) = (0u64, json!(0));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let state = reader.state().unwrap();
                assert_eq!(state.get("a"), state.get("b"));
                if let Some(now) = state.get("a") {
                    assert!(now.as_i64() >= last.as_i64(), "{now} after {last}");
                    last = now.clone();
                }
                for run in reader.runs().unwrap() {
                    reader.run(&run).unwrap();
                }
                seen += 1;
            }
            seen
        });
        let written = tokio::runtime::Runtime::new().unwrap().block_on(async {
            for n in 1..=300 {
                let mut record = put("a", n);
                record.writes.extend(put("b", n).writes);
                store.append(&format!("run{}", n / 20), vec![record]).await.unwrap();
                match n % 30 {
                    10 => store.snapshot().await.unwrap(),
                    20 => store.remove_run(&format!("run{}", n / 40)).await.unwrap(),
                    _ => {}
                }
            }
            all(&store).await
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(super::all_read(&reader), written);
        looking.join().unwrap()
    });
    assert!(seen > 0);
}

/// Mounts something, where that is allowed; else the test says that it was left out.
struct Mount(std::path::PathBuf);

impl Mount {
    fn try_new(arguments: &[&str], at: &Path) -> Option<Mount> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(at).output().is_ok_and(|done| done.status.success());
        if !mounted {
            eprintln!("LEFT OUT: this user may not mount {arguments:?}");
        }
        mounted.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

fn at(directory: &Path) -> Options {
    std::fs::create_dir_all(directory).unwrap();
    options()
}

#[tokio::test]
async fn a_read_only_file_system_can_be_read_and_refuses_writing() {
    let root = tempfile::tempdir().unwrap();
    let disk = root.path().join("disk");
    let Some(mount) = Mount::try_new(&["-t", "tmpfs", "tmpfs"], &disk) else { return };
    let directory = disk.join("store");
    let store = open(&directory, &at(&disk)).unwrap();
    store.append("run", vec![put("x", 1)]).await.unwrap();
    drop(store);
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap();
    assert!(remounted.success());
    let reader = Reader::open(&directory, &options().key).unwrap().unwrap();
    assert_eq!(reader.state().unwrap()["x"], json!(1));
    assert_eq!(reader.run("run").unwrap().len(), 1);
    assert_eq!(reader.owner().unwrap(), None);
    for place in [directory, disk.join("another/env/store")] {
        let error = open(&place, &options()).unwrap_err();
        assert_eq!(error.code(), "RT0705", "{error}");
    }
    drop(mount);
}

#[tokio::test]
async fn a_full_disk_stops_the_store_and_loses_nothing_that_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let disk = root.path().join("disk");
    let Some(mount) = Mount::try_new(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &disk) else { return };
    let directory = disk.join("store");
    let store = open(&directory, &at(&disk)).unwrap();
    let filler = disk.join("filler");
    let mut acknowledged = 0;
    let error = loop {
        match store.append("run", vec![put("x", acknowledged + 1), put("text", super::text(1, 3000))]).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        if acknowledged == 5 {
            std::fs::write(&filler, vec![0; 3_000_000]).unwrap_or(());
        }
    };
    assert!(matches!(error.code(), "RT0706" | "RT0720"), "{error}");
    assert_eq!(store.append("run", vec![put("x", 0)]).await.unwrap_err().code(), "RT0715");
    drop(store);
    // No room to open it, either; then there is.
    if let Err(error) = open(&directory, &options()) {
        assert!(matches!(error.code(), "RT0706" | "RT0708" | "RT0720"), "{error}");
    }
    std::fs::remove_file(&filler).unwrap();
    let store = open(&directory, &options()).unwrap();
    let found = store.get("x").await.unwrap().unwrap().as_i64().unwrap();
    assert!(found == acknowledged || found == acknowledged + 1, "{found}, acknowledged {acknowledged}");
    drop(store);
    drop(mount);
    let Some(mount) = Mount::try_new(&["-t", "tmpfs", "-o", "size=16k", "tmpfs"], &disk) else { return };
    let error = open(&directory, &options()).unwrap_err();
    assert!(matches!(error.code(), "RT0706" | "RT0720"), "{error}");
    assert!(!directory.exists(), "nothing half-done");
    let left: Vec<_> =
        walkdir::WalkDir::new(&disk).min_depth(1).into_iter().map(|entry| entry.unwrap().into_path()).collect();
    assert!(left.is_empty(), "{left:?} after {error}");
    drop(mount);
}
