//! `local_directory`: a directory, and perhaps all that is in it.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use retrue_provider_api::{
    Applied, Attribute, BlobId, Block, Change, Effect, Image, ImageRequest, Observed, PlanRequest, PlanResponse,
    Private, ProviderDiagnostic, ProviderError, ProviderResult, ReadRequest, Reversibility, Type, TypeSchema, Value,
};
use serde::{Deserialize, Serialize};

use crate::config::check_path;
use crate::draft::{self, careful, kind_of, look, neighbour};
use crate::errors;
use crate::extended;
use crate::file_write::adjust;
use crate::here::Here;
use crate::owner;
use crate::path_type::{Effected, PathType, SPACE, path_replaces, unknown_where_unset, written, written_path};
use crate::stamp::{self, Stamp};
use crate::tree::{self, Keeps};

/// See the module.
pub(crate) struct Directory;

/// What an image of a directory keeps beside its attributes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    stamp: Stamp,
    /// All that is in it, where it was about to be deleted with the rest and was not too large.
    tree: Option<BlobId>,
}

/// Said by the plan of a delete, and held to: all that is in the directory is kept.
const KEPT: &[u8] = b"kept";

/// The same of all but what is named: what others talk through.
const KEPT_IN_PART: &[u8] = b"kept in part";

impl PathType for Directory {
    fn schema(&self) -> TypeSchema {
        let own = [
            ("path", Attribute::required(Type::String, "Where it is, relative to the stack.").identity()),
            (
                "recursive",
                Attribute::optional(
                    Type::Bool,
                    "Delete it with all that is in it. Without it (the default), only an empty one is deleted.",
                ),
            ),
        ];
        let attributes = own.into_iter().chain(owner::attributes("`0755`"));
        TypeSchema {
            version: 0,
            identity_space: Some(SPACE.to_owned()),
            block: Block {
                attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
                documentation: "A directory. The one that it is in must exist.".to_owned(),
                ..Block::default()
            },
        }
    }

    fn validate(&self, config: &Value) -> Vec<ProviderDiagnostic> {
        let mut found: Vec<ProviderDiagnostic> = check_path(config, "path").into_iter().collect();
        found.extend(owner::check(config));
        found
    }

    fn observe(&self, here: &Here, operation: &str, request: &ReadRequest) -> ProviderResult<Option<Observed>> {
        let values = &written(request);
        let path = here.places.resolve(written_path(operation, values)?);
        here.patience.check(operation)?;
        let Some(metadata) = look_for_directory(operation, &path)? else { return Ok(None) };
        let of = |values: &Value, name: &str, kind: Type| values.get(name).cloned().unwrap_or(Value::null(kind));
        // It is a wish about the future, not a fact: repeated as it is recorded, or asked for.
        let wish = if request.state.is_null() { values } else { &request.state };
        let mut attributes =
            vec![("path", of(values, "path", Type::String)), ("recursive", of(wish, "recursive", Type::Bool))];
        let (mode, user, group) = owner::of_metadata(&metadata);
        attributes.extend(owner::observed(values, mode, user, group));
        Ok(Some(Observed::of(Value::object(attributes))))
    }

    fn plan(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let requires_replace = path_replaces(here, &request.prior, &request.proposed);
        let planned = if request.prior.is_null() {
            unknown_where_unset(request.proposed, &["mode", "owner", "group"])
        } else {
            request.proposed
        };
        Ok(PlanResponse { requires_replace, ..PlanResponse::of(planned) })
    }

    fn plan_delete(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let mut response = PlanResponse::of(request.proposed);
        if !is_recursive(&request.prior) {
            return Ok(response);
        }
        let path = here.places.resolve(written_path("plan", &request.prior)?);
        match tree::keeps(here, "plan", &path)? {
            Keeps::All => response.planned_private = Private(KEPT.to_vec()),
            Keeps::Part(reason) => {
                response.planned_private = Private(KEPT_IN_PART.to_vec());
                response.reversibility = Reversibility::Lossy(reason);
            }
            Keeps::Nothing(reason) => response.reversibility = Reversibility::Lossy(reason),
        }
        Ok(response)
    }

