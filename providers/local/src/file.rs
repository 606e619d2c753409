//! `local_file`: a regular file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retrue_provider_api::{
    Attribute, Block, Change, Effect, Image, ImageRequest, Observed, Path as AttributePath, PlanRequest, PlanResponse,
    Private, ProviderDiagnostic, ProviderError, ProviderResult, ReadRequest, Reversibility, Type, TypeSchema, Value,
};

use crate::config::check_path;
use crate::draft::{self, kind_of, look};
use crate::errors;
use crate::file_content::{self, Form, Wanted};
use crate::file_image::Kept;
use crate::file_write::{self, Bytes, Writing};
use crate::here::Here;
use crate::observe::{self, inspect};
use crate::owner;
use crate::path_type::{Effected, PathType, SPACE, path_replaces, unknown_where_unset, written, written_path};
use crate::stamp;

/// See the module.
pub(crate) struct File;

impl PathType for File {
    fn schema(&self) -> TypeSchema {
        let content = [
            ("path", Attribute::required(Type::String, "Where it is, relative to the stack.").identity()),
            ("content", Attribute::optional(Type::String, "Its content, as text.")),
            (
                "source",
                Attribute::optional(Type::String, "The path of a file with its content, of any bytes and size."),
            ),
            ("sensitive_content", Attribute::optional(Type::String, "Its content, as secret text.").sensitive()),
            (
                "sha256",
                Attribute::computed(Type::String, "The SHA-256 of its content, in hexadecimal.")
                    .derived_from(&["content", "sensitive_content"]),
            ),
            (
                "size",
                Attribute::computed(Type::Number, "Its size in bytes.").derived_from(&["content", "sensitive_content"]),
            ),
        ];
        let attributes = content.into_iter().chain(owner::attributes("`0644`"));
        TypeSchema {
            version: 0,
            identity_space: Some(SPACE.to_owned()),
            block: Block {
                attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
                documentation: "A regular file. Exactly one of `content`, `source` and `sensitive_content` is set."
                    .to_owned(),
                ..Block::default()
            },
        }
    }

    fn validate(&self, config: &Value) -> Vec<ProviderDiagnostic> {
        let mut found: Vec<ProviderDiagnostic> = check_path(config, "path").into_iter().collect();
        if config.get("path").and_then(Value::as_str).is_some_and(|path| path.len() > 1 && path.ends_with('/')) {
            found
                .push(ProviderDiagnostic::error(AttributePath::attribute("path"), "the path of a file ends in no `/`"));
        }
        found.extend(file_content::check(config));
        found.extend(owner::check(config));
        found
    }

    fn observe(&self, here: &Here, operation: &str, request: &ReadRequest) -> ProviderResult<Option<Observed>> {
        let values = &written(request);
        let path = here.places.resolve(written_path(operation, values)?);
        let form = Form::of(values);
        let Some(seen) = inspect(here, operation, &path, form != Form::Source)? else { return Ok(None) };
        let given = if form == Form::Source { given_by_source(here, operation, request)? } else { None };
        let (mode, user, group) = owner::of_metadata(&seen.metadata);
        let mut attributes = vec![("path", values.get("path").cloned().unwrap_or_else(|| Value::null(Type::String)))];
        attributes.extend(file_content::attributes(values, &seen, given.as_deref()));
        attributes.extend(owner::observed(values, mode, user, group));
        Ok(Some(Observed::of(Value::object(attributes))))
    }

    fn plan(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let mut warnings = Vec::new();
        let measured = match Wanted::of(here, "plan", &request.config)? {
            Wanted::Unknown => None,
            Wanted::Text(text) => Some((observe::sha256(text.as_bytes()), text.len() as u64)),
            Wanted::File(source) => {
                let measured = file_content::measure(here, "plan", &source)?;
                if measured.is_none() {
                    warnings.push(format!("the source {} does not exist yet", source.display()));
                }
                measured
            }
        };
        let (sha256, size) = match measured {
            Some((sha256, size)) => (Value::from(sha256), Value::from(size)),
            None => (Value::unknown(Type::String), Value::unknown(Type::Number)),
        };
        let mut planned = request.proposed.with_attribute("sha256", sha256).with_attribute("size", size);
        if request.prior.is_null() {
            planned = unknown_where_unset(planned, &["mode", "owner", "group"]);
        }
        let requires_replace = path_replaces(here, &request.prior, &planned);
        let stays =
            planned.get("sha256").is_some_and(|now| request.prior.get("sha256").is_some_and(|was| was.same(now)));
        let response = PlanResponse { requires_replace, warnings, ..PlanResponse::of(planned) };
        if request.prior.is_null() || stays {
            return Ok(response);
        }
        told_of_names(here, &request.prior, response)
    }

