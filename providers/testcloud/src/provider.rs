//! The provider: which verb goes where.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{
    Block, Capability, Category, Change, ConfigureRequest, Context, DataRequest, FindRequest, Found, Image,
    ImageRequest, ImportRequest, Imported, Observed, Outcome, PlanRequest, PlanResponse, Provider, ProviderDiagnostic,
    ProviderError, ProviderResult, ProviderSchema, ReadRequest, Subject, ValidateRequest, Value,
};

use crate::apply::{self, image_of};
use crate::client::Client;
use crate::config::{self, Config};
use crate::convert::same_apart_from_volatile;
use crate::image;
use crate::plan;
use crate::read;
use crate::resource::{RESOURCES, Resource, resource};

/// The provider for the fake cloud, not configured yet.
pub fn provider() -> Arc<dyn Provider> {
    Arc::new(TestCloud::default())
}

/// The provider for the fake cloud.
#[derive(Debug, Default)]
pub struct TestCloud {
    client: RwLock<Option<Client>>,
}

impl TestCloud {
    /// One that is configured already, over any transport.
    pub fn with_config(config: Config) -> Self {
        TestCloud { client: RwLock::new(Some(Client::new(config))) }
    }

    fn current(&self) -> Option<Client> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client(&self, operation: &str) -> ProviderResult<Client> {
        self.current().ok_or_else(|| {
            ProviderError::new(
                Category::Validation,
                operation,
                "the provider is not configured: its `url` is not known",
            )
        })
    }
}

fn known(type_name: &str, operation: &str) -> ProviderResult<&'static Resource> {
    resource(type_name).ok_or_else(|| {
        let message = format!("this provider has no managed type `{type_name}`");
        ProviderError::new(Category::Validation, operation, message)
    })
}

#[async_trait]
impl Provider for TestCloud {
    async fn schema(&self) -> ProviderResult<Arc<ProviderSchema>> {
        let resources = RESOURCES.iter().map(|resource| (resource.type_name.to_owned(), Arc::new((resource.schema)())));
        Ok(Arc::new(ProviderSchema {
            provider: config::schema(),
            resources: resources.collect(),
            data: [(image::TYPE_NAME.to_owned(), Arc::new(image::schema()))].into(),
            ..ProviderSchema::default()
        }))
    }

    async fn configure(&self, request: ConfigureRequest) -> ProviderResult<()> {
        let client = Config::from_value(&request.config)?.map(Client::new);
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    async fn validate(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        Ok(match request.subject {
            Subject::Provider => config::validate(&request.config),
            Subject::Resource => (known(&request.type_name, "validate")?.validate)(&request.config),
            Subject::Data | Subject::Ephemeral => Vec::new(),
        })
    }

    fn capability(&self, type_name: &str, _config: &Value) -> Capability {
        let settles_within = self.current().map_or(Duration::ZERO, |client| client.settles_within());
        resource(type_name).map_or_else(Capability::default, |resource| resource.capability(settles_within))
    }

    async fn read(&self, context: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        let resource = known(&request.type_name, "read")?;
        read::read_settled(&self.client("read")?, resource, context, "read", &request.state, false).await
    }

    async fn find(&self, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let resource = known(&request.type_name, "find")?;
        read::find(&self.client("find")?, resource, context, request).await
    }

    async fn plan(&self, _context: &Context, request: PlanRequest) -> ProviderResult<PlanResponse> {
        Ok(plan::plan(known(&request.type_name, "plan")?, request))
    }

    async fn apply(&self, context: &Context, change: Change) -> Outcome {
        let known = known(&change.type_name, "apply").and_then(|resource| Ok((resource, self.client("apply")?)));
        match known {
            Ok((resource, client)) => apply::apply(&client, resource, context, change).await,
            Err(error) => Outcome::NotApplied(error),
        }
    }

    async fn image(&self, context: &Context, request: ImageRequest) -> ProviderResult<Image> {
        let block = (known(&request.object.type_name, "image")?.schema)().block;
        let seen = request.object.state.clone();
        match self.read(context, request.object).await? {
            Some(object) if same_apart_from_volatile(&block, &object.state, &seen) => Ok(image_of(object)),
            _ => Err(ProviderError::new(Category::Conflict, "image", "it has changed since it was read")),
        }
    }

    async fn import(&self, context: &Context, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let resource = known(&request.type_name, "import")?;
        let block: Block = (resource.schema)().block;
        let state = Value::object(block.attributes.iter().map(|(name, attribute)| {
            let is_key = name == resource.key;
            let value = if is_key { Value::from(request.id.as_str()) } else { Value::null(attribute.value_type()) };
            (name.as_str(), value)
        }));
        let client = self.client("import")?;
        match read::read_settled(&client, resource, context, "import", &state, false).await? {
            Some(object) => Ok(vec![Imported { type_name: request.type_name, object }]),
            None => {
                let message = format!("there is no `{}` with the {} `{}`", request.type_name, resource.key, request.id);
                Err(ProviderError::new(Category::NotFound, "import", message))
            }
        }
    }

    async fn read_data(&self, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        if request.type_name != image::TYPE_NAME {
            let message = format!("this provider has no data type `{}`", request.type_name);
            return Err(ProviderError::new(Category::Validation, "read_data", message));
        }
        image::read(&self.client("read_data")?, context, &request.config).await
    }

    async fn list(&self, context: &Context, type_name: &str) -> ProviderResult<Vec<Observed>> {
        read::list(&self.client("list")?, known(type_name, "list")?, context).await
    }
}
