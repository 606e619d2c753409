//! The fixed part of the format, as types that are never made: only their schema is.
//!
//! A field's documentation is what an editor shows.

#![expect(dead_code, reason = "the fields are read by nobody but the derive")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::resilience::{Resilience, Retry};

/// `[stack]`
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Stack {
    /// The version of the format.
    #[schemars(range(min = 1, max = 1))]
    schema: u8,
    /// The name of the stack; the directory's where none is written.
    name: Option<String>,
    /// When deletions happen: after everything else as far as dependencies permit, or as soon as they
    /// permit, where the old must make room for the new.
    deletes: Option<Deletes>,
    /// For how long a run can be unwound: "30 days".
    keep: Option<String>,
    /// Where the state lives.
    store: Option<Store>,
    /// What is done about failures of calls to all providers, and how much is asked for at once.
    resilience: Option<Resilience>,
    /// Where numbers about runs go.
    metrics: Option<Metrics>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Deletes {
    Last,
    Graph,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Store {
    /// A directory, relative to the stack, in place of `.retrue`.
    path: Option<String>,
}

/// Where numbers about runs go.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Metrics {
    /// A file for node-exporter's textfile collector, relative to the stack; its name ends in `.prom`. The variable
    /// `RETRUE_METRICS_FILE` wins over it.
    textfile: Option<String>,
}

/// An input of the stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Variable {
    /// A type: `string`, `number`, `bool`, `list(string)`, `map(object({ a = number }))`.
    r#type: Option<String>,
    /// The value where none is given.
    default: Option<Anything>,
    /// Whether null is a value of it.
    nullable: Option<bool>,
    /// For people.
    description: Option<String>,
    /// Whether its values are hidden.
    sensitive: Option<bool>,
    /// Whether its values rest nowhere: neither in plans nor in the state.
    ephemeral: Option<bool>,
    /// Where its value is read from when it is needed: "env:NAME", "file:PATH", "command:LINE".
    #[schemars(regex(pattern = "^(env|file|command):."))]
    from: Option<String>,
    /// What its values must fulfil.
    validation: Option<Conditions>,
}

/// A result of the stack.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Output {
    /// The value.
    value: Anything,
    /// For people.
    description: Option<String>,
    /// Whether it is hidden.
    sensitive: Option<bool>,
}

/// A rename: what was recorded under one address is meant by another.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Moved {
    /// The address that was: `TYPE.NAME`, `TYPE.NAME["key"]`.
    from: String,
    /// The address that is.
    to: String,
}

/// An adoption by id: what exists under it becomes what is declared under an address.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Import {
    /// The address that it becomes: `TYPE.NAME`, `TYPE.NAME["key"]`, `TYPE.NAME[each.key]`.
    to: String,
    /// How its system calls it; nothing that is known only after an apply.
    id: String,
    /// The provider configuration that finds it: that of the resource.
    provider: Option<String>,
    /// One import for each element of a set or list of texts, or entry of a map.
    for_each: Option<ForEach>,
}

/// Something that must hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Condition {
    /// A truth value.
    condition: Truth,
    /// What is said when it does not hold.
    message: String,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Conditions {
    One(Condition),
    Several(Vec<Condition>),
}

/// The keys of a resource that are not the provider's.
#[derive(JsonSchema)]
pub(super) struct Resource {
    /// What must be done before it, besides what it refers to: addresses.
    depends_on: Option<Vec<String>>,
    /// One instance for each element of a set or list of texts, or entry of a map.
    for_each: Option<ForEach>,
    /// So many instances.
    count: Option<Count>,
    /// The name of the provider configuration that it uses, where it is not that of its type.
    provider: Option<String>,
    /// How it is treated.
    lifecycle: Option<Lifecycle>,
}

/// The keys of a data source that are not the provider's.
#[derive(JsonSchema)]
pub(super) struct Data {
    /// What must be done before it is read, besides what it refers to: addresses.
    depends_on: Option<Vec<String>>,
    /// One instance for each element of a set or list of texts, or entry of a map.
    for_each: Option<ForEach>,
    /// So many instances.
    count: Option<Count>,
    /// The name of the provider configuration that it uses, where it is not that of its type.
    provider: Option<String>,
    /// How it is treated.
    lifecycle: Option<DataLifecycle>,
    /// What stands in its place when it cannot be read, in the order in which it is tried.
    fallback: Option<Vec<Fallback>>,
}

/// One step of a fallback.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Fallback {
    /// What the last run read of it.
    last_known: Option<bool>,
    /// These attributes.
    value: Option<BTreeMap<String, Anything>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Lifecycle {
    /// Refuse its deletion.
    prevent_destroy: Option<bool>,
    /// Make a replacement before the old one is deleted.
    create_before_destroy: Option<bool>,
    /// Paths of attributes whose difference means nothing, or "all".
    ignore_changes: Option<IgnoreChanges>,
    /// References to resources, or attributes of them, whose change replaces it.
    replace_triggered_by: Option<Vec<String>>,
    /// Whether it is desired at all.
    enabled: Option<Truth>,
    /// When it exists and nobody owns it: take it over, or fail.
    on_existing: Option<OnExisting>,
    /// What a destroy does with it.
    on_destroy: Option<OnDestroy>,
    /// What must hold before a step.
    precondition: Option<Conditions>,
    /// What must hold after it; `self` is the resource.
    postcondition: Option<Conditions>,
    /// The deadline of its steps: "10m".
    timeout: Option<String>,
    /// Whether it may fail without failing the run.
    optional: Option<bool>,
    /// When and how often its steps are tried again, in place of what holds for its provider.
    retry: Option<Retry>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DataLifecycle {
    /// Whether it is read at all.
    enabled: Option<Truth>,
    /// What must hold before it is read.
    precondition: Option<Conditions>,
    /// What must hold after it; `self` is what was read.
    postcondition: Option<Conditions>,
    /// The deadline of reading it: "1m".
    timeout: Option<String>,
    /// Whether it may be unreadable without failing the run.
    optional: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum IgnoreChanges {
    Paths(Vec<String>),
    All(All),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum All {
    All,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnExisting {
    Adopt,
    Fail,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnDestroy {
    Delete,
    Restore,
    Forget,
}

/// A truth value, or a template.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Truth {
    Written(bool),
    Template(String),
}

/// A number, or a template.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Count {
    Written(u64),
    Template(String),
}

/// A list, a table, or a template.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum ForEach {
    List(Vec<String>),
    Map(BTreeMap<String, Anything>),
    Template(String),
}

/// Anything: a value, a template, or a list or table of them.
pub(super) struct Anything;

impl JsonSchema for Anything {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Anything".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
