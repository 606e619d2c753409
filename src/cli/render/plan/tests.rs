use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Path, Reversibility, Type, Value};

use super::*;
use crate::address::Address;
use crate::cli::console::plain;
use crate::plan::{Base, Change, Drift, DriftStatus, InDoubt, ObjectKey, OutputChange, Pivot, PlannedValue};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn empty() -> Plan {
    Plan {
        stack: Arc::from("shop"),
        environment: Arc::from("default"),
        kind: PlanKind::Apply,
        base: Base::default(),
        changes: Vec::new(),
        steps: Vec::new(),
        groups: Vec::new(),
        outputs: Vec::new(),
        checks: Vec::new(),
        remembered: Default::default(),
        degraded: Vec::new(),
        moved: Vec::new(),
        providers: BTreeMap::new(),
        shared: BTreeMap::new(),
        ephemerals: Vec::new(),
        sources: BTreeMap::new(),
        asked: Default::default(),
        drift: Vec::new(),
        in_doubt: Vec::new(),
        pivot: None,
        warnings: Vec::new(),
        digest: String::new(),
    }
}

fn change(name: &str, action: Action, before: Value, after: Value) -> Change {
    Change {
        address: address(name),
        object: ObjectKey::Current,
        action,
        reversible: Reversibility::Full,
        reasons: Vec::new(),
        before,
        after,
        recorded: None,
        replace_because: Vec::new(),
        moved_from: None,
        create_before_destroy: false,
        old: None,
        warnings: Vec::new(),
        import: None,
        triggers: Vec::new(),
    }
}

fn nothing() -> Value {
    Value::null(Type::Dynamic)
}

fn file(content: &str, mode: &str) -> Value {
    Value::object([
        ("path", Value::from("site/index.html")),
        ("content", Value::from(content)),
        ("mode", Value::from(mode)),
        ("owner", Value::null(Type::String)),
    ])
}

/// A plan with changes has steps; what is in them does not show.
fn of(changes: Vec<Change>) -> Plan {
    let output =
        OutputChange { name: "at".into(), before: None, after: None, reseal: false, provenance: BTreeMap::new() };
    let mut plan = Plan { changes, outputs: vec![output], ..empty() };
    plan.outputs.push(OutputChange {
        name: "url".into(),
        before: Some(Value::from("http://old")),
        after: Some(PlannedValue { value: Value::unknown(Type::String), pending: BTreeMap::new() }),
        reseal: false,
        provenance: BTreeMap::new(),
    });
    plan
}

