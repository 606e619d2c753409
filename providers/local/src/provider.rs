//! The provider itself: it finds the type and hands over.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Category, Change, ConfigureRequest, Context, DataRequest, Effect, FindRequest, Found, Image,
    ImageRequest, ImportRequest, Imported, Observed, Outcome, PlanRequest, PlanResponse, Private, Provider,
    ProviderDiagnostic, ProviderError, ProviderResult, ProviderSchema, ReadRequest, Subject, Type, ValidateRequest,
    Value,
};

use crate::command;
use crate::config::{self, Places};
use crate::data;
use crate::directory::Directory;
use crate::file::File;
use crate::here::Here;
use crate::path_type::{Effected, PathType};
use crate::symlink::Symlink;

/// Makes an instance, to be configured.
pub fn provider() -> Arc<dyn Provider> {
    let paths = PATH_TYPES.iter().map(|(name, kind)| ((*name).to_owned(), kind.schema()));
    let commands = [(command::TYPE.to_owned(), command::schema())];
    let schema = ProviderSchema {
        provider: config::schema(),
        resources: paths.chain(commands).map(|(name, schema)| (name, Arc::new(schema))).collect(),
        data: data::schemas().map(|(name, schema)| (name.to_owned(), Arc::new(schema))).into(),
        ..ProviderSchema::default()
    };
    Arc::new(Local { schema: Arc::new(schema), places: OnceLock::new() })
}

/// The types that are found by a path.
const PATH_TYPES: [(&str, &dyn PathType); 3] =
    [("local_directory", &Directory), ("local_file", &File), ("local_symlink", &Symlink)];

/// The provider of this machine.
struct Local {
    schema: Arc<ProviderSchema>,
    places: OnceLock<Arc<Places>>,
}

impl Local {
    fn places(&self, operation: &str) -> ProviderResult<&Arc<Places>> {
        let wrong = || ProviderError::new(Category::Validation, operation, "the provider is not configured");
        self.places.get().ok_or_else(wrong)
    }

    fn here(&self, operation: &str, context: &Context) -> ProviderResult<Here> {
        Ok(Here::of(Arc::clone(self.places(operation)?), context))
    }
}

fn path_type(operation: &str, name: &str) -> ProviderResult<&'static dyn PathType> {
    let found = PATH_TYPES.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| unknown_type(operation, name))
}

fn unknown_type(operation: &str, name: &str) -> ProviderError {
    ProviderError::new(Category::Validation, operation, format!("this provider has no type `{name}`"))
}

fn look_for(type_name: &str, state: Value, config: Value) -> ReadRequest {
    ReadRequest { type_name: type_name.to_owned(), state, config, private: Private::default(), identity: None }
}

