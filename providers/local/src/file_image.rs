//! What is kept of a file so that it can be brought back byte for byte.

use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retrue_provider_api::{BlobId, Image, ProviderResult, Value};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::errors;
use crate::extended;
use crate::file_content;
use crate::here::Here;
use crate::holes::{self, Holes};
use crate::observe::Seen;
use crate::stamp::{self, Stamp};

/// What an image of a file keeps beside its attributes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Where the bytes are.
    content: KeptContent,
    /// What surrounds them.
    pub(crate) stamp: Stamp,
    /// Whether it has holes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sparse: bool,
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
        let stamp = Stamp::of(&seen.metadata, extended::read(seen.file.file()));
        Ok(Kept { content, stamp, sparse: holes::has(&seen.metadata) })
    }

    /// The image that holds it.
    pub(crate) fn into_image(self, state: Value) -> ProviderResult<Image> {
        let blobs = match &self.content {
            KeptContent::Blob(id) => vec![id.clone()],
            _ => Vec::new(),
        };
        stamp::image(state, self, blobs)
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
        let (sha256, size) = if self.sparse {
            let mut file = Holes::in_file(&mut draft.file);
            let copied = file_content::copy(here, operation, path, &mut source, &mut file)?;
            file.end().map_err(|error| errors::at_path(operation, path, error))?;
            copied
        } else {
            file_content::copy(here, operation, path, &mut source, &mut draft.file)?
        };
        if state.get("sha256").and_then(Value::as_str).is_some_and(|expected| expected != sha256) {
            let message = format!("the image of {} is damaged: its hash is not what was recorded", path.display());
            return Err(errors::invalid(operation, message));
        }
        Ok((sha256, size))
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
