//! Broken in what is found.

use async_trait::async_trait;
use retrue_provider_api::{
    Context, DataRequest, FindRequest, Found, ImportRequest, Imported, Marker, Observed, Provider, ProviderResult,
    Type, Value,
};

use super::Breakage;

/// Whatever is asked for is found.
#[derive(Default)]
pub struct FindsAnything;

#[async_trait]
impl Breakage for FindsAnything {
    async fn find(&self, _: &dyn Provider, _: &Context, request: FindRequest) -> ProviderResult<Found> {
        Ok(Found::One(Box::new(Observed::of(request.config))))
    }
}

/// Only what was asked for is told of what is found.
#[derive(Default)]
pub struct FindsHalf;

#[async_trait]
impl Breakage for FindsHalf {
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        Ok(match good.find(context, request).await? {
            Found::One(one) => Found::One(Box::new(Observed {
                state: one.state.clone().with_attribute("locator", Value::null(Type::String)),
                ..*one
            })),
            other => other,
        })
    }
}

/// The first of many is good enough.
#[derive(Default)]
pub struct TakesTheFirst;

#[async_trait]
impl Breakage for TakesTheFirst {
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        Ok(match good.find(context, request).await? {
            Found::Many(mut many) => Found::One(Box::new(many.remove(0))),
            other => other,
        })
    }
}

/// The generation is not compared.
#[derive(Default)]
pub struct AnyGeneration;

#[async_trait]
impl Breakage for AnyGeneration {
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let wanted = request.marker.clone();
        let alike = |one: &Observed| {
            let own = one.marker.as_ref().and_then(|text| text.parse::<Marker>().ok());
            own.zip(wanted.clone())
                .is_some_and(|(own, wanted)| Marker { generation: wanted.generation, ..own } == wanted)
        };
        match good.find(context, request.clone()).await? {
            Found::None => {
                let all = good.list(context, &request.type_name).await?;
                Ok(all.into_iter().find(alike).map_or(Found::None, |one| Found::One(Box::new(one))))
            }
            found => Ok(found),
        }
    }
}

/// What carries somebody else's marker looks like nobody's.
#[derive(Default)]
pub struct HidesOwner;

#[async_trait]
impl Breakage for HidesOwner {
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        Ok(match good.find(context, request).await? {
            Found::One(one) => Found::One(Box::new(Observed { marker: None, ..*one })),
            other => other,
        })
    }
}

/// What cannot be looked for is said not to be there.
#[derive(Default)]
pub struct SaysNone;

#[async_trait]
impl Breakage for SaysNone {
    async fn find(&self, _: &dyn Provider, _: &Context, _: FindRequest) -> ProviderResult<Found> {
        Ok(Found::None)
    }
}

/// What exists is said to be as configured.
#[derive(Default)]
pub struct FindsWhatItWants;

#[async_trait]
impl Breakage for FindsWhatItWants {
    async fn find(&self, good: &dyn Provider, context: &Context, request: FindRequest) -> ProviderResult<Found> {
        let config = request.config.clone();
        Ok(match good.find(context, request).await? {
            Found::One(one) => {
                let set = config.as_entries().into_iter().flatten().filter(|(_, value)| !value.is_null());
                let state =
                    set.fold(one.state.clone(), |state, (name, value)| state.with_attribute(name, value.clone()));
                Found::One(Box::new(Observed { state, ..*one }))
            }
            other => other,
        })
    }
}

/// An import knows only the id.
#[derive(Default)]
pub struct ImportsTheId;

#[async_trait]
impl Breakage for ImportsTheId {
    async fn import(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ImportRequest,
    ) -> ProviderResult<Vec<Imported>> {
        let mut imported = good.import(context, request).await?;
        for imported in &mut imported {
            let state = imported.object.state.clone();
            imported.object.state = state.with_attribute("versioning", Value::null(Type::Bool));
        }
        Ok(imported)
    }
}

/// Every id leads somewhere.
#[derive(Default)]
pub struct ImportsAnything;

#[async_trait]
impl Breakage for ImportsAnything {
    async fn import(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ImportRequest,
    ) -> ProviderResult<Vec<Imported>> {
        let state = Value::object([("name", Value::from(request.id.as_str()))]);
        let made_up = Imported { type_name: request.type_name.clone(), object: Observed::of(state) };
        Ok(good.import(context, request).await.unwrap_or_else(|_| vec![made_up]))
    }
}

/// Data that is not what is there.
#[derive(Default)]
pub struct WrongData;

#[async_trait]
impl Breakage for WrongData {
    async fn read_data(&self, good: &dyn Provider, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        Ok(good.read_data(context, request).await?.with_attribute("id", Value::from("img-0")))
    }
}

/// Data that is not there is null.
#[derive(Default)]
pub struct MissingIsNull;

#[async_trait]
impl Breakage for MissingIsNull {
    async fn read_data(&self, good: &dyn Provider, context: &Context, request: DataRequest) -> ProviderResult<Value> {
        Ok(good.read_data(context, request).await.unwrap_or_else(|_| Value::null(Type::Dynamic)))
    }
}
