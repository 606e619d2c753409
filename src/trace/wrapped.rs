//! A provider that is recorded, or one that answers from a recording.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use retrue_provider_api::{
    Block, Capability, Category, Change, ConfigureRequest, Context, DataRequest, FindRequest, Found, Image,
    ImageRequest, ImportRequest, Imported, Observed, Opened, Outcome, PlanRequest, PlanResponse, Private, Provider,
    ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema, ReadRequest, Subject, TypeSchema,
    ValidateRequest, Value, from_wire,
};
use serde_json::{Value as Json, json};

use super::form::{self, Pen, Plain};
use super::format::{Fact, What};
use super::play::Player;
use super::record::{Ink, Recorder};
use crate::plan::ProviderOrigin;

/// A provider that is recorded, or one that answers from a recording.
pub(super) struct Wrapped {
    instance: String,
    side: Side,
}

enum Side {
    Recorded {
        inner: Arc<dyn Provider>,
        recorder: Arc<Recorder>,
        program: Option<ProviderOrigin>,
        schema: OnceLock<Arc<ProviderSchema>>,
    },
    Played(Arc<Player>),
}

/// What is called, and for what.
struct Asked<'c> {
    verb: &'static str,
    type_name: &'c str,
    context: Option<&'c Context>,
}

/// Where a type is found in a schema.
#[derive(Clone, Copy)]
enum Of {
    Provider,
    Resource,
    Data,
    Ephemeral,
}

type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Wrapped {
    /// A provider whose calls are written down.
    pub(super) fn recorded(
        instance: &str,
        program: Option<ProviderOrigin>,
        inner: Arc<dyn Provider>,
        recorder: Arc<Recorder>,
    ) -> Arc<dyn Provider> {
        let side = Side::Recorded { inner, recorder, program, schema: OnceLock::new() };
        Arc::new(Wrapped { instance: instance.to_owned(), side })
    }

    /// A provider that answers what was written down.
    pub(super) fn played(instance: &str, player: Arc<Player>) -> Arc<dyn Provider> {
        Arc::new(Wrapped { instance: instance.to_owned(), side: Side::Played(player) })
    }

    /// What is recorded; nothing where a recording answers.
    fn inner(&self) -> Option<&Arc<dyn Provider>> {
        match &self.side {
            Side::Recorded { inner, .. } => Some(inner),
            Side::Played(_) => None,
        }
    }

    /// Writes with what writes a type.
    fn write<T>(&self, of: Of, type_name: &str, write: impl FnOnce(&dyn Pen) -> T) -> T {
        match &self.side {
            Side::Played(_) => write(&Plain),
            Side::Recorded { recorder, schema, .. } => {
                let types = schema.get();
                let found: Option<&Block> = types.and_then(|schema| {
                    let one: Option<&TypeSchema> = match of {
                        Of::Provider => Some(&schema.provider),
                        Of::Resource => schema.resources.get(type_name).map(Arc::as_ref),
                        Of::Data => schema.data.get(type_name).map(Arc::as_ref),
                        Of::Ephemeral => schema.ephemeral.get(type_name).map(Arc::as_ref),
                    };
                    one.map(|one| &one.block)
                });
                write(&Ink { secrets: recorder.secrets(), block: found, guarded: matches!(of, Of::Provider) })
            }
        }
    }

    /// Asks, and writes down what was asked and answered; or finds the answer.
    async fn ask<'a, T>(
        &'a self,
        of: Of,
        asked: Asked<'a>,
        request: Json,
        live: Option<Answering<'a, T>>,
        write: impl FnOnce(&dyn Pen, &T) -> Json + Send,
        read: impl FnOnce(Result<Json, ProviderError>) -> T + Send,
    ) -> T {
        let what = What {
            instance: self.instance.clone(),
            verb: asked.verb.to_owned(),
            type_name: asked.type_name.to_owned(),
            address: asked.context.map(|context| context.address.clone()).unwrap_or_default(),
        };
        match (&self.side, live) {
            (Side::Recorded { recorder, .. }, Some(live)) => {
                let begun = recorder.began();
                let answer = live.await;
                let written = self.write(of, asked.type_name, |pen| write(pen, &answer));
                recorder.ended(&begun, what, asked.context.map_or(0, |context| context.attempt), request, written);
                answer
            }
            (Side::Played(player), _) => read(player.answer(&what, &request).await),
            (Side::Recorded { .. }, None) => read(Err(unreadable(asked.verb))),
        }
    }

    /// The same, for what answers with a result.
    async fn result<'a, T: Send + Sync>(
        &'a self,
        of: Of,
        asked: Asked<'a>,
        request: Json,
        live: Option<Answering<'a, ProviderResult<T>>>,
        write: impl FnOnce(&dyn Pen, &T) -> Json + Send,
        read: impl FnOnce(&Json) -> Option<T> + Send,
    ) -> ProviderResult<T> {
        let verb = asked.verb;
        let write = |pen: &dyn Pen, answer: &ProviderResult<T>| match answer {
            Ok(answer) => json!({ "ok": write(pen, answer) }),
            Err(error) => json!({ "error": pen.error(error) }),
        };
        let read = |answer: Result<Json, ProviderError>| {
            let answer = answer?;
            match (answer.get("ok"), answer.get("error")) {
                (Some(answer), _) => read(answer).ok_or_else(|| unreadable(verb)),
                (None, Some(error)) => Err(form::error(error).unwrap_or_else(|| unreadable(verb))),
                (None, None) => Err(unreadable(verb)),
            }
        };
        self.ask(of, asked, request, live, write, read).await
    }
}

