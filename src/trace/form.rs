//! Requests and answers as a trace holds them.

use std::time::Duration;

use retrue_provider_api::{
    Applied, BlobId, Capability, Category, Change, Findable, Found, Image, Imported, Marker, Observed, Opened, Outcome,
    Path, PlanResponse, Private, ProviderDiagnostic, ProviderError, ReadRequest, Reversibility, TimeLimits, Unfinished,
    Value, from_wire, to_wire,
};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// Writes values and bytes, without what is secret where a trace is written.
pub(super) trait Pen {
    fn value(&self, value: &Value) -> Json;
    fn private(&self, private: &Private) -> Json;
    fn text(&self, text: &str) -> Json;

    fn option(&self, value: Option<&Value>) -> Json {
        value.map_or(Json::Null, |value| self.value(value))
    }

    fn image(&self, image: Option<&Image>) -> Json {
        image.map_or(Json::Null, |image| {
            json!({
                "state": self.value(&image.state),
                "private": self.private(&image.private),
                "blobs": image.blobs,
            })
        })
    }

    fn read_request(&self, request: &ReadRequest) -> Json {
        json!({
            "state": self.value(&request.state),
            "config": self.value(&request.config),
            "private": self.private(&request.private),
            "identity": self.option(request.identity.as_ref()),
        })
    }

    fn change(&self, change: &Change) -> Json {
        json!({
            "effect": change.effect,
            "config": self.value(&change.config),
            "prior": self.value(&change.prior),
            "prior_private": self.private(&change.prior_private),
            "planned": self.value(&change.planned),
            "planned_private": self.private(&change.planned_private),
            "identity": self.option(change.identity.as_ref()),
            "restore": self.image(change.restore.as_ref()),
        })
    }

    fn observed(&self, observed: &Observed) -> Json {
        json!({
            "state": self.value(&observed.state),
            "private": self.private(&observed.private),
            "identity": self.option(observed.identity.as_ref()),
            "marker": observed.marker.as_deref().map(|marker| self.text(marker)),
        })
    }

    fn found(&self, found: &Found) -> Json {
        match found {
            Found::None => json!("none"),
            Found::One(one) => json!({ "one": self.observed(one) }),
            Found::Many(many) => json!({ "many": many.iter().map(|one| self.observed(one)).collect::<Vec<_>>() }),
        }
    }

    fn plan(&self, plan: &PlanResponse) -> Json {
        json!({
            "planned": self.value(&plan.planned),
            "planned_private": self.private(&plan.planned_private),
            "requires_replace": plan.requires_replace,
            "deferred": plan.deferred.as_deref().map(|text| self.text(text)),
            "reversibility": plan.reversibility,
            "warnings": plan.warnings.iter().map(|text| self.text(text)).collect::<Vec<_>>(),
        })
    }

    fn applied(&self, applied: &Applied) -> Json {
        json!({
            "state": self.value(&applied.state),
            "private": self.private(&applied.private),
            "identity": self.option(applied.identity.as_ref()),
            "warnings": applied.warnings.iter().map(|text| self.text(text)).collect::<Vec<_>>(),
        })
    }

    fn outcome(&self, outcome: &Outcome) -> Json {
        match outcome {
            Outcome::Applied(applied) => json!({ "applied": self.applied(applied) }),
            Outcome::Partial { applied, error } => {
                json!({ "partial": self.applied(applied), "error": self.error(error) })
            }
            Outcome::NotApplied(error) => json!({ "not_applied": self.error(error) }),
            Outcome::Unknown { error, best_known } => json!({
                "unknown": self.error(error),
                "best_known": best_known.as_deref().map(|applied| self.applied(applied)),
            }),
        }
    }

    fn imported(&self, imported: &[Imported]) -> Json {
        imported.iter().map(|one| json!({ "type": one.type_name, "object": self.observed(&one.object) })).collect()
    }

