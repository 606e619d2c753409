//! `testcloud_database`: it holds data, and a delete loses it.

use retrue_provider_api::{Attribute, Findable, Number, Path, ProviderDiagnostic, Type, Value};

use crate::resource::{Resource, check_name, schema, with_default};

pub(crate) const DATABASE: Resource = Resource {
    type_name: "testcloud_database",
    collection: "databases",
    key: "name",
    findable: Findable::ByIdentity,
    reads_back: false,
    holds_data: true,
    lost_by_delete: Some("rows are gone"),
    part: None,
    schema: || {
        schema(
            "A database: a delete loses its rows for good, and its password is never given back.",
            [
                ("name", Attribute::required(Type::String, "The name, unique in the cloud.").identity()),
                ("engine", Attribute::required(Type::String, "`postgres` or `mysql`.").replaces()),
                ("size", Attribute::optional_computed(Type::Number, "Gigabytes; 10 if unset.")),
                (
                    "password",
                    Attribute::optional(Type::String, "Taken, and never given back.").sensitive().unobserved(),
                ),
                ("tags", Attribute::optional(Type::map(Type::String), "Labels.")),
                ("endpoint", Attribute::computed(Type::String, "Where it answers.")),
                ("rows", Attribute::computed(Type::Number, "How many rows it holds.").volatile()),
            ],
            [],
        )
    },
    validate: |config| {
        let mut found = check_name(config);
        if let Some(engine) = config.get("engine").and_then(Value::as_str)
            && !matches!(engine, "postgres" | "mysql")
        {
            let message = format!("`{engine}` is not an engine: only `postgres` and `mysql` are");
            found.push(ProviderDiagnostic::error(Path::attribute("engine"), message));
        }
        if let Some(size) = config.get("size").and_then(Value::as_number)
            && (*size < Number::from(1i64) || !size.is_integer())
        {
            let message = format!("{size} is not a whole number of gigabytes");
            found.push(ProviderDiagnostic::error(Path::attribute("size"), message));
        }
        found
    },
    fill: |planned, _| with_default(planned, "size", Value::from(10i64)),
};
