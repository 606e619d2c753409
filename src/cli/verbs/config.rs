//! `retrue config`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::json::value::Shown;
use crate::cli::render::plan::Screen;
use crate::cli::render::text::{bold, dim, visible};
use crate::cli::render::value::named;
use crate::cli::session::Session;
use crate::config::{DeleteOrder, Stack};
use crate::engine::{self, Workspace};
use crate::resilience::{BreakerRules, Limits, Policy};
use crate::store::KeySource;

/// Show what is in force: variables, providers, settings
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {}

#[derive(Serialize)]
struct Document {
    stack: String,
    directory: String,
    environment: String,
    store: String,
    key: Option<String>,
    parallelism: usize,
    deletes: &'static str,
    keep: String,
    metrics: Option<String>,
    variables: BTreeMap<String, WireVariable>,
    providers: BTreeMap<String, WireProvider>,
}

#[derive(Serialize)]
struct WireVariable {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    from: String,
    sensitive: bool,
}

#[derive(Serialize)]
struct WireProvider {
    #[serde(rename = "type")]
    kind: String,
    resilience: BTreeMap<&'static str, Json>,
}

/// What holds for the calls to a provider, by name: numbers as they are, and how long things take as people say it.
fn resilience(policy: &Policy) -> BTreeMap<&'static str, Json> {
    let time = |time: Duration| json!(people(time));
    let limits = |limits: &Limits| {
        let mut shown = Map::new();
        if let Some(concurrency) = limits.concurrency {
            shown.insert("concurrency".to_owned(), json!(concurrency));
        }
        if let Some(rate) = limits.rate {
            shown.insert("rate".to_owned(), json!(rate.to_string()));
        }
        shown
    };
    let Policy { retry, budget, breaker, limits: all, types, time_outs, errors } = policy;
    let times = [
        ("read", time_outs.read),
        ("create", time_outs.create),
        ("update", time_outs.update),
        ("delete", time_outs.delete),
    ];
    let times = times.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), time(limit?))));
    let mut shown = BTreeMap::from([
        (
            "retry",
            json!({
                "attempts": retry.attempts,
                "first_wait": time(retry.first_wait),
                "longest_wait": time(retry.longest_wait),
                "within": time(retry.within),
                "jitter": retry.jitter.word(),
            }),
        ),
        ("budget", json!({"retries": budget.retries, "most": budget.most, "per_success": budget.per_success})),
        ("breaker", rules_of(breaker)),
        ("time_outs", Json::Object(times.collect())),
        ("types", types.iter().map(|(pattern, of)| (pattern.clone(), Json::Object(limits(of)))).collect()),
    ]);
    if !errors.is_empty() {
        shown.insert(
            "errors",
            errors.0.iter().map(|(category, parts)| (category.to_string(), Json::from(parts.join(" | ")))).collect(),
        );
    }
    for (name, value) in limits(all) {
        shown.insert(if name == "rate" { "rate" } else { "concurrency" }, value);
    }
    shown
}

fn rules_of(breaker: &BreakerRules) -> Json {
    let BreakerRules { failures, open_for, probes, hold, recovery_check } = breaker;
    let mut shown = json!({
        "failures": failures,
        "open_for": people(*open_for),
        "probes": probes,
        "hold": people(*hold),
    });
    if let (Some(check), Json::Object(entries)) = (recovery_check, &mut shown) {
        entries.insert("recovery_check".to_owned(), json!(check));
    }
    shown
}

/// A time as people say it, and as the format takes it.
fn people(time: Duration) -> String {
    jiff::SignedDuration::try_from(time).map(|time| format!("{time:#}")).unwrap_or_default()
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, _arguments: Arguments) -> Ending {
    let workspace = engine::workspace(&session.options())?;
    let document = document(session, &workspace)?;
    if session.console.settings().json {
        return session.document(&document);
    }
    let mut screen = Screen::new(session.detail());
    let parallelism = document.parallelism.to_string();
    let facts = [
        ("stack", document.stack.as_str()),
        ("directory", &document.directory),
        ("environment", &document.environment),
        ("state", &document.store),
        ("key", document.key.as_deref().unwrap_or("none: there is no place for a key file")),
        ("parallelism", &parallelism),
        ("deletes", document.deletes),
        ("keep", &document.keep),
        ("metrics", document.metrics.as_deref().unwrap_or("not written")),
    ];
    for (name, value) in facts {
        screen.words(&dim(&format!("{name:<12} ")), &visible(value));
    }
    variables(&mut screen, &workspace);
    if !document.providers.is_empty() {
        screen.blank();
        screen.line(&bold("Providers:"));
        for (name, provider) in &document.providers {
            screen.line(&format!("  {}  {}", visible(name), dim(&format!("type {}", visible(&provider.kind)))));
            for (name, value) in &provider.resilience {
                for line in facts_of(name, value) {
                    screen.words("    ", &visible(&line));
                }
            }
        }
    }
    session.console.data(&screen.finish());
    Ok(Exit::Done)
}

