//! Runs that are closed: by a person, or by age.

use std::sync::Arc;

use super::*;
use crate::clock::CountingClock;
use crate::store::{MemoryStore, Store};

/// A store that lives for years holds what is kept, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_closed_and_older_than_is_kept_are_forgotten() {
    let stage = Stage::new("");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new("lineage", &[7; 32]));
    // Each look at this clock takes a second.
    let session = Session::over(Arc::clone(&store), CountingClock::shared(), stage.options());
    let mut most = (0, 0);
    for version in 0..40 {
        stage.write(
            "retrue.toml",
            &format!(
                "[stack]\nschema = 1\nname = \"t\"\nkeep = \"60s\"\n\n[resource.local_file.f]\npath = \"f\"\ncontent = \"{version}\"\n"
            ),
        );
        let workspace = workspace(&stage.options()).unwrap();
        let cancellation = Cancellation::default();
        let planned = session
            .plan(&workspace, &PlanOptions::default(), Vec::new(), &cancellation)
            .await
            .unwrap_or_else(|failure| {
                panic!("{:#?}", failure.diagnostics);
            });
        session.apply(&planned, None, OnFailure::Halt, &Silent, &cancellation).await.unwrap_or_else(|failure| {
            panic!("{:#?}", failure.diagnostics);
        });
        let runs = session.state().await.unwrap().runs;
        most = (most.0.max(runs.len()), most.1.max(store.runs().await.unwrap().len()));
        // Those of the last minute are there, and can be unwound.
        assert!(runs.values().filter(|record| !record.accepted).count() >= 2.min(version + 1), "{runs:#?}");
    }
    assert!(most.0 < 20 && most.1 < 20, "{most:?}");
    let done = session.compensate(&CompensateOptions::default(), &Silent, &Cancellation::default()).await.unwrap();
    assert!(matches!(done, Compensated::Unwound(_)));
    assert_eq!(fs_err::read_to_string(stage.path().join("f")).unwrap(), "38");
}
