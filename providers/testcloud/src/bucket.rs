//! `testcloud_bucket`: its name is its identity.

use retrue_provider_api::{Attribute, Findable, Type, Value};

use crate::resource::{Resource, check_name, schema, with_default};

pub(crate) const BUCKET: Resource = Resource {
    type_name: "testcloud_bucket",
    collection: "buckets",
    key: "name",
    findable: Findable::ByIdentity,
    reads_back: false,
    holds_data: false,
    lost_by_delete: None,
    part: None,
    schema: || {
        schema(
            "A bucket: its name is its identity, so that it is always found again.",
            [
                ("name", Attribute::required(Type::String, "The name, unique in the cloud.").identity()),
                ("tags", Attribute::optional(Type::map(Type::String), "Labels.")),
                (
                    "versioning",
                    Attribute::optional_computed(Type::Bool, "Whether old versions are kept; `false` if unset."),
                ),
                ("locator", Attribute::computed(Type::String, "The name with the cloud before it.")),
                ("reads", Attribute::computed(Type::Number, "How often it was looked at.").volatile()),
            ],
            [],
        )
    },
    validate: check_name,
    fill: |planned, _| with_default(planned, "versioning", Value::from(false)),
};