    fn said(&self, said: &[ProviderDiagnostic]) -> Json {
        let one = |said: &ProviderDiagnostic| {
            json!({
                "error": said.error,
                "message": self.text(&said.message),
                "detail": self.text(&said.detail),
                "path": said.path,
            })
        };
        said.iter().map(one).collect()
    }

    fn error(&self, error: &ProviderError) -> Json {
        json!({
            "category": error.category,
            "retry": error.retry,
            "retry_after_ms": error.retry_after.map(millis),
            "operation": error.operation,
            "message": self.text(&error.message),
            "path": error.path,
            "context": error.context.iter().map(|(name, text)| json!([name, self.text(text)])).collect::<Vec<_>>(),
        })
    }

    fn opened(&self, opened: &Opened) -> Json {
        json!({ "value": self.value(&opened.value), "private": self.private(&opened.private) })
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn marker(marker: Option<&Marker>) -> Json {
    marker.map_or(Json::Null, |marker| json!(marker.to_string()))
}

/// What is read from a line that is not as it was written.
pub(super) type Read<T> = Option<T>;

pub(super) fn value(json: &Json, name: &str) -> Read<Value> {
    from_wire(json.get(name)?).ok()
}

fn option(json: &Json, name: &str) -> Read<Option<Value>> {
    match json.get(name)? {
        Json::Null => Some(None),
        inner => from_wire(inner).ok().map(Some),
    }
}

fn plain<T: DeserializeOwned>(json: &Json, name: &str) -> Read<T> {
    serde_json::from_value(json.get(name)?.clone()).ok()
}

fn private(json: &Json, name: &str) -> Read<Private> {
    Some(Private(json.get(name)?.as_str()?.as_bytes().to_vec()))
}

pub(super) fn observed(json: &Json) -> Read<Observed> {
    Some(Observed {
        state: value(json, "state")?,
        private: private(json, "private")?,
        identity: option(json, "identity")?,
        marker: plain(json, "marker")?,
    })
}

pub(super) fn maybe_observed(json: &Json) -> Read<Option<Observed>> {
    if json.is_null() { Some(None) } else { observed(json).map(Some) }
}

pub(super) fn found(json: &Json) -> Read<Found> {
    if json == "none" {
        return Some(Found::None);
    }
    if let Some(one) = json.get("one") {
        return Some(Found::One(Box::new(observed(one)?)));
    }
    Some(Found::Many(json.get("many")?.as_array()?.iter().map(observed).collect::<Option<_>>()?))
}

pub(super) fn plan(json: &Json) -> Read<PlanResponse> {
    Some(PlanResponse {
        planned: value(json, "planned")?,
        planned_private: private(json, "planned_private")?,
        requires_replace: plain::<Vec<Path>>(json, "requires_replace")?,
        deferred: plain(json, "deferred")?,
        reversibility: plain::<Reversibility>(json, "reversibility")?,
        warnings: plain(json, "warnings")?,
    })
}

fn applied(json: &Json) -> Read<Applied> {
    Some(Applied {
        state: value(json, "state")?,
        private: private(json, "private")?,
        identity: option(json, "identity")?,
        warnings: plain(json, "warnings")?,
    })
}

pub(super) fn outcome(json: &Json) -> Read<Outcome> {
    if let Some(inner) = json.get("applied") {
        return Some(Outcome::Applied(applied(inner)?));
    }
    if let Some(inner) = json.get("partial") {
        return Some(Outcome::Partial { applied: applied(inner)?, error: error(json.get("error")?)? });
    }
    if let Some(inner) = json.get("not_applied") {
        return Some(Outcome::NotApplied(error(inner)?));
    }
    let best_known = match json.get("best_known")? {
        Json::Null => None,
        inner => Some(Box::new(applied(inner)?)),
    };
    Some(Outcome::Unknown { error: error(json.get("unknown")?)?, best_known })
}

pub(super) fn image(json: &Json) -> Read<Image> {
    Some(Image {
        state: value(json, "state")?,
        private: private(json, "private")?,
        blobs: plain::<Vec<BlobId>>(json, "blobs")?,
    })
}

pub(super) fn imported(json: &Json) -> Read<Vec<Imported>> {
    let one = |json: &Json| Some(Imported { type_name: plain(json, "type")?, object: observed(json.get("object")?)? });
    json.as_array()?.iter().map(one).collect()
}

pub(super) fn said(json: &Json) -> Read<Vec<ProviderDiagnostic>> {
    let one = |json: &Json| {
        Some(ProviderDiagnostic {
            error: plain(json, "error")?,
            message: plain(json, "message")?,
            detail: plain(json, "detail")?,
            path: plain(json, "path")?,
        })
    };
    json.as_array()?.iter().map(one).collect()
}

/// A recorded error. How long the other side asked to wait is left out: nobody waits for a recording.
pub(super) fn error(json: &Json) -> Read<ProviderError> {
    let category = plain::<Category>(json, "category")?;
    let error = ProviderError::new(category, plain::<String>(json, "operation")?, plain::<String>(json, "message")?);
    Some(ProviderError {
        retry: plain(json, "retry")?,
        path: plain(json, "path")?,
        context: plain(json, "context")?,
        ..error
    })
}

pub(super) fn opened(json: &Json) -> Read<Opened> {
    Some(Opened { value: value(json, "value")?, private: private(json, "private")?, renew_at: None })
}

pub(super) fn write_capability(capability: &Capability) -> Json {
    let Capability { time_limits, .. } = capability;
    json!({
        "findable": match capability.findable {
            Findable::ByIdentity => "by_identity",
            Findable::ByMarker => "by_marker",
            Findable::NothingOutside => "nothing_outside",
            Findable::No => "no",
        },
        "unfinished": match capability.unfinished {
            Unfinished::Replaced => "replaced",
            Unfinished::Updated => "updated",
            Unfinished::AlwaysReplaced => "always_replaced",
        },
        "observes": capability.observes,
        "reads_back": capability.reads_back,
        "updates": capability.updates,
        "imports": capability.imports,
        "by_processes": capability.by_processes,
        "checks_plans": capability.checks_plans,
        "holds_data": capability.holds_data,
        "settles_within_ms": millis(capability.settles_within),
        "time_limits_ms": [
            millis(time_limits.create), millis(time_limits.read), millis(time_limits.update), millis(time_limits.delete)
        ],
    })
}

pub(super) fn read_capability(json: &Json) -> Read<Capability> {
    let [create, read, update, delete] = plain::<[u64; 4]>(json, "time_limits_ms")?.map(Duration::from_millis);
    Some(Capability {
        findable: match json.get("findable")?.as_str()? {
            "by_identity" => Findable::ByIdentity,
            "by_marker" => Findable::ByMarker,
            "nothing_outside" => Findable::NothingOutside,
            _ => Findable::No,
        },
        unfinished: match json.get("unfinished")?.as_str()? {
            "replaced" => Unfinished::Replaced,
            "updated" => Unfinished::Updated,
            _ => Unfinished::AlwaysReplaced,
        },
        observes: plain(json, "observes")?,
        reads_back: plain(json, "reads_back")?,
        updates: plain(json, "updates")?,
        imports: plain(json, "imports")?,
        by_processes: plain(json, "by_processes")?,
        checks_plans: plain(json, "checks_plans")?,
        holds_data: plain(json, "holds_data")?,
        settles_within: Duration::from_millis(plain(json, "settles_within_ms")?),
        time_limits: TimeLimits { create, read, update, delete },
    })
}

/// Writes all as it is: what is replayed has no secrets.
pub(super) struct Plain;

impl Pen for Plain {
    fn value(&self, value: &Value) -> Json {
        to_wire(value)
    }

    fn private(&self, private: &Private) -> Json {
        json!(String::from_utf8_lossy(&private.0))
    }

    fn text(&self, text: &str) -> Json {
        json!(text)
    }
}