    fn plan_delete(&self, here: &Here, request: PlanRequest) -> ProviderResult<PlanResponse> {
        told_of_names(here, &request.prior, PlanResponse::of(request.proposed))
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
        let mut seen = inspect(here, "image", &path, false)?.ok_or_else(|| errors::gone("image", &path))?;
        if !is(&state, "sha256", &seen.sha256) {
            return Err(errors::moved_on("image", &path, "was changed since it was looked at"));
        }
        let stays = request.effect == Some(Effect::Update) && is(&request.planned, "sha256", &seen.sha256);
        Kept::keep(here, &path, &mut seen, &state, stays)?.into_image(state)
    }

    fn recover(&self, here: &Here, request: &ReadRequest) -> ProviderResult<()> {
        let path = here.places.resolve(written_path("recover", &request.state)?);
        draft::clear_neighbour("recover", &path)
    }
}

/// Said by the plan of a change that puts another file in the place of this one, and held to: it has one name.
const ALONE: &[u8] = b"alone";

/// A plan that puts another file, or nothing, in the place of one says so where that has other names (hard links).
fn told_of_names(here: &Here, prior: &Value, response: PlanResponse) -> ProviderResult<PlanResponse> {
    let path = here.places.resolve(written_path("plan", prior)?);
    let names =
        look(&path).map_err(|error| errors::at_path("plan", &path, error))?.map_or(1, |metadata| metadata.nlink());
    Ok(match names.saturating_sub(1) {
        0 => PlanResponse { planned_private: Private(ALONE.to_vec()), ..response },
        others => {
            let others = if others == 1 { "another name".to_owned() } else { format!("{others} other names") };
            let reason = format!(
                "it has {others} (a hard link), which keeps what is there now: an undo makes a file of its own"
            );
            PlanResponse { reversibility: Reversibility::Lossy(reason), ..response }
        }
    })
}

/// No more is lost than the plan said.
fn hold_to_names(operation: &str, path: &Path, change: &Change, metadata: &Metadata) -> ProviderResult<()> {
    if change.restore.is_none() && change.planned_private.0 == ALONE && metadata.nlink() > 1 {
        return Err(errors::moved_on(operation, path, "has got another name (a hard link) since it was planned"));
    }
    Ok(())
}

fn create(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    let path = here.places.resolve(written_path("create", values)?);
    match look(&path).map_err(|error| errors::at_path("create", &path, error))? {
        Some(metadata) if metadata.is_file() => return Err(errors::already_there("create", &path)),
        Some(metadata) => return Err(errors::in_the_way("create", &path, kind_of(&metadata), "a file")),
        None => {}
    }
    let writing = Writing { here, operation: "create", path: &path, over: None };
    if let Some(image) = &change.restore {
        let kept: Kept = stamp::kept("create", image)?;
        let written = writing.write(Bytes::Kept(&kept, &image.state), kept.stamp.access())?;
        return Ok(written.effected(&image.state));
    }
    let bytes = wanted_bytes(here, "create", change)?;
    let written = writing.write(bytes, owner::wanted("create", &change.config)?)?;
    Ok(written.effected(&change.planned))
}

