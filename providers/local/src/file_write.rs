//! Writing a file: all of it beside its place, then into its place; or its mode and owner where it is.

use std::fs::{Metadata, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use retrue_provider_api::{Category, ProviderError, ProviderResult, Value};

use crate::draft::Draft;
use crate::errors;
use crate::extended;
use crate::file_content;
use crate::file_image::Kept;
use crate::here::Here;
use crate::observe::Seen;
use crate::owner::{self, Access};

/// The bytes to write.
pub(crate) enum Bytes<'b> {
    /// Text, and its hash.
    Text { text: &'b str, sha256: String },
    /// A file, and the hash that it had a moment ago.
    Source { path: PathBuf, sha256: String },
    /// Those of an image, and the attributes of the image.
    Kept(&'b Kept, &'b Value),
}

impl Bytes<'_> {
    /// Their hash, where it is known beforehand.
    pub(crate) fn sha256(&self) -> Option<&str> {
        match self {
            Bytes::Text { sha256, .. } | Bytes::Source { sha256, .. } => Some(sha256),
            Bytes::Kept(..) => None,
        }
    }
}

/// What was written, as the system has it.
pub(crate) struct Written {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    /// Mode, user and group.
    pub(crate) access: (u32, u32, u32),
    /// What did not work out, though the rest did.
    pub(crate) error: Option<ProviderError>,
}

/// A file to be written.
pub(crate) struct Writing<'w> {
    pub(crate) here: &'w Here,
    pub(crate) operation: &'static str,
    pub(crate) path: &'w Path,
    /// The file that is there and is replaced. What is not asked for is as it has it.
    pub(crate) over: Option<&'w Seen>,
}

impl Writing<'_> {
    /// Writes all of it. An error means that nothing was changed.
    pub(crate) fn write(&self, bytes: Bytes<'_>, access: Access) -> ProviderResult<Written> {
        let at = |error: std::io::Error| errors::at_path(self.operation, self.path, error);
        // Where nobody says what the mode is, the system makes it; else nobody may look before it is set.
        let made_with = if access.mode.is_none() && self.over.is_none() { 0o644 } else { 0o600 };
        let mut draft = Draft::open(self.operation, self.path, made_with)?;
        let (sha256, size) = self.fill(&bytes, &mut draft)?;

        let now = draft.file.metadata().map_err(at)?;
        let before = self.over.map(|seen| &seen.metadata);
        let user = access.user.or(before.map(MetadataExt::uid)).filter(|user| *user != now.uid());
        let group = access.group.or(before.map(MetadataExt::gid)).filter(|group| *group != now.gid());
        // The owner first: a change of it clears setuid bits and capabilities.
        self.own(draft.file.file(), user, group)?;
        match (&bytes, self.over) {
            (Bytes::Kept(kept, _), _) => extended::write(draft.file.file(), &kept.stamp.extended()),
            (_, Some(seen)) => extended::write(draft.file.file(), &extended::read(seen.file.file())),
            _ => {}
        }
        if let Some(mode) = access.mode.or(before.map(|before| before.mode() & 0o7777)) {
            draft.file.set_permissions(Permissions::from_mode(mode)).map_err(at)?;
        }
        if let Bytes::Kept(kept, _) = bytes {
            draft.file.file().set_modified(kept.stamp.modified()).map_err(at)?;
        }
        let access = owner::of_metadata(&draft.file.metadata().map_err(at)?);
        self.here.patience.check(self.operation)?;
        let error = draft.put(self.operation, self.over.is_some())?;
        Ok(Written { sha256, size, access, error })
    }

    /// Changes only mode and owner of the file that is there, and its time where one is given.
    pub(crate) fn adjust(&self, access: Access, modified: Option<SystemTime>) -> ProviderResult<Written> {
        let Some(seen) = self.over else { return Err(errors::gone(self.operation, self.path)) };
        let change = adjust(self.operation, self.path, seen.file.file(), &seen.metadata, access)?;
        if let Some(modified) = modified {
            // Only the owner may; a time is not an attribute, so its loss is no error.
            let _ = seen.file.file().set_modified(modified);
        }
        let (access, error) = change;
        Ok(Written { sha256: seen.sha256.clone(), size: seen.size, access, error })
    }

    fn fill(&self, bytes: &Bytes<'_>, draft: &mut Draft) -> ProviderResult<(String, u64)> {
        match bytes {
            Bytes::Text { text, sha256 } => {
                let at = |error| errors::at_path(self.operation, self.path, error);
                draft.file.write_all(text.as_bytes()).map_err(at)?;
                Ok((sha256.clone(), text.len() as u64))
            }
            Bytes::Source { path, sha256 } => {
                let copied = file_content::copy_source(self.here, self.operation, path, draft)?;
                if copied.0 != *sha256 {
                    return Err(errors::moved_on(self.operation, path, "was changed while it was copied"));
                }
                Ok(copied)
            }
            Bytes::Kept(kept, state) => kept.write(self.here, self.operation, self.path, state, draft),
        }
    }

    fn own(&self, file: &std::fs::File, user: Option<u32>, group: Option<u32>) -> ProviderResult<()> {
        if user.is_none() && group.is_none() {
            return Ok(());
        }
        std::os::unix::fs::fchown(file, user, group)
            .map_err(|error| owner_error(self.operation, self.path, user, group, error))
    }
}

/// Changes the owner and the mode of what is open. An error means that nothing was changed; the error
/// in the answer, that the owner was and the mode was not.
pub(crate) fn adjust(
    operation: &str,
    path: &Path,
    file: &std::fs::File,
    before: &Metadata,
    access: Access,
) -> ProviderResult<((u32, u32, u32), Option<ProviderError>)> {
    let user = access.user.filter(|user| *user != before.uid());
    let group = access.group.filter(|group| *group != before.gid());
    let owned = user.is_some() || group.is_some();
    if owned {
        std::os::unix::fs::fchown(file, user, group)
            .map_err(|error| owner_error(operation, path, user, group, error))?;
    }
    // CRASH: here the owner is new and the mode is old; neither image nor plan, so partly applied.
    let now = if owned { file.metadata().unwrap_or_else(|_| before.clone()) } else { before.clone() };
    let mode = access.mode.unwrap_or(before.mode() & 0o7777);
    if mode != now.mode() & 0o7777
        && let Err(error) = file.set_permissions(Permissions::from_mode(mode))
    {
        let error = errors::at_path(operation, path, error);
        return if owned { Ok((owner::of_metadata(&now), Some(error))) } else { Err(error) };
    }
    let synced = file.sync_all().map_err(|error| errors::at_path(operation, path, error));
    let access = (mode, user.unwrap_or(before.uid()), group.unwrap_or(before.gid()));
    Ok((access, synced.err()))
}

/// Who may give things away is told in words: it is the usual surprise.
pub(crate) fn owner_error(
    operation: &str,
    path: &Path,
    user: Option<u32>,
    group: Option<u32>,
    error: std::io::Error,
) -> ProviderError {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return errors::at_path(operation, path, error);
    }
    let to = match (user, group) {
        (Some(user), Some(group)) => format!("user {user} and group {group}"),
        (Some(user), None) => format!("user {user}"),
        (None, Some(group)) => format!("group {group}"),
        (None, None) => "another owner".to_owned(),
    };
    let message = format!(
        "{} cannot be given to {to}: only root may give files away, and others only to groups that they are in",
        path.display()
    );
    ProviderError::new(Category::Authentication, operation, message).with("path", path.display()).because(error)
}
