//! `local_symlink`: a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use retrue_provider_api::{
    Attribute, Block, Change, Effect, Image, ImageRequest, Observed, Path as AttributePath, PlanRequest, PlanResponse,
    ProviderDiagnostic, ProviderResult, ReadRequest, Type, TypeSchema, Value,
};
use serde::{Deserialize, Serialize};

use crate::config::check_path;
use crate::draft::{self, kind_of, look, neighbour};
use crate::errors;
use crate::here::Here;
use crate::observe::exact_text;
use crate::path_type::{Effected, PathType, SPACE, path_replaces, written, written_path};
use crate::stamp;

/// See the module.
pub(crate) struct Symlink;

/// What an image of a link keeps beside its attributes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Where it leads, in base 64: it may be any bytes.
    target: String,
    user: u32,
    group: u32,
}

impl PathType for Symlink {
    fn schema(&self) -> TypeSchema {
        let attributes = [
            ("path", Attribute::required(Type::String, "Where it is, relative to the stack.").identity()),
            (
                "target",
                Attribute::required(
                    Type::String,
                    "Where it leads, as it is written into the link: a relative one is relative to the link. It need not exist.",
                ),
            ),
        ];
        TypeSchema {
            version: 0,
            identity_space: Some(SPACE.to_owned()),
            block: Block {
                attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into(),
                documentation: "A symbolic link.".to_owned(),
                ..Block::default()
            },
        }
    }

    fn validate(&self, config: &Value) -> Vec<ProviderDiagnostic> {
        let mut found: Vec<ProviderDiagnostic> = check_path(config, "path").into_iter().collect();
        if config.get("target").and_then(Value::as_str).is_some_and(|text| text.is_empty() || text.contains('\0')) {
            let message = "the target is empty or holds a NUL character";
            found.push(ProviderDiagnostic::error(AttributePath::attribute("target"), message));
        }
        found
    }

    fn observe(&self, here: &Here, operation: &str, request: &ReadRequest) -> ProviderResult<Option<Observed>> {
        let values = &written(request);
        let path = here.places.resolve(written_path(operation, values)?);
        here.patience.check(operation)?;
        if look_for_link(operation, &path)?.is_none() {
            return Ok(None);
        }
        let target = read_target(operation, &path)?;
        // Bytes that no attribute can hold show as null, which differs from whatever is wanted.
        let target = exact_text(target.into_vec()).map_or_else(|| Value::null(Type::String), Value::from);
        let path = values.get("path").cloned().unwrap_or_else(|| Value::null(Type::String));
        Ok(Some(Observed::of(Value::object([("path", path), ("target", target)]))))
    }

    fn plan(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let requires_replace = path_replaces(here, &request.prior, &request.proposed);
        Ok(PlanResponse { requires_replace, ..PlanResponse::of(request.proposed) })
    }

    fn apply(&self, here: &Here, change: Change) -> ProviderResult<Effected> {
        match change.effect {
            Effect::Create => create(here, &change),
            Effect::Update => update(here, &change),
            Effect::Delete => delete(here, &change.prior),
        }
    }

    fn image(&self, here: &Here, request: ImageRequest) -> ProviderResult<Image> {
        let state = request.object.state;
        let path = here.places.resolve(written_path("image", &state)?);
        let metadata = look_for_link("image", &path)?.ok_or_else(|| errors::gone("image", &path))?;
        let target = read_target("image", &path)?;
        if state.get("target").and_then(Value::as_str).is_some_and(|seen| target.as_bytes() != seen.as_bytes()) {
            return Err(errors::moved_on("image", &path, "was changed since it was looked at"));
        }
        let target = STANDARD.encode(target.as_bytes());
        stamp::image(state, Kept { target, user: metadata.uid(), group: metadata.gid() }, Vec::new())
    }

    fn recover(&self, here: &Here, request: &ReadRequest) -> ProviderResult<()> {
        draft::clear_neighbour("recover", &here.places.resolve(written_path("recover", &request.state)?))
    }
}

