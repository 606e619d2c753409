//! The tables that the block of one of Terraform's providers may hold.

use serde_json::{Map, Value as Json, json};

/// The keys with what stands behind them.
pub(super) fn tables() -> Map<String, Json> {
    Map::from_iter([
        ("errors".to_owned(), errors()),
        (
            "recipes".to_owned(),
            json!({
                "type": "object",
                "description": "How objects of a type are found again; `*` in the name of a type stands for anything.",
                "propertyNames": { "pattern": "^[A-Za-z0-9_*-]+$" },
                "additionalProperties": recipe(),
            }),
        ),
        ("data_types".to_owned(), texts("Types whose objects hold data that a delete loses: `acme_disk*`.")),
    ])
}

fn text(description: &str) -> Json {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn texts(description: &str) -> Json {
    json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "description": description })
}

fn errors() -> Json {
    let categories = [
        ("transient", "Will pass by itself."),
        ("rate-limited", "Too many requests."),
        ("authentication", "Who we are, or what we may do."),
        ("validation", "What was asked for is not valid."),
        ("not-found", "What was asked about is not there."),
        ("conflict", "It is there already, or in a state that forbids the operation."),
        ("server-error", "The other side failed."),
        ("time-out", "No answer in time."),
        ("network", "The other side was not reached, or the connection broke."),
        ("unknown", "None of these."),
    ];
    let properties: Map<String, Json> =
        categories.into_iter().map(|(name, description)| (name.to_owned(), texts(description))).collect();
    json!({
        "type": "object",
        "description": "Parts of the texts of errors by what kind of error they mean.",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn recipe() -> Json {
    json!({
        "type": "object",
        "properties": {
            "nothing_outside": {
                "type": "boolean",
                "description": "The record is the whole truth, and there is nothing to be found.",
            },
            "identity": texts("The attributes that name an object."),
            "defaults": {
                "type": "object",
                "additionalProperties": { "type": "string", "minLength": 1 },
                "description": "What an attribute of the identity means where it is not set.",
            },
            "unless": texts("Attributes that, when one of them is set, make it an object that is not found so."),
            "lookup": {
                "type": "object",
                "properties": {
                    "data": text("The type of the data source."),
                    "config": { "type": "object", "description": "Its configuration: `{name}` is an attribute." },
                    "id": text("The attribute of its answer with the id, or the list of ids."),
                    "none": texts("Parts of its errors, in lower case, that mean that there is no such thing."),
                },
                "required": ["data", "config", "id"],
                "additionalProperties": false,
                "description": "A data source that is asked first.",
            },
            "import": text("The id to import by: `{name}` is an attribute, `{id}` what the lookup answered."),
            "absent": texts("Parts of the errors of an import, in lower case, that mean that there is no such thing."),
            "marker": text("The attribute with the tags that takes the marker."),
            "deleted": {
                "type": "object",
                "additionalProperties": { "type": "array", "items": { "type": "string" } },
                "description": "Values of attributes that mean that it is gone.",
            },
            "unfinished": {
                "enum": ["updated", "replaced", "always_replaced"],
                "description": "What becomes of what an interrupted create left.",
            },
            "settles": {
                "type": "integer",
                "minimum": 0,
                "maximum": 3600,
                "description": "Seconds until a new object is certainly seen.",
            },
        },
        "additionalProperties": false,
    })
}
