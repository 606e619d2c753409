//! Which room may name which. Arrows run one way, and here they are written down.

use std::collections::{BTreeMap, BTreeSet};

use super::sources;

/// What every room may name: words that belong to nobody.
const GROUND: &[&str] = &["address", "broken", "clock", "crash", "crash_point", "diagnostic", "rest", "span"];

/// Each room, and the rooms that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "apply",
            "codes",
            "config",
            "engine",
            "graph",
            "health",
            "migrate",
            "plan",
            "reconcile",
            "registry",
            "resilience",
            "saga",
            "store",
            "telemetry",
            "trace",
        ],
    ),
    (
        "engine",
        &[
            "apply",
            "config",
            "expression",
            "health",
            "migrate",
            "plan",
            "reconcile",
            "registry",
            // What it tells of the ways of providers.
            "resilience",
            "saga",
            "store",
            "survey",
            "telemetry",
            "trace",
        ],
    ),
    // Apply tells the engine's observer what happens; everything else of the engine is above it.
    ("apply", &["engine", "expression", "health", "plan", "resilience", "saga", "store", "survey"]),
    ("survey", &["config", "expression", "graph", "health", "plan", "registry", "resilience", "saga", "trace"]),
    // What is secret in a type, and which program a provider was.
    ("trace", &["plan"]),
    ("reconcile", &["plan"]),
    // Plan reads what is recorded and carries health checks, the saga writes down what steps are called.
    ("plan", &["health", "resilience", "saga"]),
    ("saga", &["plan", "resilience", "store"]),
    // What functions there are, and what a stack's files are called.
    ("migrate", &["config", "expression"]),
    // `validate` looks for circles, the graph is built from a stack.
    ("config", &["expression", "graph", "health", "resilience"]),
    ("graph", &["config", "expression"]),
    ("expression", &[]),
    // It is given what to look at, and what to say of it goes to whoever asks.
    ("health", &[]),
    // Wraps any provider, whoever calls it.
    ("resilience", &["telemetry"]),
    ("store", &[]),
    // Plans and journals say which program a provider is.
    ("registry", &["config", "plan", "telemetry"]),
    // Is told by everybody, and knows nobody.
    ("telemetry", &[]),
    ("codes", &[]),
    ("main", &[]),
];

/// A file of `src` without what is not compiled into the program.
struct Source {
    name: String,
    room: String,
    code: String,
}

fn program() -> Vec<Source> {
    let is_test = |name: &str| name.contains("/tests") || name.ends_with("_tests.rs");
    sources("src")
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| {
            let room = name.trim_start_matches("src/").split('/').next().unwrap_or_default();
            let room = room.trim_end_matches(".rs").to_owned();
            Source { room, code: code_of(&text), name }
        })
        .collect()
}

/// The text without comments, without what stands in quotes, and without a module of tests at its end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names by `crate::ROOM` or `crate::{ROOM, …}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match part.strip_prefix('{') {
            None => {
                names.insert(word(part));
            }
            // Top-level entries of the braces.
            Some(inner) => {
                let mut depth = 0;
                let mut start = true;
                for (index, character) in inner.char_indices() {
                    match character {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            names.insert(word(inner.get(index..).unwrap_or_default()));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

#[test]
fn arrows_run_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    let mut wrong = Vec::new();
    for source in program() {
        for target in named(&source.code).into_iter().filter(|target| *target != source.room) {
            let ground = GROUND.contains(&target.as_str());
            if GROUND.contains(&source.room.as_str()) || source.room == "lib" {
                if !ground && source.room != "lib" {
                    wrong.push(format!("{}: the ground names `{target}`", source.name));
                }
                continue;
            }
            match allowed.get(source.room.as_str()) {
                None => wrong.push(format!("{}: the room `{}` is not in the table", source.name, source.room)),
                Some(targets) if !ground && !targets.contains(&target.as_str()) => {
                    wrong.push(format!("{}: `{}` may not name `{target}`", source.name, source.room));
                }
                Some(_) => {
                    used.insert((source.room.clone(), target));
                }
            }
        }
    }
    for (room, targets) in ARROWS {
        for target in *targets {
            if !used.contains(&((*room).to_owned(), (*target).to_owned())) {
                wrong.push(format!("nothing in `{room}` names `{target}` any more: take it from the table"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that decide: they are told everything, and look at nothing.
fn is_pure(name: &str) -> bool {
    const PURE: &[&str] = &["machine", "event", "history", "compensation", "object", "state"];
    let path = name.trim_start_matches("src/");
    path.starts_with("plan/")
        || path.strip_prefix("saga/").is_some_and(|rest| PURE.iter().any(|file| rest == format!("{file}.rs")))
        || path == "apply/schedule.rs"
        || path.starts_with("reconcile/")
}

#[test]
fn deciding_touches_nothing() {
    const FORBIDDEN: &[&str] = &[
        "tokio",
        "futures",
        "sled",
        "std::fs",
        "fs_err",
        "std::net",
        "std::process",
        "std::env",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant::now",
        "SystemTime",
        "jiff",
        "crate::clock",
        "rand::",
        "getrandom",
        "Uuid::new",
        "Uuid::now",
        "crate::store",
        "HashMap",
        "HashSet",
    ];
    let mut seen = 0;
    let mut wrong = Vec::new();
    for source in program().iter().filter(|source| is_pure(&source.name)) {
        seen += 1;
        for word in FORBIDDEN {
            if source.code.contains(word) {
                wrong.push(format!("{}: names `{word}`", source.name));
            }
        }
    }
    assert!(seen > 10, "only {seen} files were looked at: have they moved?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_one_file_names_the_database() {
    let naming: Vec<String> = program()
        .into_iter()
        .filter(|source| source.code.contains("sled::") || source.code.contains("use sled"))
        // Our own module of that name.
        .filter(|source| {
            let code = source.code.replace("super::sled::", "").replace("crate::store::sled::", "");
            code.contains("sled::") || code.contains("use sled")
        })
        .map(|source| source.name)
        .collect();
    assert_eq!(naming, ["src/store/sled.rs"]);
}

#[test]
fn providers_know_the_contract_and_nothing_else_of_ours() {
    for directory in super::files(&super::root().join("providers")) {
        let Some("Cargo.toml") = directory.file_name().and_then(|name| name.to_str()) else { continue };
        let text = fs_err::read_to_string(&directory).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else { continue };
        let ours: Vec<&String> = dependencies.keys().filter(|name| name.starts_with("retrue")).collect();
        assert!(ours.iter().all(|name| *name == "retrue-provider-api"), "{}: {ours:?}", directory.display());
    }
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for source in program().iter().filter(|source| source.room != "cli") {
        for word in ["println!", "eprintln!", "print!(", "std::io::stdout", "std::io::stderr", "indicatif", "anstream"]
        {
            if source.code.contains(word) {
                wrong.push(format!("{}: `{word}`", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_found() {
    let check = |code: &str, expect: &[&str]| assert_eq!(named(code).into_iter().collect::<Vec<_>>(), expect);
    check("use crate::plan::{A, B};", &["plan"]);
    check("use crate::{plan::{A, B}, saga};", &["plan", "saga"]);
    check("crate::a::b(crate::c::d)", &["a", "c"]);
}
