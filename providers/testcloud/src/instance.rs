//! `testcloud_instance`: found by its marker only, slow to make, and made by several calls.

use retrue_provider_api::{
    Attribute, Data, Findable, Nesting, Number, Path, PathStep, ProviderDiagnostic, Type, Value,
};

use crate::resource::{Resource, nested, schema, with_default};

pub(crate) const INSTANCE: Resource = Resource {
    type_name: "testcloud_instance",
    collection: "instances",
    key: "id",
    findable: Findable::ByMarker,
    reads_back: true,
    holds_data: false,
    lost_by_delete: Some("gets a new id and a new address"),
    part: Some("rule"),
    schema: || {
        schema(
            "An instance: its id is given by the cloud, it takes a while to run, and its rules are set by a call of \
             their own.",
            [
                ("image", Attribute::required(Type::String, "What it runs.")),
                ("size", Attribute::required(Type::String, "`small`, `medium` or `large`.")),
                ("zone", Attribute::optional_computed(Type::String, "Where it runs; `a` if unset.").replaces()),
                ("network_id", Attribute::optional(Type::String, "The network that it is in.")),
                ("tags", Attribute::optional(Type::map(Type::String), "Labels.")),
                ("id", Attribute::computed(Type::String, "The id, given by the cloud.")),
                ("address", Attribute::computed(Type::String, "Its address in its network.")),
                ("status", Attribute::computed(Type::String, "`running`, or `failed`.")),
            ],
            [
                (
                    "disk",
                    nested(
                        Nesting::List,
                        "A disk.",
                        [
                            ("size", Attribute::required(Type::Number, "Gigabytes.")),
                            ("label", Attribute::optional(Type::String, "A name for people.")),
                            ("device", Attribute::computed(Type::String, "The name of its device.")),
                        ],
                    ),
                ),
                (
                    "rule",
                    nested(
                        Nesting::Set,
                        "What is let in.",
                        [
                            ("port", Attribute::required(Type::Number, "The port.")),
                            ("protocol", Attribute::optional_computed(Type::String, "`tcp` (if unset) or `udp`.")),
                        ],
                    ),
                ),
            ],
        )
    },
    validate,
    fill,
};

fn validate(config: &Value) -> Vec<ProviderDiagnostic> {
    let mut found = Vec::new();
    if let Some(size) = config.get("size").and_then(Value::as_str)
        && !matches!(size, "small" | "medium" | "large")
    {
        let message = format!("`{size}` is not a size: only `small`, `medium` and `large` are");
        found.push(ProviderDiagnostic::error(Path::attribute("size"), message));
    }
    for (index, disk) in config.get("disk").and_then(Value::as_items).into_iter().flatten().enumerate() {
        if let Some(size) = disk.get("size").and_then(Value::as_number)
            && *size < Number::from(1i64)
        {
            let path = Path::attribute("disk").child(PathStep::Index(index)).child(PathStep::Attribute("size".into()));
            found.push(ProviderDiagnostic::error(path, format!("{size} gigabytes are not enough for a disk")));
        }
    }
    for rule in config.get("rule").and_then(Value::as_items).into_iter().flatten() {
        if let Some(port) = rule.get("port").and_then(Value::as_number)
            && !port.as_u64().is_some_and(|port| (1..=65535).contains(&port))
        {
            found.push(ProviderDiagnostic::error(Path::attribute("rule"), format!("{port} is not a port")));
        }
    }
    found
}

fn fill(planned: Value, prior: &Value) -> Value {
    let planned = with_default(planned, "zone", Value::from("a"));
    let planned = match planned.get("rule").map(Value::data) {
        Some(Data::Set(kind, rules)) => {
            let rules = rules.iter().map(|rule| with_default(rule.clone(), "protocol", Value::from("tcp")));
            let rules = Value::set(kind.clone(), rules);
            planned.with_attribute("rule", rules)
        }
        _ => planned,
    };
    // The address is one in the network.
    if !prior.is_null() && planned.get("network_id") != prior.get("network_id") {
        return planned.with_attribute("address", Value::unknown(Type::String));
    }
    planned
}
