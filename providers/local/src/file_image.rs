//! What is kept of a file so that it can be brought back byte for byte.

use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use retrue_provider_api::{BlobId, Image, Private, ProviderResult, Value};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::errors;
use crate::extended::{self, Extended};
use crate::file_content;
use crate::here::Here;
use crate::observe::Seen;

/// The private bytes of an image of a file: version 1.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    version: u32,
    /// Where the bytes are.
    content: KeptContent,
    /// The twelve mode bits.
    pub(crate) mode: u32,
    /// The user.
    pub(crate) user: u32,
    /// The group.
    pub(crate) group: u32,
    /// When it was last written: seconds since 1970 and nanoseconds.
    modified: (i64, u32),
    /// Extended attributes: name and bytes in base 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extended: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptContent {
    /// In this attribute of the state.
    Attribute(String),
    /// In a payload.
    Blob(BlobId),
    /// Nowhere: what was about to happen left them alone.
    Untouched,
}

impl Kept {
    /// Keeps a file. `state` are the attributes that were seen with it; the bytes are kept apart only
    /// where no attribute holds them.
    pub(crate) fn keep(
        here: &Here,
        path: &Path,
        seen: &mut Seen,
        state: &Value,
        content_stays: bool,
    ) -> ProviderResult<Kept> {
        let held =
            ["content", "sensitive_content"].into_iter().find(|name| state.get(name).is_some_and(|v| !v.is_null()));
        let content = match held {
            Some(attribute) => KeptContent::Attribute(attribute.to_owned()),
            None if content_stays => KeptContent::Untouched,
            None => KeptContent::Blob(keep_bytes(here, path, seen)?),
        };
        let extended = extended::read(seen.file.file());
        Ok(Kept {
            version: 1,
            content,
            mode: seen.metadata.mode() & 0o7777,
            user: seen.metadata.uid(),
            group: seen.metadata.gid(),
            modified: (seen.metadata.mtime(), u32::try_from(seen.metadata.mtime_nsec()).unwrap_or_default()),
            extended: extended.into_iter().map(|(name, value)| (name, STANDARD.encode(value))).collect(),
        })
    }

    /// The image that holds it.
    pub(crate) fn into_image(self, state: Value) -> ProviderResult<Image> {
        let blobs = match &self.content {
            KeptContent::Blob(id) => vec![id.clone()],
            _ => Vec::new(),
        };
        let bytes = serde_json::to_vec(&self)
            .map_err(|error| errors::invalid("image", "the image cannot be written").because(error))?;
        Ok(Image { state, private: Private(bytes), blobs })
    }

    /// What an image holds.
    pub(crate) fn of(operation: &str, image: &Image) -> ProviderResult<Kept> {
        let kept: Kept = serde_json::from_slice(&image.private.0)
            .map_err(|error| errors::invalid(operation, "the image of the file is damaged").because(error))?;
        if kept.version != 1 {
            let message = format!("the image of the file is of version {}, and this is version 1", kept.version);
            return Err(errors::invalid(operation, message));
        }
        Ok(kept)
    }

    /// Whether the bytes were kept, and so can be put back.
    pub(crate) fn has_content(&self) -> bool {
        self.content != KeptContent::Untouched
    }

    /// Writes the bytes into a draft and checks that they are the ones. Gives their hash and size.
    pub(crate) fn write(
        &self,
        here: &Here,
        operation: &str,
        path: &Path,
        state: &Value,
        draft: &mut Draft,
    ) -> ProviderResult<(String, u64)> {
        let lost = || errors::invalid(operation, format!("the image of {} does not hold its content", path.display()));
        let mut source: Box<dyn Read> = match &self.content {
            KeptContent::Attribute(name) => {
                let text = state.get(name).and_then(Value::as_str).ok_or_else(lost)?;
                Box::new(io::Cursor::new(text.as_bytes().to_vec()))
            }
            KeptContent::Blob(id) => here.blobs.get(id).map_err(|error| lost().because(error))?,
            KeptContent::Untouched => return Err(lost()),
        };
        let (sha256, size) = file_content::copy(here, operation, path, &mut source, &mut draft.file)?;
        if state.get("sha256").and_then(Value::as_str).is_some_and(|expected| expected != sha256) {
            let message = format!("the image of {} is damaged: its hash is not what was recorded", path.display());
            return Err(errors::invalid(operation, message));
        }
        Ok((sha256, size))
    }

    /// The extended attributes.
    pub(crate) fn extended(&self) -> Extended {
        self.extended.iter().filter_map(|(name, value)| Some((name.clone(), STANDARD.decode(value).ok()?))).collect()
    }

    /// When it was last written.
    pub(crate) fn modified(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        base.and_then(|base| base.checked_add(Duration::from_nanos(nanoseconds.into()))).unwrap_or(UNIX_EPOCH)
    }
}

fn keep_bytes(here: &Here, path: &Path, seen: &mut Seen) -> ProviderResult<BlobId> {
    let at = |error: io::Error| errors::at_path("image", path, error);
    seen.file.rewind().map_err(at)?;
    let id = here.blobs.put(&mut here.patience.reader(&seen.file)).map_err(|error| {
        let message = format!("the content of {} cannot be kept, so the step would not be reversible", path.display());
        here.patience.check("image").err().unwrap_or_else(|| errors::invalid("image", message).because(error))
    })?;
    // What was kept is what was seen, unless someone is writing to it right now.
    let now = seen.file.metadata().map_err(at)?;
    let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| {
        (a.mtime(), a.mtime_nsec(), a.len()) == (b.mtime(), b.mtime_nsec(), b.len())
    };
    if !same(&now, &seen.metadata) {
        return Err(errors::moved_on("image", path, "was changed while it was read"));
    }
    Ok(id)
}