#[async_trait]
impl Provider for Local {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        Ok(Arc::clone(&self.schema))
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        let places = Arc::new(Places::of(request.directory));
        self.places.set(places).map_err(|_| {
            ProviderError::new(Category::Validation, "configure", "the provider has been configured already")
        })
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        match request.subject {
            Subject::Provider => Ok(Vec::new()),
            Subject::Resource if request.type_name == command::TYPE => Ok(command::validate(&request.config)),
            Subject::Resource => Ok(path_type("validate", &request.type_name)?.validate(&request.config)),
            Subject::Data if self.schema.data.contains_key(&request.type_name) => {
                Ok(data::validate(&request.type_name, &request.config))
            }
            Subject::Data | Subject::Ephemeral => Err(unknown_type("validate", &request.type_name)),
        }
    }

    fn capability(&self, type_name: &str, config: &Value) -> Capability {
        if type_name == command::TYPE {
            return command::capability(config);
        }
        path_type("capability", type_name).map_or_else(|_| Capability::default(), |kind| kind.capability(config))
    }

    fn identity(&self, type_name: &str, config: &Value) -> Option<Value> {
        path_type("identity", type_name).ok()?;
        let path = config.get("path")?;
        match path.as_str() {
            Some(written) => Some(Value::from(match self.places.get() {
                Some(places) => places.identity(written),
                // Before it is known where the stack lives, the text is all there is.
                None => config::spelled(written),
            })),
            None => Some(path.clone()),
        }
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        if request.type_name == command::TYPE {
            return command::read(context, self.places("read")?, request).await;
        }
        let kind = path_type("read", &request.type_name)?;
        self.here("read", context)?.blocking("read", move |here| kind.observe(here, "read", &request)).await?
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        if request.type_name == command::TYPE {
            return command::find(context, self.places("find")?, request).await;
        }
        let kind = path_type("find", &request.type_name)?;
        let request = look_for(&request.type_name, Value::null(Type::Dynamic), request.config);
        let found = self.here("find", context)?.blocking("find", move |here| kind.observe(here, "find", &request));
        Ok(found.await??.map_or(Found::None, |observed| Found::One(Box::new(observed))))
    }

    async fn plan(&self, context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        if request.type_name == command::TYPE {
            return Ok(command::plan(request));
        }
        let kind = path_type("plan", &request.type_name)?;
        let here = self.here("plan", context)?;
        if request.proposed.is_null() {
            return here.blocking("plan", move |here| kind.plan_delete(here, request)).await?;
        }
        here.blocking("plan", move |here| kind.plan(here, request)).await?
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let operation = match change.effect {
            Effect::Create => "create",
            Effect::Update => "update",
            Effect::Delete => "delete",
        };
        if change.type_name == command::TYPE {
            return match self.places(operation) {
                Ok(places) => command::apply(context, places, change).await,
                Err(error) => Outcome::NotApplied(error),
            };
        }
        let ready = path_type(operation, &change.type_name).and_then(|kind| Ok((kind, self.here(operation, context)?)));
        let (kind, here) = match ready {
            Ok(ready) => ready,
            Err(error) => return Outcome::NotApplied(error),
        };
        match here.blocking(operation, move |here| Effected::outcome(kind.apply(here, change))).await {
            Ok(outcome) => outcome,
            // The work may still be under way: nobody can tell what comes of it.
            Err(error) => Outcome::Unknown { error, best_known: None },
        }
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        if request.object.type_name == command::TYPE {
            // The attributes hold the commands and the inputs: that is all there is.
            let ReadRequest { state, private, .. } = request.object;
            return Ok(Image { state, private, blobs: Vec::new() });
        }
        let kind = path_type("image", &request.object.type_name)?;
        self.here("image", context)?.blocking("image", move |here| kind.image(here, request)).await?
    }

    async fn recover(&self, context: &Context, request: ReadRequest) -> ProviderResult<()> {
        if request.type_name == command::TYPE {
            return Ok(());
        }
        let kind = path_type("recover", &request.type_name)?;
        self.here("recover", context)?.blocking("recover", move |here| kind.recover(here, &request)).await?
    }

    async fn presume(&self, context: &Context, type_name: &str, planned: Value) -> ProviderResult<Option<Value>> {
        Ok((type_name == command::TYPE).then(|| command::presume(context, planned)))
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        match request.type_name.as_str() {
            data::COMMAND => data::read_command(context, self.places("read")?, request.config).await,
            data::FILE => {
                let here = self.here("read", context)?;
                here.blocking("read", move |here| data::read_file(here, request.config)).await?
            }
            other => Err(unknown_type("read", other)),
        }
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        if request.type_name == command::TYPE {
            let message = "a command has no id to be found by";
            return Err(ProviderError::new(Category::Validation, "import", message));
        }
        let kind = path_type("import", &request.type_name)?;
        let state = Value::object([("path", Value::from(request.id.as_str()))]);
        let asked = look_for(&request.type_name, state, Value::null(Type::Dynamic));
        let found = self.here("import", context)?.blocking("import", move |here| kind.observe(here, "import", &asked));
        let Some(object) = found.await?? else {
            let message = format!("there is nothing at {}", request.id);
            return Err(ProviderError::new(Category::NotFound, "import", message));
        };
        Ok(vec![Imported { type_name: request.type_name, object }])
    }
}