fn unreadable(verb: &str) -> ProviderError {
    let error = ProviderError::new(Category::Unknown, verb, "what is recorded is no answer");
    ProviderError { retry: false, ..error }
}

fn on<'c>(verb: &'static str, type_name: &'c str, context: &'c Context) -> Asked<'c> {
    Asked { verb, type_name, context: Some(context) }
}

fn alone<'c>(verb: &'static str, type_name: &'c str) -> Asked<'c> {
    Asked { verb, type_name, context: None }
}

#[async_trait]
impl Provider for Wrapped {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        match &self.side {
            Side::Recorded { inner, recorder, program, schema } => {
                let told = inner.schema().await?;
                recorder.provider(&self.instance, program.as_ref(), &told);
                Ok(Arc::clone(schema.get_or_init(|| told)))
            }
            Side::Played(player) => player.schema(&self.instance),
        }
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        let written = self.write(Of::Provider, "", |pen| json!({ "config": pen.value(&request.config) }));
        let live = self.inner().map(|inner| inner.configure(request));
        self.result(Of::Provider, alone("configure", ""), written, live, |_, ()| Json::Null, |_| Some(())).await
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        let of = match request.subject {
            Subject::Provider => Of::Provider,
            Subject::Resource => Of::Resource,
            Subject::Data => Of::Data,
            Subject::Ephemeral => Of::Ephemeral,
        };
        let type_name = request.type_name.clone();
        let written = self.write(of, &type_name, |pen| json!({ "config": pen.value(&request.config) }));
        let live = self.inner().map(|inner| inner.validate(request));
        self.result(of, alone("validate", &type_name), written, live, |pen, said| pen.said(said), form::said).await
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        match &self.side {
            Side::Recorded { inner, recorder, .. } => {
                let capability = inner.capability(type_name, config);
                recorder.fact(Fact {
                    instance: self.instance.clone(),
                    verb: "capability".to_owned(),
                    type_name: type_name.to_owned(),
                    config: self.write(Of::Resource, type_name, |pen| pen.value(config)),
                    answer: form::write_capability(&capability),
                });
                capability
            }
            Side::Played(player) => {
                let told = player.fact(&self.instance, "capability", type_name, &Plain.value(config), true);
                told.and_then(|told| form::read_capability(&told)).unwrap_or_default()
            }
        }
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        match &self.side {
            Side::Recorded { inner, recorder, .. } => {
                let identity = inner.identity(type_name, config);
                let (config, answer) =
                    self.write(Of::Resource, type_name, |pen| (pen.value(config), pen.option(identity.as_ref())));
                recorder.fact(Fact {
                    instance: self.instance.clone(),
                    verb: "identity".to_owned(),
                    type_name: type_name.to_owned(),
                    config,
                    answer,
                });
                identity
            }
            Side::Played(player) => {
                let told = player.fact(&self.instance, "identity", type_name, &Plain.value(config), false)?;
                from_wire(&told).ok()
            }
        }
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| pen.read_request(&request));
        let live = self.inner().map(|inner| inner.read(context, request));
        let write = |pen: &dyn Pen, read: &Option<Observed>| {
            read.as_ref().map_or(Json::Null, |observed| pen.observed(observed))
        };
        self.result(Of::Resource, on("read", &type_name, context), written, live, write, form::maybe_observed).await
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let type_name = request.type_name.clone();
        let written = self.write(
            Of::Resource,
            &type_name,
            |pen| json!({ "config": pen.value(&request.config), "marker": form::marker(request.marker.as_ref()) }),
        );
        let live = self.inner().map(|inner| inner.find(context, request));
        let write = |pen: &dyn Pen, found: &Found| pen.found(found);
        self.result(Of::Resource, on("find", &type_name, context), written, live, write, form::found).await
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| {
            json!({
                "config": pen.value(&request.config),
                "prior": pen.value(&request.prior),
                "proposed": pen.value(&request.proposed),
                "prior_private": pen.private(&request.prior_private),
            })
        });
        let live = self.inner().map(|inner| inner.plan(context, request));
        let write = |pen: &dyn Pen, plan: &PlanResponse| pen.plan(plan);
        self.result(Of::Resource, on("plan", &type_name, context), written, live, write, form::plan).await
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let type_name = change.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| pen.change(&change));
        let live = self.inner().map(|inner| inner.apply(context, change));
        let write = |pen: &dyn Pen, outcome: &Outcome| pen.outcome(outcome);
        let read = |answer: Result<Json, ProviderError>| match answer {
            Ok(answer) => form::outcome(&answer).unwrap_or_else(|| Outcome::NotApplied(unreadable("apply"))),
            Err(error) => Outcome::NotApplied(error),
        };
        self.ask(Of::Resource, on("apply", &type_name, context), written, live, write, read).await
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        let type_name = request.object.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| {
            json!({
                "object": pen.read_request(&request.object),
                "effect": request.effect,
                "planned": pen.value(&request.planned),
            })
        });
        let live = self.inner().map(|inner| inner.image(context, request));
        let write = |pen: &dyn Pen, image: &Image| pen.image(Some(image));
        self.result(Of::Resource, on("image", &type_name, context), written, live, write, form::image).await
    }

    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| pen.read_request(&request));
        let live = self.inner().map(|inner| inner.recover(context, request));
        let asked = on("recover", &type_name, context);
        self.result(Of::Resource, asked, written, live, |_, ()| Json::Null, |_| Some(())).await
    }

    async fn presume(&self, context: &Context, type_name: &str, planned: Value) -> ProviderResult<Option<Value>> {
        let written = self.write(Of::Resource, type_name, |pen| json!({ "planned": pen.value(&planned) }));
        let live = self.inner().map(|inner| inner.presume(context, type_name, planned));
        let write = |pen: &dyn Pen, value: &Option<Value>| pen.option(value.as_ref());
        let read = |json: &Json| if json.is_null() { Some(None) } else { from_wire(json).ok().map(Some) };
        self.result(Of::Resource, on("presume", type_name, context), written, live, write, read).await
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Resource, &type_name, |pen| json!({ "id": pen.text(&request.id) }));
        let live = self.inner().map(|inner| inner.import(context, request));
        let write = |pen: &dyn Pen, imported: &Vec<Imported>| pen.imported(imported);
        self.result(Of::Resource, on("import", &type_name, context), written, live, write, form::imported).await
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Data, &type_name, |pen| json!({ "config": pen.value(&request.config) }));
        let live = self.inner().map(|inner| inner.read_data(context, request));
        let write = |pen: &dyn Pen, value: &Value| pen.value(value);
        let read = |json: &Json| from_wire(json).ok();
        self.result(Of::Data, on("read_data", &type_name, context), written, live, write, read).await
    }

    async fn read_many(
        &self,
        context: &Context,
        requests: Vec<ReadRequest>,
    ) -> ProviderResult<Vec<ProviderResult<Option<Observed>>>> {
        let type_name = requests.first().map(|request| request.type_name.clone()).unwrap_or_default();
        let written: Json = self
            .write(Of::Resource, &type_name, |pen| requests.iter().map(|request| pen.read_request(request)).collect());
        let live = self.inner().map(|inner| inner.read_many(context, requests));
        let write = |pen: &dyn Pen, many: &Vec<ProviderResult<Option<Observed>>>| -> Json {
            let one = |one: &ProviderResult<Option<Observed>>| match one {
                Ok(read) => json!({ "ok": read.as_ref().map(|observed| pen.observed(observed)) }),
                Err(error) => json!({ "error": pen.error(error) }),
            };
            many.iter().map(one).collect()
        };
        let read = |json: &Json| {
            let one = |json: &Json| match json.get("error") {
                Some(error) => form::error(error).map(Err),
                None => form::maybe_observed(json.get("ok")?).map(Ok),
            };
            json.as_array()?.iter().map(one).collect()
        };
        self.result(Of::Resource, on("read_many", &type_name, context), written, live, write, read).await
    }

    async fn list(&self, context: &Context, type_name: &str) -> ProviderResult<Vec<Observed>> {
        let live = self.inner().map(|inner| inner.list(context, type_name));
        let write = |pen: &dyn Pen, many: &Vec<Observed>| many.iter().map(|one| pen.observed(one)).collect();
        let read = |json: &Json| json.as_array()?.iter().map(form::observed).collect();
        self.result(Of::Resource, on("list", type_name, context), Json::Null, live, write, read).await
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        let written = self.write(Of::Resource, "", |pen| arguments.iter().map(|one| pen.value(one)).collect());
        let live = self.inner().map(|inner| inner.call(function, arguments));
        let write = |pen: &dyn Pen, value: &Value| pen.value(value);
        let read = |json: &Json| from_wire(json).ok();
        self.result(Of::Resource, alone("call", function), written, live, write, read).await
    }

    async fn open(&self, context: &Context, request: DataRequest) -> ProviderResult<Opened> {
        let type_name = request.type_name.clone();
        let written = self.write(Of::Ephemeral, &type_name, |pen| json!({ "config": pen.value(&request.config) }));
        let live = self.inner().map(|inner| inner.open(context, request));
        let write = |pen: &dyn Pen, opened: &Opened| {
            // All that is ephemeral is secret.
            if let Side::Recorded { recorder, .. } = &self.side {
                recorder.secrets().learn_all(&opened.value);
            }
            pen.opened(opened)
        };
        self.result(Of::Ephemeral, on("open", &type_name, context), written, live, write, form::opened).await
    }

    async fn renew(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<Option<Instant>> {
        // When it must be renewed depends on the clock: nothing of it is recorded, and a recording needs none.
        match &self.side {
            Side::Recorded { inner, .. } => inner.renew(context, type_name, private).await,
            Side::Played(_) => Ok(None),
        }
    }

    async fn close(&self, context: &Context, type_name: &str, private: Private) -> ProviderResult<()> {
        let written = self.write(Of::Ephemeral, type_name, |pen| json!({ "private": pen.private(&private) }));
        let live = self.inner().map(|inner| inner.close(context, type_name, private));
        let asked = on("close", type_name, context);
        self.result(Of::Ephemeral, asked, written, live, |_, ()| Json::Null, |_| Some(())).await
    }

    async fn upgrade_state(&self, type_name: &str, version: u64, state: Json) -> ProviderResult<Value> {
        self.restate("upgrade_state", type_name, version, state, |inner, version, state| {
            inner.upgrade_state(type_name, version, state)
        })
        .await
    }

    async fn take_over(&self, type_name: &str, version: u64, state: Json) -> ProviderResult<Value> {
        self.restate("take_over", type_name, version, state, |inner, version, state| {
            inner.take_over(type_name, version, state)
        })
        .await
    }

    async fn hand_over(&self, type_name: &str, state: Value) -> ProviderResult<Json> {
        // Only a hand-over to Terraform asks for it, and that is no run.
        match &self.side {
            Side::Recorded { inner, .. } => inner.hand_over(type_name, state).await,
            Side::Played(_) => Err(ProviderError::unsupported("hand_over")),
        }
    }

    async fn move_state(&self, from_type: &str, to_type: &str, object: Observed) -> ProviderResult<Observed> {
        let written = self.write(Of::Resource, from_type, |pen| {
            let mut request = json!({ "from": from_type, "state": pen.value(&object.state) });
            if !object.private.0.is_empty()
                && let Some(fields) = request.as_object_mut()
            {
                fields.insert("private".to_owned(), pen.private(&object.private));
            }
            request
        });
        let live = self.inner().map(|inner| inner.move_state(from_type, to_type, object));
        let write = |pen: &dyn Pen, object: &Observed| pen.observed(object);
        // Older recordings hold the state alone.
        let read = |json: &Json| form::observed(json).or_else(|| from_wire(json).ok().map(Observed::of));
        self.result(Of::Resource, alone("move_state", to_type), written, live, write, read).await
    }

    async fn stop(&self) {
        if let Side::Recorded { inner, .. } = &self.side {
            inner.stop().await;
        }
    }
}

impl Wrapped {
    /// Old state in another form.
    async fn restate<'a>(
        &'a self,
        verb: &'static str,
        type_name: &'a str,
        version: u64,
        state: Json,
        live: impl FnOnce(&'a Arc<dyn Provider>, u64, Json) -> Answering<'a, ProviderResult<Value>> + Send,
    ) -> ProviderResult<Value> {
        // Of an older version it may be no value any more: its form is that of a value all the same.
        let written = self.write(Of::Resource, type_name, |pen| {
            let state = from_wire(&state).map_or(Json::Null, |state| pen.value(&state));
            json!({ "version": version, "state": state })
        });
        let live = self.inner().map(|inner| live(inner, version, state));
        let write = |pen: &dyn Pen, value: &Value| pen.value(value);
        let read = |json: &Json| from_wire(json).ok();
        self.result(Of::Resource, alone(verb, type_name), written, live, write, read).await
    }
}
