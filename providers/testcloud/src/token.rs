//! `testcloud_token`: once its id is lost, nobody can find it.

use retrue_provider_api::{Attribute, Findable, Type};

use crate::resource::{Resource, schema};

pub(crate) const TOKEN: Resource = Resource {
    type_name: "testcloud_token",
    collection: "tokens",
    key: "id",
    findable: Findable::No,
    reads_back: false,
    holds_data: false,
    lost_by_delete: Some("gets a new id and a new secret"),
    part: None,
    schema: || {
        schema(
            "A token: nothing that can be set tells one from another, and it carries no tags.",
            [
                ("scope", Attribute::required(Type::String, "What it opens.")),
                ("audience", Attribute::optional(Type::String, "Whom it is for.").replaces()),
                ("id", Attribute::computed(Type::String, "The id, given by the cloud.")),
                ("secret", Attribute::computed(Type::String, "The secret, given by the cloud.").sensitive()),
            ],
            [],
        )
    },
    validate: |_| Vec::new(),
    fill: |planned, _| planned,
};