fn show(plan: &Plan, width: usize) -> String {
    let text = plain(&super::plan(plan, Detail { width, all: false }));
    for line in text.lines() {
        assert!(super::width(line) <= width, "wider than {width}: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    text
}

#[test]
fn nothing_to_do() {
    let plan = Plan { changes: vec![change("a.b", Action::NoOp, nothing(), nothing())], ..empty() };
    insta::assert_snapshot!(show(&plan, 100), @"shop: nothing to do, the world is as declared.");
    let plan = Plan { kind: PlanKind::Destroy, environment: "prod".into(), ..empty() };
    insta::assert_snapshot!(show(&plan, 100), @"shop (prod): nothing to destroy.");
}

#[test]
fn create() {
    let attributes = Value::object([
        ("path", Value::from("site/index.html")),
        ("content", Value::from("<h1>shop</h1>\n<p>open</p>\n")),
        ("mode", Value::null(Type::String)),
        ("id", Value::unknown(Type::String)),
        ("password", Value::from("hunter2").sensitive()),
        ("tags", Value::map(Type::String, [("a.b", Value::from("c")), ("d", Value::unknown(Type::String))])),
    ]);
    insta::assert_snapshot!(show(&of(vec![change("local_file.page", Action::Create, nothing(), attributes)]), 100));
}

#[test]
fn update() {
    let mut one =
        change("local_file.page", Action::Update, file("one\ntwo\nthree\n", "0600"), file("one\n2\nthree\n", "0644"));
    one.recorded = Some(file("one\ntwo\nthree\n", "0644"));
    one.reasons = vec!["attribute content changed".into(), "mode was changed outside".into()];
    insta::assert_snapshot!(show(&of(vec![one]), 100));
}

#[test]
fn replace() {
    let with_path = |path: &str| file("x", "0644").with_attribute("path", Value::from(path));
    let mut one = change("local_file.page", Action::Replace, with_path("a.html"), with_path("b.html"));
    one.replace_because = vec![Path::attribute("path")];
    one.create_before_destroy = true;
    let mut two = change("retrue_data.x", Action::Replace, nothing(), nothing());
    two.before = Value::object([("id", Value::from("1"))]);
    two.after = Value::object([("id", Value::unknown(Type::String))]);
    two.reversible = Reversibility::Lossy("gets a new id".into());
    two.reasons = vec!["asked for by --replace".into()];
    insta::assert_snapshot!(show(&of(vec![one, two]), 100));
}

/// The whole of what can be dangerous, on one screen.
fn dangerous() -> Plan {
    let mut lossy = change("postgres_database.old", Action::Delete, file("x", "0644"), nothing());
    lossy.reversible = Reversibility::Lossy("rows are gone".into());
    lossy.reasons = vec!["it is no longer declared".into()];
    let mut never =
        change("local_command.mail", Action::Create, nothing(), Value::object([("id", Value::unknown(Type::String))]));
    never.reversible = Reversibility::No("it has no `delete`".into());
    never.warnings = vec!["it has no `read`: drift cannot be seen and doubt not be settled".into()];
    let mut adopted = change("local_file.logo", Action::Adopt, file("a\u{0}b", "0604"), file("new\n", "0604"));
    adopted.reasons = vec!["it exists, and nobody owns it".into()];
    let mut moved = change("local_file.moved", Action::NoOp, nothing(), nothing());
    moved.moved_from = Some(address("local_file.before"));
    let mut plan =
        of(vec![lossy, never, adopted, moved, change("local_file.gone", Action::Delete, file("y", "0600"), nothing())]);
    plan.pivot = Some(Pivot {
        address: address("postgres_database.old"),
        step: 0,
        reason: "rows are gone".into(),
        behind: (0..8).map(|index| address(&format!("postgres_role.app[{index}]"))).collect(),
    });
    plan.in_doubt = vec![InDoubt {
        address: address("aws_sqs_queue.jobs[\"low\"]"),
        step: "s".into(),
        run: "r".into(),
        reason: "the create began and did not end".into(),
    }];
    let drift = |name: &str, status| Drift {
        object: ObjectKey::Current,
        address: address(name),
        status,
        attributes: vec![Path::attribute("mode"), Path::attribute("content")],
        declared: Vec::new(),
        recorded: nothing(),
        desired: nothing(),
        observed: nothing(),
        error: Some("permission denied".into()),
    };
    plan.drift = vec![
        drift("local_file.a", DriftStatus::Drifted),
        drift("local_file.b", DriftStatus::Missing),
        drift("local_file.c", DriftStatus::Unreadable),
        drift("local_file.d", DriftStatus::ChangedOutside),
    ];
    plan.warnings = vec!["the variable `old` is deprecated".into()];
    plan
}

#[test]
fn dangers_come_first() {
    insta::assert_snapshot!(show(&dangerous(), 100));
}

#[test]
fn narrow_screens_are_respected() {
    let mut plan = dangerous();
    let long = "x".repeat(90);
    plan.changes.push(change(
        "local_file.long",
        Action::Update,
        file(&long, "0644"),
        file(&long.replace('x', "日"), "0644"),
    ));
    insta::assert_snapshot!(show(&plan, 40));
}

#[test]
fn two_hundred_resources() {
    let mut changes: Vec<Change> = (0..200)
        .map(|index| change(&format!("retrue_data.many[{index}]"), Action::Create, nothing(), file("x", "0644")))
        .collect();
    changes.push(change("local_file.page", Action::Update, file("a", "0600"), file("b", "0600")));
    let plan = of(changes);
    let text = show(&plan, 100);
    assert_eq!(text.lines().filter(|line| line.starts_with("+ retrue_data.many[")).count(), 200);
    assert!(!text.contains("site/index.html"));
    let short = |text: &str| text.lines().filter(|line| !line.contains("many[1")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(
        short(&text)
            .replace("retrue_data.many[", "many[")
            .lines()
            .filter(|line| !line.contains("many[") || line.contains("0]"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let all = plain(&super::plan(&plan, Detail { width: 100, all: true }));
    assert_eq!(all.matches("site/index.html").count(), 200);
}
