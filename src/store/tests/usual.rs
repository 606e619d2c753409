//! A store on disk, when nothing goes wrong.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use serde_json::json;

use super::{Place, all, all_read, put, text};
use crate::store::{Export, Record, Store, Write};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let place = Place::new();
    let store = place.open();
    let lineage = store.lineage().to_owned();
    assert!(lineage.parse::<uuid::Uuid>().is_ok());
    assert_eq!(store.append("b", vec![put("x", 1), put("y", 2)]).await.unwrap(), [1, 2]);
    assert_eq!(
        store.append("a", vec![put("x", json!({ "deep": [null, 1.5, 12345678901234567890u64] }))]).await.unwrap(),
        [1]
    );
    let gone = Record {
        body: json!(null),
        writes: vec![Write::Delete { key: "y".to_owned() }, Write::Put { key: "n".to_owned(), value: json!(null) }],
    };
    assert_eq!(store.append("b", vec![gone.clone()]).await.unwrap(), [3]);
    let before = all(&store).await;
    assert_eq!(all_read(&place.reader()), before);
    drop(store);
    let store = place.open();
    assert_eq!(store.notices(), [""; 0]);
    assert_eq!(all(&store).await, before);
    assert_eq!(store.state().await.unwrap().len(), 2);
    assert_eq!(store.get("n").await.unwrap(), Some(json!(null)));
    assert_eq!(store.get("y").await.unwrap(), None);
    assert_eq!(store.runs().await.unwrap(), ["a", "b"]);
    let records = store.run("b").await.unwrap();
    assert_eq!(records[2].body, gone.body);
    assert_eq!(records[2].writes, gone.writes);
    assert_eq!(records.iter().map(|record| record.serial).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(store.append("b", vec![put("x", 9)]).await.unwrap(), [4]);
    assert_eq!(store.run("none").await.unwrap(), []);
    store.snapshot().await.unwrap();
    assert_eq!(all_read(&place.reader()), all(&store).await);
    assert_eq!(store.append("../b", vec![put("x", 1)]).await.unwrap_err().code(), "RT0717");
    assert_eq!(store.append("b", vec![put(&"k".repeat(5000), 1)]).await.unwrap_err().code(), "RT0717");
    assert_eq!(store.append("b", vec![put(&"k".repeat(4096), 1)]).await.unwrap(), [5]);
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.append("b", vec![put("x", 1)]).await.unwrap_err().code(), "RT0716");
    assert_eq!(place.open().get(&"k".repeat(4096)).await.unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn the_layout_is_as_documented_and_for_its_owner_alone() {
    let place = Place::new();
    let store = place.open();
    store.append("run", vec![put("big", text(1, 10_000))]).await.unwrap();
    store.snapshot().await.unwrap();
    for name in ["format.json", "lock", "snapshot.json", "runs/run.ndjson", "db", "runs", "objects", ""] {
        let path = place.path(name);
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{name}");
    }
    let ignore = place.root.path().join(".retrue/.gitignore");
    assert_eq!(std::fs::read_to_string(ignore).unwrap(), "*\n");
    let format: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("format.json")).unwrap()).unwrap();
    assert_eq!(format["version"], 1);
    assert_eq!(format["lineage"], store.lineage());
    assert_eq!(format["key"], store.sealer().key_id());
    let snapshot: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("snapshot.json")).unwrap()).unwrap();
    assert_eq!(snapshot["serial"], 1);
    assert_eq!(snapshot["runs"]["run"]["sequence"], 1);
    for entry in walkdir::WalkDir::new(place.root.path()) {
        assert!(!entry.unwrap().file_name().to_string_lossy().starts_with(".retrue-"));
    }
}

#[tokio::test]
async fn large_bodies_values_and_records_are_kept_in_objects() {
    let place = Place::new();
    let store = place.open();
    let secret = text(1, 20_000);
    let body = Record { body: json!({ "body": secret }), writes: vec![] };
    let many = Record {
        body: json!("many"),
        writes: (0..2000)
            .map(|n| Write::Put { key: format!("many/{n}"), value: json!(format!("value {n}")) })
            .collect(),
    };
    let both = Record {
        body: json!({ "b": text(2, 5000) }),
        writes: vec![Write::Put { key: "v".to_owned(), value: json!(text(3, 50_000)) }],
    };
    let records = vec![body, put("large", secret.clone()), many, both];
    store.append("run", records.clone()).await.unwrap();
    for _ in 0..2 {
        let kept = store.run("run").await.unwrap();
        let kept: Vec<Record> = kept.into_iter().map(|kept| Record { body: kept.body, writes: kept.writes }).collect();
        assert_eq!(kept, records);
        let read = place.reader().run("run").unwrap();
        assert_eq!(
            read.into_iter().map(|kept| kept.body).collect::<Vec<_>>(),
            records.iter().map(|r| r.body.clone()).collect::<Vec<_>>()
        );
        assert_eq!(place.reader().state().unwrap(), store.state().await.unwrap());
        store.snapshot().await.unwrap();
    }
    // Body and value of `secret` differ by their JSON: five objects in all.
    assert_eq!(place.path("objects").read_dir().unwrap().count(), 5);
    assert_eq!(
        place.path("db/blobs").read_dir().unwrap().count(),
        0,
        "the database must not make files that it never syncs"
    );
    for entry in walkdir::WalkDir::new(place.directory())
        .into_iter()
        .filter(|entry| entry.as_ref().unwrap().file_type().is_file())
    {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!content.windows(40).any(|part| part == &secret.as_bytes()[1000..1040]), "in the clear");
    }
    assert_eq!(store.collect(&BTreeSet::new()).await.unwrap(), 0);
    drop(store);
    let store = place.open();
    assert_eq!(store.collect(&BTreeSet::new()).await.unwrap(), 0, "all are named by records");
    store.append("other", vec![put("large", 1)]).await.unwrap();
    store.remove_run("run").await.unwrap();
    assert_eq!(store.collect(&BTreeSet::new()).await.unwrap(), 4, "one is named by the state");
    assert_eq!(store.get("v").await.unwrap(), Some(json!(text(3, 50_000))));
}

