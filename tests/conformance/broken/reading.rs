//! Broken in what is read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{
    Capability, Category, Context, Image, ImageRequest, Observed, Provider, ProviderError, ProviderResult, ReadRequest,
    Value,
};

use super::Breakage;

/// The record is taken for the world.
#[derive(Default)]
pub struct EchoesRecord;

#[async_trait]
impl Breakage for EchoesRecord {
    async fn read(&self, _: &dyn Provider, _: &Context, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        Ok(Some(Observed::of(request.state)))
    }
}

/// A read invents something.
#[derive(Default)]
pub struct Misreads;

#[async_trait]
impl Breakage for Misreads {
    async fn read(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ReadRequest,
    ) -> ProviderResult<Option<Observed>> {
        let found = good.read(context, request).await?;
        Ok(found.map(|found| Observed {
            state: found.state.clone().with_attribute("locator", Value::from("elsewhere")),
            ..found
        }))
    }
}

/// What is gone is an error.
#[derive(Default)]
pub struct GoneIsAnError;

#[async_trait]
impl Breakage for GoneIsAnError {
    async fn read(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ReadRequest,
    ) -> ProviderResult<Option<Observed>> {
        match good.read(context, request).await? {
            Some(found) => Ok(Some(found)),
            None => Err(ProviderError::new(Category::NotFound, "read", "not found")),
        }
    }
}

/// A read does not tell the marker.
#[derive(Default)]
pub struct HidesMarker;

#[async_trait]
impl Breakage for HidesMarker {
    async fn read(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ReadRequest,
    ) -> ProviderResult<Option<Observed>> {
        Ok(good.read(context, request).await?.map(|found| Observed { marker: None, ..found }))
    }
}

/// Two reads at a time get in each other's way.
#[derive(Default)]
pub struct OneAtATime(AtomicU64);

#[async_trait]
impl Breakage for OneAtATime {
    async fn read(
        &self,
        good: &dyn Provider,
        context: &Context,
        request: ReadRequest,
    ) -> ProviderResult<Option<Observed>> {
        let alone = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        // A read that never waits would be over before the next one begins.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let found = good.read(context, request).await;
        self.0.fetch_sub(1, Ordering::SeqCst);
        if alone { found } else { Ok(None) }
    }
}

/// An image is made of what was read, without a look at what is there.
#[derive(Default)]
pub struct BlindImage;

#[async_trait]
impl Breakage for BlindImage {
    async fn image(&self, _: &dyn Provider, _: &Context, request: ImageRequest) -> ProviderResult<Image> {
        Ok(Image { state: request.object.state, private: request.object.private, blobs: Vec::new() })
    }
}

/// The settling time is not told.
#[derive(Default)]
pub struct ClaimsToBePrompt;

impl Breakage for ClaimsToBePrompt {
    fn capability(&self, good: &dyn Provider, type_name: &str, config: &Value) -> Capability {
        Capability { settles_within: Duration::ZERO, ..good.capability(type_name, config) }
    }
}
