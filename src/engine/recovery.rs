//! Mending a damaged store.

use std::io;

use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::engine::workspace::{key_source, store_directory, store_failure};
use crate::engine::{Failure, Options};
use crate::saga::codes;
use crate::store::{self, Depth, Store as _};

/// Reads every record of the store, mends what can be mended from the other copy, puts aside what
/// cannot be read, and returns what that was. A store that is whole is left as it is.
pub async fn recover(options: &Options) -> Result<Vec<String>, Failure> {
    // The stack says where the store is; one that is broken leaves the usual place.
    let stack: Option<Stack> = super::load(options).ok();
    let directory = store_directory(options, stack.as_ref())?;
    match fs_err::metadata(&directory) {
        Ok(found) if found.is_dir() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(store_failure(store::StoreError::io(&directory, "look for the state", error)));
        }
        _ => return Err(store_failure(store::StoreError::NoStore(directory))),
    }
    let mut opening = store::Options::new(key_source(options)?, "state recover", jiff::Timestamp::now());
    opening.depth = Depth::Salvage;
    let store = tokio::task::spawn_blocking(move || store::open(&directory, &opening))
        .await
        .map_err(|error| Failure::one(Diagnostic::error(codes::RECORD, error.to_string())))?
        .map_err(store_failure)?;
    let notices = store.notices();
    store.snapshot().await.map_err(store_failure)?;
    store.close().await.map_err(store_failure)?;
    Ok(notices)
}