#[tokio::test]
async fn payloads_of_any_size_are_kept_and_read_as_streams() {
    let place = Place::new();
    let store = place.open();
    let blobs = store.blobs();
    for size in [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000] {
        let content = text(size, 2 * usize::try_from(size).unwrap()).into_bytes();
        let content = &content[..usize::try_from(size).unwrap()];
        let id = blobs.put(&mut &content[..]).unwrap();
        assert_eq!(blobs.put(&mut &content[..]).unwrap(), id, "the same content has the same name");
        for from in [store.blobs(), place.reader().blobs()] {
            let mut read = Vec::new();
            from.get(&id).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == content, "{size}");
        }
        let path = place.path("objects").join(&id.0);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let good = std::fs::read(&path).unwrap();
        let mut damaged: Vec<Vec<u8>> = [0, 20, good.len() / 2, good.len() - 1]
            .into_iter()
            .flat_map(|at| {
                let mut flipped = good.clone();
                flipped[at] ^= 1;
                [flipped, good[..at].to_vec()]
            })
            .collect();
        damaged.push([&good[..], b"x"].concat());
        for bad in damaged {
            std::fs::write(&path, bad).unwrap();
            let result = blobs.get(&id).and_then(|mut read| read.read_to_end(&mut Vec::new()));
            assert!(result.is_err(), "{size}");
        }
        assert_eq!(blobs.put(&mut &content[..]).unwrap(), id, "putting it again mends it");
        assert!(std::io::copy(&mut blobs.get(&id).unwrap(), &mut std::io::sink()).is_ok());
    }
    assert!(blobs.get(&retrue_provider_api::BlobId("../lock".to_owned())).is_err());
    assert!(place.reader().blobs().put(&mut &b"x"[..]).is_err());
}

#[tokio::test]
async fn what_waits_at_the_same_time_is_made_durable_together() {
    let place = Place::new();
    let store = Arc::new(place.open());
    store.append("run", vec![put("x", 0)]).await.unwrap();
    let (mirror, database) = (place.faults().passed("store.mirror.sync"), place.faults().passed("store.database.sync"));
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = Arc::clone(&store);
            async move { store.append("run", vec![put(&format!("k{n}"), n)]).await.unwrap()[0] }
        })
        .collect();
    let sequences = futures::future::join_all(tasks).await;
    assert_eq!(sequences, (2..202).collect::<Vec<u64>>(), "in the order of the calls");
    let mirror = place.faults().passed("store.mirror.sync") - mirror;
    assert_eq!(place.faults().passed("store.database.sync") - database, mirror, "two syncs a group");
    // The first may have gone alone; the rest waited for it.
    assert!(mirror <= 20, "{mirror} groups");
}

#[tokio::test]
async fn a_removed_run_takes_nothing_of_the_state_along() {
    let place = Place::new();
    let store = place.open();
    store.append("a", vec![put("x", 1)]).await.unwrap();
    store.append("b", vec![put("y", 2)]).await.unwrap();
    store.remove_run("a").await.unwrap();
    store.remove_run("a").await.unwrap();
    store.remove_run("never").await.unwrap();
    let before = all(&store).await;
    assert_eq!(store.runs().await.unwrap(), ["b"]);
    assert_eq!(all_read(&place.reader()), before);
    drop(store);
    for _ in 0..2 {
        let store = place.open();
        assert_eq!(store.notices(), [""; 0]);
        assert_eq!(all(&store).await, before);
        assert!(!place.path("runs/a.ndjson").exists());
    }
}

#[tokio::test]
async fn a_whole_state_is_restored_in_one_record() {
    let place = Place::new();
    let store = place.open();
    for n in 0..50 {
        store.append("run", (0..100).map(|m| put(&format!("k{}", n * 100 + m), n)).collect()).await.unwrap();
    }
    let document = store.export().await.unwrap();
    assert_eq!(document, place.reader().export(Default::default()).unwrap());
    drop(store);
    let other = Place::new();
    let store = other.open();
    store.append("run", vec![put("old", text(1, 9000))]).await.unwrap();
    let writes = Export::from_document(&document).unwrap().writes(&store.state().await.unwrap());
    assert_eq!(store.append("restore", vec![Record { body: json!("restore"), writes }]).await.unwrap(), [1]);
    drop(store);
    let store = other.open();
    assert_eq!(store.notices(), [""; 0]);
    assert_eq!(store.export().await.unwrap()["state"], document["state"]);
}

#[tokio::test]
async fn the_size_of_a_change_does_not_depend_on_the_size_of_the_state() {
    let place = Place::new();
    let store = place.open();
    let size = || {
        walkdir::WalkDir::new(place.path("runs"))
            .into_iter()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum::<u64>()
    };
    store.append("run", vec![put("k", 1)]).await.unwrap();
    let small = size();
    for n in 0..10 {
        store
            .append("run", (0..200).map(|m| put(&format!("k{}", n * 200 + m), text(m, 1000))).collect())
            .await
            .unwrap();
    }
    let (before, snapshots) = (size(), place.faults().passed("store.replace.write"));
    store.append("run", vec![put("k", 1)]).await.unwrap();
    assert!(size() - before < small + 100);
    assert_eq!(place.faults().passed("store.replace.write"), snapshots, "no file is replaced for a change");
}
