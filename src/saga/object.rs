//! The recorded object: what is remembered of one thing outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use retrue_provider_api::{BlobId, Image, Path, Private, Value};
use serde::{Deserialize, Serialize};

use crate::address::{Address, BlockAddress};
use crate::plan::{Lifecycle, Provenance, Trigger};
use crate::rest::{RestingValue, Seal, UnsealError, seal_private, wake_private};

/// The version of the recorded form.
pub const OBJECT_VERSION: u32 = 1;

/// Whether an object is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectStatus {
    /// It is.
    Ok,
    /// Its creation was not finished: it is replaced next time.
    Tainted,
}

/// How an object became ours.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// We made it.
    Created,
    /// It existed; this is what it was, where that could be kept.
    Adopted(Option<Image>),
}

/// Which provider made an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRef {
    /// Its name, or source address.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// The hash of its binary, where it has one of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// The name of the configured instance.
    pub instance: String,
}

/// What is remembered of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedObject {
    /// Whether it is as it should be.
    pub status: ObjectStatus,
    /// All attributes; what is sensitive is marked.
    pub attributes: Value,
    /// The evaluated configuration that it was last brought to.
    pub config: Value,
    /// The provider's own bytes.
    pub private: Private,
    /// The provider's own identity, if it gave one.
    pub identity: Option<Value>,
    /// The version of the schema that `attributes` follow.
    pub schema_version: u64,
    /// Which provider made it.
    pub provider: ProviderRef,
    /// Where values came from.
    pub provenance: Provenance,
    /// The blocks that it depends on, directly.
    pub dependencies: Vec<BlockAddress>,
    /// Its generation.
    pub generation: u64,
    /// The run that last changed it.
    pub run: String,
    /// How it became ours.
    pub origin: Origin,
    /// What holds for it when its block is gone.
    pub lifecycle: Lifecycle,
    /// Whether something was sent with it that is write-only, and so is not kept.
    pub sent_write_only: bool,
    /// What it is still to be replaced for: an apply planned it and may have been cut off before.
    pub owed: Vec<Trigger>,
}

/// The recorded form of [`RecordedObject`], version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestingObject {
    v: u32,
    status: ObjectStatus,
    attributes: RestingValue,
    config: RestingValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<RestingValue>,
    schema_version: u64,
    provider: ProviderRef,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    provenance: BTreeMap<Path, (Address, Path)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<BlockAddress>,
    generation: u64,
    run: String,
    origin: RestingOrigin,
    #[serde(default)]
    lifecycle: Lifecycle,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sent_write_only: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    owed: Vec<Trigger>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RestingOrigin {
    Created,
    Adopted(Option<RestingImage>),
}

/// The recorded form of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestingImage {
    /// The attributes.
    pub state: RestingValue,
    /// The provider's own bytes, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<String>,
    /// The payloads that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobId>,
}

impl RestingImage {
    /// Lays an image to rest.
    pub fn new(image: &Image, seal: &dyn Seal) -> Self {
        RestingImage {
            state: RestingValue::new(&image.state, seal),
            private: seal_private(&image.private, seal),
            blobs: image.blobs.clone(),
        }
    }

    /// The image again.
    pub fn wake(&self, seal: &dyn Seal) -> Result<Image, UnsealError> {
        Ok(Image {
            state: self.state.wake(seal)?,
            private: wake_private(self.private.as_deref(), seal)?,
            blobs: self.blobs.clone(),
        })
    }
}

/// What was moved to where.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    /// By address.
    pub addresses: BTreeMap<Address, Address>,
    /// By block: where instances of it went, and whether none is left.
    pub blocks: BTreeMap<BlockAddress, (BTreeSet<BlockAddress>, bool)>,
}