    fn apply(&self, here: &Here, change: Change) -> ProviderResult<Effected> {
        match change.effect {
            Effect::Create => create(here, &change),
            Effect::Update => update(here, &change),
            Effect::Delete => delete(here, &change),
        }
    }

    fn image(&self, here: &Here, request: ImageRequest) -> ProviderResult<Image> {
        let state = request.object.state;
        let path = here.places.resolve(written_path("image", &state)?);
        let metadata = look_for_directory("image", &path)?.ok_or_else(|| errors::gone("image", &path))?;
        let going = request.effect == Some(Effect::Delete) && is_recursive(&state);
        let kept = going && !matches!(tree::keeps(here, "image", &path)?, Keeps::Nothing(_));
        let tree = if kept { tree::keep(here, "image", &path)? } else { None };
        let extended = open("image", &path).map(|directory| extended::read(directory.file())).unwrap_or_default();
        let blobs = tree.iter().cloned().collect();
        stamp::image(state, Kept { stamp: Stamp::of(&metadata, extended), tree }, blobs)
    }

    fn recover(&self, here: &Here, request: &ReadRequest) -> ProviderResult<()> {
        draft::clear_neighbour("recover", &here.places.resolve(written_path("recover", &request.state)?))
    }
}

fn create(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    let path = here.places.resolve(written_path("create", values)?);
    here.patience.check("create")?;
    if look_for_directory("create", &path)?.is_some() {
        return Err(errors::already_there("create", &path));
    }
    draft::clear_neighbour("create", &path)?;
    let temporary = neighbour(&path);
    // CRASH: until the rename only the neighbour is there, which `recover` removes; after it, the whole.
    let made = make(here, &path, &temporary, change).and_then(|access| {
        here.patience.check("create")?;
        draft::place("create", &temporary, &path, false)?;
        Ok(access)
    });
    match made {
        Ok(access) => {
            let state = change.restore.as_ref().map_or(&change.planned, |image| &image.state);
            Ok(Effected::with(state_of(state, access), draft::sync_parent("create", &path).err()))
        }
        Err(error) => {
            // Best effort: what stays is removed by the next change of the same path.
            let _ = draft::clear_neighbour("create", &path);
            Err(error)
        }
    }
}

/// Makes the directory under its temporary name, complete. Gives mode, user and group.
fn make(here: &Here, path: &Path, temporary: &Path, change: &Change) -> ProviderResult<(u32, u32, u32)> {
    let at = |error: std::io::Error| errors::at_path("create", path, error);
    let mut builder = DirBuilder::new();
    let Some(image) = &change.restore else {
        let access = owner::wanted("create", &change.config)?;
        builder.mode(if access.mode.is_some() { 0o700 } else { 0o755 });
        builder.create(temporary).map_err(at)?;
        return settle("create", path, temporary, access);
    };
    let kept: Kept = stamp::kept("create", image)?;
    builder.mode(0o700).create(temporary).map_err(at)?;
    if let Some(blob) = &kept.tree {
        tree::restore(here, "create", blob, path, temporary)?;
    }
    extended::write(open("create", temporary)?.file(), &kept.stamp.extended());
    let access = settle("create", path, temporary, kept.stamp.access())?;
    // A time is not an attribute: its loss is no error.
    let _ = open("create", temporary).map(|directory| directory.file().set_modified(kept.stamp.modified()));
    Ok(access)
}

/// Sets owner and mode of what nobody sees yet: here a half is an error like any other.
fn settle(operation: &str, path: &Path, temporary: &Path, access: owner::Access) -> ProviderResult<(u32, u32, u32)> {
    let directory = open(operation, temporary)?;
    let before = directory.metadata().map_err(|error| errors::at_path(operation, path, error))?;
    match adjust(operation, path, directory.file(), &before, access)? {
        (access, None) => Ok(access),
        (_, Some(error)) => Err(error),
    }
}

