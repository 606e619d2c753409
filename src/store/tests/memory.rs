//! The store of the simulations keeps the same promises.

use std::collections::BTreeSet;

use serde_json::json;

use crate::store::{Export, Failure, MemoryStore, Record, Store, Write};

fn put(key: &str, value: i64) -> Record {
    let write = Write::Put { key: key.to_owned(), value: json!(value) };
    Record { body: json!({ "set": key }), writes: vec![write] }
}

#[tokio::test]
async fn records_and_state_change_together() {
    let store = MemoryStore::new("lineage", &[0; 32]);
    assert_eq!(store.append("b", vec![put("x", 1), put("y", 2)]).await.unwrap(), [1, 2]);
    assert_eq!(store.append("a", vec![put("x", 3)]).await.unwrap(), [1]);
    let gone = Record { body: json!(null), writes: vec![Write::Delete { key: "y".to_owned() }] };
    assert_eq!(store.append("b", vec![gone]).await.unwrap(), [3]);
    assert_eq!(store.get("x").await.unwrap(), Some(json!(3)));
    assert_eq!(store.get("y").await.unwrap(), None);
    assert_eq!(store.runs().await.unwrap(), ["a", "b"]);
    let serials: Vec<u64> = store.run("b").await.unwrap().iter().map(|record| record.serial).collect();
    assert_eq!(serials, [1, 2, 4]);
    store.remove_run("b").await.unwrap();
    assert_eq!(store.runs().await.unwrap(), ["a"]);
    assert!(store.append("../b", vec![put("x", 1)]).await.is_err_and(|error| error.code() == "RT0717"));
}

#[tokio::test]
async fn a_failed_write_stops_the_store_and_the_next_process_sees_what_was_durable() {
    for (failure, durable) in [(Failure::Lost, 1), (Failure::KeptUnacknowledged, 2)] {
        let store = MemoryStore::new("lineage", &[0; 32]);
        store.fail_after(1, failure);
        store.append("run", vec![put("x", 1)]).await.unwrap();
        for _ in 0..2 {
            let error = store.append("run", vec![put("x", 2)]).await.unwrap_err();
            assert_eq!(error.code(), "RT0715");
        }
        let next = MemoryStore::reopen("lineage", &[0; 32], store.image());
        assert_eq!(next.get("x").await.unwrap(), Some(json!(durable)));
        assert_eq!(next.append("run", vec![put("x", 9)]).await.unwrap(), [u64::try_from(durable).unwrap() + 1]);
        assert_eq!(store.get("x").await.unwrap(), Some(json!(durable)), "an image is a copy");
    }
}

#[tokio::test]
async fn payloads_are_kept_as_long_as_they_are_named() {
    let store = MemoryStore::new("lineage", &[0; 32]);
    let kept = store.blobs().put(&mut &b"kept"[..]).unwrap();
    let lost = store.blobs().put(&mut &b"lost"[..]).unwrap();
    let keep = BTreeSet::from([kept.clone()]);
    assert_eq!(store.collect(&keep).await.unwrap(), 0, "what is fresh may not be named yet");
    let next = MemoryStore::reopen("lineage", &[0; 32], store.image());
    assert_eq!(next.collect(&keep).await.unwrap(), 1);
    let mut text = String::new();
    next.blobs().get(&kept).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "kept");
    assert!(next.blobs().get(&lost).is_err());
}

#[tokio::test]
async fn an_export_restores_the_whole_state() {
    let store = MemoryStore::new("lineage", &[0; 32]);
    store.append("run", vec![put("x", 1), put("y", 2)]).await.unwrap();
    let document = store.export().await.unwrap();
    assert_eq!(document, json!({ "format": "retrue.state/1", "lineage": "lineage", "state": { "x": 1, "y": 2 } }));
    store.append("run", vec![put("z", 3), put("x", 9)]).await.unwrap();
    let export = Export::from_document(&document).unwrap();
    let writes = export.writes(&store.state().await.unwrap());
    assert_eq!(writes.len(), 2, "{writes:?}");
    store.append("run", vec![Record { body: json!("restored"), writes }]).await.unwrap();
    assert_eq!(store.export().await.unwrap(), document);
    for wrong in [json!(1), json!({}), json!({ "format": "retrue.state/2" }), json!({ "format": "retrue.state/1" })] {
        assert_eq!(Export::from_document(&wrong).unwrap_err().code(), "RT0721");
    }
}