fn update(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    let path = here.places.resolve(written_path("update", values)?);
    let seen = inspect(here, "update", &path, false)?.ok_or_else(|| errors::gone("update", &path))?;
    let writing = Writing { here, operation: "update", path: &path, over: Some(&seen) };
    if let Some(image) = &change.restore {
        let kept: Kept = stamp::kept("update", image)?;
        let access = kept.stamp.access();
        let written = if !kept.has_content() || is(&image.state, "sha256", &seen.sha256) {
            writing.adjust(access, kept.has_content().then(|| kept.stamp.modified()))?
        } else {
            writing.write(Bytes::Kept(&kept, &image.state), access)?
        };
        return Ok(written.effected(&image.state));
    }
    let access = owner::wanted("update", &change.config)?;
    let bytes = wanted_bytes(here, "update", change)?;
    let written = if bytes.sha256() == Some(seen.sha256.as_str()) {
        writing.adjust(access, None)?
    } else {
        hold_to_names("update", &path, change, &seen.metadata)?;
        writing.write(bytes, access)?
    };
    Ok(written.effected(&change.planned))
}

fn delete(here: &Here, change: &Change) -> ProviderResult<Effected> {
    let path = here.places.resolve(written_path("delete", &change.prior)?);
    here.patience.check("delete")?;
    draft::clear_neighbour("delete", &path)?;
    let at = |error| errors::at_path("delete", &path, error);
    match look(&path).map_err(at)? {
        None => return Ok(Effected::gone(None)),
        Some(metadata) if metadata.is_file() => hold_to_names("delete", &path, change, &metadata)?,
        Some(metadata) => return Err(errors::in_the_way("delete", &path, kind_of(&metadata), "a file")),
    }
    // CRASH: the name is there or it is not; `read` tells.
    draft::tolerate_absence(fs_err::remove_file(&path)).map_err(at)?;
    Ok(Effected::gone(draft::sync_parent("delete", &path).err()))
}

/// The bytes that a change wants. A source that is not what the plan saw stops the step.
fn wanted_bytes<'c>(here: &Here, operation: &str, change: &'c Change) -> ProviderResult<Bytes<'c>> {
    match Wanted::of(here, operation, &change.config)? {
        Wanted::Text(text) => Ok(Bytes::Text { text, sha256: observe::sha256(text.as_bytes()) }),
        Wanted::File(source) => {
            let missing = || missing_source(operation, &source);
            let (sha256, _) = file_content::measure(here, operation, &source)?.ok_or_else(missing)?;
            let planned = change.planned.get("sha256").and_then(Value::as_str);
            if planned.is_some_and(|planned| planned != sha256) {
                return Err(errors::moved_on(operation, &source, "was changed since it was planned"));
            }
            Ok(Bytes::Source { path: source, sha256 })
        }
        Wanted::Unknown => Err(errors::invalid(operation, "the content is not known")),
    }
}

fn missing_source(operation: &str, source: &Path) -> ProviderError {
    errors::invalid(operation, format!("the source {} does not exist", source.display()))
        .at(AttributePath::attribute("source"))
}

/// The hash of what `source` gave, when the file was last known to have it.
fn given_by_source(here: &Here, operation: &str, request: &ReadRequest) -> ProviderResult<Option<String>> {
    if !request.state.is_null() && request.state.get("sha256").is_some_and(|hash| !hash.is_null()) {
        let kept = request.state.get("source").is_some_and(|source| !source.is_null());
        let hash = request.state.get("sha256").and_then(Value::as_str);
        return Ok(hash.filter(|_| kept).map(str::to_owned));
    }
    let written = written(request);
    let Some(source) = written.get("source").and_then(Value::as_str) else { return Ok(None) };
    let source = here.places.resolve(source);
    Ok(file_content::measure(here, operation, &source)?.map(|(sha256, _)| sha256))
}

fn is(values: &Value, name: &str, text: &str) -> bool {
    values.get(name).and_then(Value::as_str) == Some(text)
}

impl file_write::Written {
    /// What is there now: what was wanted, with what the system says.
    fn effected(self, wanted: &Value) -> Effected {
        let (mode, user, group) = self.access;
        let mut state = wanted.clone();
        for (name, value) in owner::observed(wanted, mode, user, group) {
            state = state.with_attribute(name, value);
        }
        let state =
            state.with_attribute("sha256", Value::from(self.sha256)).with_attribute("size", Value::from(self.size));
        Effected::with(state, self.error)
    }
}