/// What is in force, a line for each subject.
fn facts_of(name: &str, value: &Json) -> Vec<String> {
    if let Some(ways) = value.as_array() {
        let names = |way: &Json| way.as_array().into_iter().flatten().map(plain).collect::<Vec<_>>().join(", ");
        let ways = ways.iter().zip(1..).map(|(way, number)| format!("{name} {number}: with another {}", names(way)));
        return ways.collect();
    }
    let Some(entries) = value.as_object() else { return vec![format!("{name} {}", plain(value))] };
    let nested = entries.iter().filter_map(|(inner, value)| Some((inner, value.as_object()?)));
    let nested = nested.map(|(inner, entries)| format!("{inner}: {}", list(entries)));
    let flat: Map<String, Json> = entries
        .iter()
        .filter(|(_, value)| !value.is_object())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let own = (!flat.is_empty()).then(|| format!("{name}: {}", list(&flat)));
    own.into_iter().chain(nested).collect()
}

fn list(entries: &Map<String, Json>) -> String {
    let texts = entries.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
    texts.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn variables(screen: &mut Screen, workspace: &Workspace) {
    let values = &workspace.variables.values;
    if values.is_empty() {
        return;
    }
    screen.blank();
    screen.line(&bold("Variables:"));
    let padding = values.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = screen.width().saturating_sub(2);
    for (name, value) in values {
        let from = workspace.variables.origins.get(name).map(ToString::to_string).unwrap_or_default();
        let remark = dim(&format!("  from {}", visible(&from)));
        let mut lines = named(name, padding, value, columns);
        if let Some(last) = lines.last_mut() {
            last.push_str(&remark);
        }
        for line in lines {
            screen.line(&format!("  {line}"));
        }
    }
}

fn document(session: &Session, workspace: &Workspace) -> Result<Document, Failure> {
    let options = session.options();
    let stack = &workspace.stack;
    let key = KeySource::from_environment(|name| std::env::var_os(name));
    let variables = workspace.variables.values.iter().map(|(name, value)| {
        let mut shown = Shown::default();
        let json = shown.json(value);
        let sensitive = !shown.sensitive.is_empty();
        let from = workspace.variables.origins.get(name).map(ToString::to_string).unwrap_or_default();
        (name.to_string(), WireVariable { value: (!sensitive).then_some(json), from, sensitive })
    });
    Ok(Document {
        stack: stack.name.to_string(),
        directory: session.directory().display().to_string(),
        environment: options.environment.clone(),
        store: engine::store_directory(&options, Some(stack))?.display().to_string(),
        key: key.ok().map(|key| key.to_string()),
        parallelism: options.parallelism,
        deletes: match stack.settings.deletes {
            DeleteOrder::Last => "last",
            DeleteOrder::Graph => "graph",
        },
        keep: people(stack.settings.keep),
        metrics: engine::metrics_file(&options, stack).map(|path| path.display().to_string()),
        variables: variables.collect(),
        providers: providers(stack),
    })
}

/// The configurations of providers: those that are written down, and those that types stand for by their names.
fn providers(stack: &Stack) -> BTreeMap<String, WireProvider> {
    let implied = stack.blocks.values().map(|block| stack.provider_name(block));
    let implied = implied.map(|name| {
        let resilience = resilience(&stack.policy(&name));
        (name.to_string(), WireProvider { kind: name.to_string(), resilience })
    });
    let written = stack.providers.values().map(|provider| {
        let mut resilience = resilience(&stack.policy(&provider.name));
        if !provider.fallback.is_empty() {
            resilience.insert("fallback", provider.named_in_ways().map(|names| json!(names)).collect());
        }
        (provider.name.to_string(), WireProvider { kind: provider.type_name.to_string(), resilience })
    });
    implied.chain(written).collect()
}