/// A link to be made.
struct Wanted {
    target: OsString,
    owner: Option<(u32, u32)>,
    state: Value,
}

impl Wanted {
    fn of(operation: &str, change: &Change) -> ProviderResult<Self> {
        if let Some(image) = &change.restore {
            let kept: Kept = stamp::kept(operation, image)?;
            let target = STANDARD
                .decode(&kept.target)
                .map_err(|error| errors::invalid(operation, "the image is damaged").because(error))?;
            let owner = Some((kept.user, kept.group));
            return Ok(Wanted { target: OsString::from_vec(target), owner, state: image.state.clone() });
        }
        let target = change.config.get("target").and_then(Value::as_str);
        let target = target.ok_or_else(|| errors::invalid(operation, "the target is not known"))?;
        Ok(Wanted { target: OsStr::new(target).to_owned(), owner: None, state: change.planned.clone() })
    }

    fn make(&self, operation: &str, path: &Path, owner: Option<(u32, u32)>) -> ProviderResult<()> {
        let at = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => errors::already_there(operation, path),
            _ => errors::at_path(operation, path, error),
        };
        fs_err::os::unix::fs::symlink(&self.target, path).map_err(at)?;
        if let Some((user, group)) = owner {
            // The owner of a link decides nothing but who may remove it: no reason to fail.
            let _ = std::os::unix::fs::lchown(path, Some(user), Some(group));
        }
        Ok(())
    }
}

fn create(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let wanted = Wanted::of("create", change)?;
    let path = here.places.resolve(written_path("create", &wanted.state)?);
    here.patience.check("create")?;
    if look_for_link("create", &path)?.is_some() {
        return Err(errors::already_there("create", &path));
    }
    // CRASH: the link is there, whole, or it is not.
    wanted.make("create", &path, wanted.owner)?;
    Ok(Effected::with(wanted.state, draft::sync_parent("create", &path).err()))
}

fn update(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let wanted = Wanted::of("update", change)?;
    let path = here.places.resolve(written_path("update", &wanted.state)?);
    here.patience.check("update")?;
    let before = look_for_link("update", &path)?.ok_or_else(|| errors::gone("update", &path))?;
    if read_target("update", &path)? == wanted.target {
        return Ok(Effected::with(wanted.state, None));
    }
    draft::clear_neighbour("update", &path)?;
    let temporary = neighbour(&path);
    wanted.make("update", &temporary, wanted.owner.or(Some((before.uid(), before.gid()))))?;
    // CRASH: before the rename the old link is in place and the neighbour left over; after it, the new.
    if let Err(error) = draft::place("update", &temporary, &path, true) {
        let _ = fs_err::remove_file(&temporary);
        return Err(error);
    }
    Ok(Effected::with(wanted.state, draft::sync_parent("update", &path).err()))
}

fn delete(here: &Here, prior: &Value) -> ProviderResult<Effected> {
    let path = here.places.resolve(written_path("delete", prior)?);
    here.patience.check("delete")?;
    draft::clear_neighbour("delete", &path)?;
    if look_for_link("delete", &path)?.is_none() {
        return Ok(Effected::gone(None));
    }
    draft::tolerate_absence(fs_err::remove_file(&path)).map_err(|error| errors::at_path("delete", &path, error))?;
    Ok(Effected::gone(draft::sync_parent("delete", &path).err()))
}

fn look_for_link(operation: &str, path: &Path) -> ProviderResult<Option<Metadata>> {
    match look(path).map_err(|error| errors::at_path(operation, path, error))? {
        Some(metadata) if !metadata.is_symlink() => {
            Err(errors::in_the_way(operation, path, kind_of(&metadata), "a link"))
        }
        found => Ok(found),
    }
}

fn read_target(operation: &str, path: &Path) -> ProviderResult<OsString> {
    let target = fs_err::read_link(path).map_err(|error| errors::at_path(operation, path, error))?;
    Ok(target.into_os_string())
}
