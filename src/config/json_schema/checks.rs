//! `[check.NAME]`.

use serde_json::{Value as Json, json};

/// One check. Templates may stand wherever a text does.
pub(super) fn check() -> Json {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number =
        |least: u32, description: &str| json!({ "type": "integer", "minimum": least, "description": description });
    let status = json!({ "type": "integer", "minimum": 100, "maximum": 599 });
    let words = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    let template = json!({ "type": "string" });
    let http = json!({
        "type": "object",
        "description": "A server answers as it should.",
        "required": ["url"],
        "additionalProperties": false,
        "properties": {
            "url": text("Where it is asked. Redirections are not followed."),
            "method": { "type": "string", "pattern": "^[A-Z]+$", "description": "How it is asked: \"GET\"." },
            "headers": { "description": "What is sent along.", "type": ["object", "string"] },
            "send": text("The body that is sent."),
            "status": {
                "description": "The statuses that will do; 200 to 299 where none is written.",
                "anyOf": [status, { "type": "array", "items": status }],
            },
            "matches": text("A regular expression that the body matches."),
            "contains": text("What the body contains."),
            "latency": text("How long it may take until it answers: \"500ms\"."),
            "certificate_days": number(1, "For how many days its certificate must be good."),
        },
    });
    let tcp = json!({
        "description": "Somebody listens.",
        "anyOf": [template, {
            "type": "object",
            "required": ["address"],
            "additionalProperties": false,
            "properties": { "address": text("A host and a port: \"db.example.org:5432\".") },
        }],
    });
    let command = json!({
        "description": "A command ends as it should.",
        "anyOf": [words, {
            "type": "object",
            "required": ["run"],
            "additionalProperties": false,
            "properties": {
                "run": { "anyOf": [words, template], "description": "The program and its arguments." },
                "exit_code": number(0, "The status that it ends with; 0 where none is written."),
                "stdout": text("A regular expression that its standard output matches."),
                "contains": text("What its standard output contains."),
            },
        }],
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "http": http,
            "tcp": tcp,
            "command": command,
            "condition": { "type": ["boolean", "string"], "description": "A truth value." },
            "message": text("What is said when the condition does not hold."),
            "severity": {
                "enum": ["error", "warning"],
                "description": "What it means when it is unhealthy: the run has failed, or it is only told.",
            },
            "retries": number(0, "How many failures there may be before it is unhealthy."),
            "interval": text("The time between two tries: \"2s\"."),
            "timeout": text("How long one try may take: \"10s\"."),
            "healthy": number(1, "How many successes in a row make it healthy."),
            "unhealthy": number(1, "How many failures in a row make it unhealthy."),
            "description": text("For people."),
        },
        "anyOf": [
            { "required": ["http"] },
            { "required": ["tcp"] },
            { "required": ["command"] },
            { "required": ["condition", "message"] },
        ],
    })
}