fn update(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    let path = here.places.resolve(written_path("update", values)?);
    here.patience.check("update")?;
    let before = look_for_directory("update", &path)?.ok_or_else(|| errors::gone("update", &path))?;
    let (access, wanted) = match &change.restore {
        Some(image) => (stamp::kept::<Kept>("update", image)?.stamp.access(), &image.state),
        None => (owner::wanted("update", &change.config)?, &change.planned),
    };
    let now = owner::of_metadata(&before);
    if access.mode.is_none_or(|mode| mode == now.0)
        && access.user.is_none_or(|user| user == now.1)
        && access.group.is_none_or(|group| group == now.2)
    {
        return Ok(Effected::with(state_of(wanted, now), None));
    }
    let directory = open("update", &path)?;
    let (access, error) = adjust("update", &path, directory.file(), &before, access)?;
    Ok(Effected::with(state_of(wanted, access), error))
}

fn delete(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let path = here.places.resolve(written_path("delete", &change.prior)?);
    here.patience.check("delete")?;
    draft::clear_neighbour("delete", &path)?;
    if look_for_directory("delete", &path)?.is_none() {
        return Ok(Effected::gone(None));
    }
    if is_recursive(&change.prior) {
        return delete_all(here, &path, &change.planned_private);
    }
    match fs_err::remove_dir(&path) {
        Ok(()) => Ok(Effected::gone(draft::sync_parent("delete", &path).err())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Effected::gone(None)),
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Err(not_empty(&path)),
        Err(error) => Err(errors::at_path("delete", &path, error)),
    }
}

/// Takes the directory away in one step, and only then removes what is in it.
fn delete_all(here: &Here, path: &Path, planned: &Private) -> ProviderResult<Effected> {
    // No more is lost than the plan said.
    let (all, part) = (planned.0 == KEPT, planned.0 == KEPT_IN_PART);
    if all || part {
        match tree::keeps(here, "delete", path)? {
            Keeps::Part(_) if part => {}
            Keeps::All => {}
            Keeps::Part(reason) | Keeps::Nothing(reason) => {
                return Err(errors::moved_on("delete", path, &format!("has grown since it was planned ({reason})")));
            }
        }
    }
    tree::refuse_mounts("delete", path)?;
    tree::refuse_lasting("delete", path)?;
    let temporary = neighbour(path);
    here.patience.check("delete")?;
    // CRASH: before the rename all is there; after it nothing is at the path, and `recover` removes
    // what is left of the neighbour.
    fs_err::rename(path, &temporary).map_err(|error| errors::at_path("delete", path, error))?;
    let durable = draft::sync_parent("delete", path).err();
    let mut effected = Effected::gone(durable);
    if let Err(error) = fs_err::remove_dir_all(&temporary) {
        let warning =
            format!("what was in {} could not be removed from {}: {error}", path.display(), temporary.display());
        effected.applied = Applied { warnings: vec![warning], ..Applied::gone() };
    }
    Ok(effected)
}

fn not_empty(path: &Path) -> ProviderError {
    let mut names: Vec<String> = fs_err::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    let shown = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().checked_sub(3).filter(|more| *more > 0).map(|more| format!(" and {more} more"));
    let message = format!(
        "the directory {} is not empty (it holds {shown}{}): remove them, or set `recursive = true` and apply first",
        path.display(),
        more.unwrap_or_default()
    );
    let error = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
    let mut told = errors::at_path("delete", path, error);
    told.message = message;
    told
}

fn state_of(wanted: &Value, (mode, user, group): (u32, u32, u32)) -> Value {
    owner::observed(wanted, mode, user, group)
        .into_iter()
        .fold(wanted.clone(), |state, (name, value)| state.with_attribute(name, value))
}

fn is_recursive(state: &Value) -> bool {
    state.get("recursive").and_then(Value::as_bool) == Some(true)
}

fn look_for_directory(operation: &str, path: &Path) -> ProviderResult<Option<Metadata>> {
    match look(path).map_err(|error| errors::at_path(operation, path, error))? {
        Some(metadata) if !metadata.is_dir() => {
            Err(errors::in_the_way(operation, path, kind_of(&metadata), "a directory"))
        }
        found => Ok(found),
    }
}

fn open(operation: &str, path: &Path) -> ProviderResult<fs_err::File> {
    fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(careful())
        .open(path)
        .map_err(|error| errors::at_path(operation, path, error))
}