impl RestingObject {
    /// Lays an object to rest.
    pub fn new(object: &RecordedObject, seal: &dyn Seal) -> Self {
        RestingObject {
            v: OBJECT_VERSION,
            status: object.status,
            attributes: RestingValue::new(&object.attributes, seal),
            config: RestingValue::new(&object.config, seal),
            private: seal_private(&object.private, seal),
            identity: object.identity.as_ref().map(|identity| RestingValue::new(identity, seal)),
            schema_version: object.schema_version,
            provider: object.provider.clone(),
            provenance: object.provenance.clone(),
            dependencies: object.dependencies.clone(),
            generation: object.generation,
            run: object.run.clone(),
            origin: match &object.origin {
                Origin::Created => RestingOrigin::Created,
                Origin::Adopted(image) => {
                    RestingOrigin::Adopted(image.as_ref().map(|image| RestingImage::new(image, seal)))
                }
            },
            lifecycle: object.lifecycle.clone(),
            sent_write_only: object.sent_write_only,
            owed: object.owed.clone(),
        }
    }

    /// The object again.
    pub fn wake(&self, seal: &dyn Seal) -> Result<RecordedObject, UnsealError> {
        Ok(RecordedObject {
            status: self.status,
            attributes: self.attributes.wake(seal)?,
            config: self.config.wake(seal)?,
            private: wake_private(self.private.as_deref(), seal)?,
            identity: self.identity.as_ref().map(|identity| identity.wake(seal)).transpose()?,
            schema_version: self.schema_version,
            provider: self.provider.clone(),
            provenance: self.provenance.clone(),
            dependencies: self.dependencies.clone(),
            generation: self.generation,
            run: self.run.clone(),
            origin: match &self.origin {
                RestingOrigin::Created => Origin::Created,
                RestingOrigin::Adopted(image) => {
                    Origin::Adopted(image.as_ref().map(|image| image.wake(seal)).transpose()?)
                }
            },
            lifecycle: self.lifecycle.clone(),
            sent_write_only: self.sent_write_only,
            owed: self.owed.clone(),
        })
    }

    /// What it is still to be replaced for.
    pub fn owed(&self) -> &[Trigger] {
        &self.owed
    }

    /// The same, to be replaced for this.
    #[must_use]
    pub fn owing(&self, owed: &[Trigger]) -> RestingObject {
        RestingObject { owed: owed.to_vec(), ..self.clone() }
    }

    /// The payloads that it names.
    pub fn blobs(&self) -> &[BlobId] {
        match &self.origin {
            RestingOrigin::Adopted(Some(image)) => &image.blobs,
            _ => &[],
        }
    }

    /// The attributes as they rest: what a reader without the key may see.
    pub fn attributes(&self) -> &RestingValue {
        &self.attributes
    }

    /// The evaluated configuration as it rests.
    pub fn config(&self) -> &RestingValue {
        &self.config
    }

    /// Which making at its address it is of.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where its values came from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Which provider made it.
    pub fn provider(&self) -> &ProviderRef {
        &self.provider
    }

    /// The same, with what it says of an address said of the one that it was moved to; `None` when it
    /// says nothing of any.
    pub fn renamed(&self, renames: &Renames) -> Option<RestingObject> {
        let mut object = self.clone();
        for (address, _) in object.provenance.values_mut() {
            if let Some(to) = renames.addresses.get(address) {
                *address = to.clone();
            }
        }
        let dependencies: BTreeSet<BlockAddress> = object
            .dependencies
            .iter()
            .flat_map(|block| match renames.blocks.get(block) {
                Some((targets, true)) => targets.iter().cloned().collect::<Vec<_>>(),
                Some((targets, false)) => targets.iter().chain([block]).cloned().collect(),
                None => vec![block.clone()],
            })
            .collect();
        let same = dependencies.len() == object.dependencies.len()
            && object.dependencies.iter().all(|block| dependencies.contains(block));
        if !same {
            object.dependencies = dependencies.into_iter().collect();
        }
        (object != *self).then_some(object)
    }

    /// The run that last changed it.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether it is as it should be.
    pub fn status(&self) -> ObjectStatus {
        self.status
    }
}

impl RecordedObject {
    /// The text of the attribute `id`, when it has one.
    pub fn id(&self) -> Option<Arc<str>> {
        self.attributes.get("id").and_then(Value::as_str).map(Arc::from)
    }
}
