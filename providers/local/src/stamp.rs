//! What surrounds the bytes of a file or a directory, as images keep it; and how images are written.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use retrue_provider_api::{BlobId, Image, Private, ProviderResult, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::errors;
use crate::extended::Extended;
use crate::owner::Access;

/// Mode, owner, time and extended attributes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stamp {
    mode: u32,
    user: u32,
    group: u32,
    /// When it was last written: seconds since 1970 and nanoseconds.
    modified: (i64, u32),
    /// Extended attributes: name and bytes in base 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extended: Vec<(String, String)>,
}

impl Stamp {
    /// The stamp of something that was looked at.
    pub(crate) fn of(metadata: &Metadata, extended: Extended) -> Self {
        Stamp {
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
            modified: (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or_default()),
            extended: extended.into_iter().map(|(name, value)| (name, STANDARD.encode(value))).collect(),
        }
    }

    /// Mode and owner, all of them.
    pub(crate) fn access(&self) -> Access {
        Access { mode: Some(self.mode), user: Some(self.user), group: Some(self.group) }
    }

    /// The extended attributes.
    pub(crate) fn extended(&self) -> Extended {
        self.extended.iter().filter_map(|(name, value)| Some((name.clone(), STANDARD.decode(value).ok()?))).collect()
    }

    /// When it was last written: seconds since 1970 and nanoseconds.
    pub(crate) fn time(&self) -> (i64, u32) {
        self.modified
    }

    /// When it was last written.
    pub(crate) fn modified(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        base.and_then(|base| base.checked_add(Duration::from_nanos(nanoseconds.into()))).unwrap_or(UNIX_EPOCH)
    }
}

/// The private bytes of an image: version 1.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    kept: T,
}

/// An image that keeps `kept` beside the state.
pub(crate) fn image<T: Serialize>(state: Value, kept: T, blobs: Vec<BlobId>) -> ProviderResult<Image> {
    let bytes = serde_json::to_vec(&Versioned { version: 1, kept })
        .map_err(|error| errors::invalid("image", "the image cannot be written").because(error))?;
    Ok(Image { state, private: Private(bytes), blobs })
}

/// What an image keeps.
pub(crate) fn kept<T: DeserializeOwned>(operation: &str, image: &Image) -> ProviderResult<T> {
    let versioned: Versioned<T> = serde_json::from_slice(&image.private.0)
        .map_err(|error| errors::invalid(operation, "the image is damaged").because(error))?;
    if versioned.version != 1 {
        let message = format!("the image is of version {}, and only version 1 is known", versioned.version);
        return Err(errors::invalid(operation, message));
    }
    Ok(versioned.kept)
}
