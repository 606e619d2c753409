//! Beside `terraform` (1.11.4 was tried): the same configurations, the same providers, the same server, each on a world
//! of its own. What is planned, what is replaced and why, what is recorded, and all that the server holds then must be
//! equal; where it is not, `differences.toml` says why.
//!
//! A configuration is a file in `cases`. `RETRUE_BESIDE=NAME` runs those with NAME in their names.

pub(crate) mod case;
mod ours;
pub(crate) mod seen;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod terraform;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use regex::Regex;
use serde_json::{Map, Value as Json, json};

use case::{Case, Step};
use ours::Ours;
use seen::{Names, Seen, differences};
use server::Server;
use settings::Settings;
use terraform::Terraform;

use crate::environment::wait_for;

/// What one of the two does with the steps of a case.
trait Program {
    fn write(&self, step: &Step, files: &str);
    fn import(&self, address: &str, id: &str);
    fn plan(&self, step: &Step) -> Result<Json, String>;
    fn apply(&self) -> Result<(), String>;
    fn destroy(&self);
    fn recorded(&self) -> (Json, Json);
}

macro_rules! program {
    ($kind:ty) => {
        impl Program for $kind {
            fn write(&self, step: &Step, files: &str) {
                self.write(step, files);
            }
            fn import(&self, address: &str, id: &str) {
                self.import(address, id);
            }
            fn plan(&self, step: &Step) -> Result<Json, String> {
                self.plan(step)
            }
            fn apply(&self) -> Result<(), String> {
                self.apply()
            }
            fn destroy(&self) {
                self.destroy();
            }
            fn recorded(&self) -> (Json, Json) {
                self.recorded()
            }
        }
    };
}
program!(Terraform);
program!(Ours);

/// Runs a case to its end. Returns a document for each step.
fn run(case: &Case, program: &dyn Program, server: &mut Server, files: &Path) -> Seen {
    server.reset();
    let (mut steps, mut names) = (Map::new(), Names::default());
    let mut ids = BTreeMap::from([("files".to_owned(), files.display().to_string())]);
    for (number, step) in case.steps.iter().enumerate() {
        let place = format!("{} step {}", case.name, number + 1);
        if let Some(what) = &step.outside {
            server.run(what, &ids);
        }
        program.write(step, &files.display().to_string());
        for (address, id) in &step.imports {
            program.import(address, &server.text(id, &ids));
        }
        let mut seen = json!({});
        match program.plan(step) {
            Err(screen) => {
                assert!(step.refused, "{place}: the plan is refused: {screen}");
                seen["refused"] = json!(true);
            }
            Ok(plan) => {
                seen["plan"] = plan;
                if !step.refused {
                    // The null provider makes ids of the second in which it starts.
                    if case.providers().contains("null") {
                        let second = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
                        let now = second();
                        wait_for("the next second", || (second() > now).then_some(()));
                    }
                    let applied = program.apply();
                    if let Err(screen) = &applied {
                        assert!(step.fails, "{place}: the apply fails: {screen}");
                    }
                    seen["failed"] = json!(applied.is_err());
                }
            }
        }
        let (state, outputs) = program.recorded();
        names.learn(&state);
        let objects = state.as_object().unwrap().iter();
        ids.extend(
            objects.filter_map(|(address, object)| {
                Some((address.clone(), object["attributes"]["id"].as_str()?.to_owned()))
            }),
        );
        (seen["state"], seen["outputs"], seen["world"]) = (state, outputs, world(case, server, files));
        steps.insert((number + 1).to_string(), seen);
    }
    let last = case.steps.last().unwrap();
    if !last.refused {
        let again = Step { replace: Vec::new(), ..last.clone() };
        steps.insert("again".into(), json!({"plan": program.plan(&again).unwrap()}));
    }
    program.destroy();
    steps.insert("destroy".into(), json!({"state": program.recorded().0, "world": world(case, server, files)}));
    let text = Json::Object(steps).to_string().replace(&files.display().to_string(), "<files>");
    names.comparable(&serde_json::from_str(&text).unwrap())
}

/// All that the server holds, and the files that were made.
fn world(case: &Case, server: &mut Server, files: &Path) -> Json {
    let mut world = if case.providers().contains("aws") { server.look() } else { json!({}) };
    if case.providers().contains("workato") {
        world["folders"] = json!(server.folders.all());
    }
    let mut found = Map::new();
    for entry in walkdir::WalkDir::new(files).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let content =
            if entry.file_type().is_file() { fs_err::read_to_string(entry.path()).unwrap() } else { "/".into() };
        found.insert(entry.path().strip_prefix(files).unwrap().display().to_string(), json!(content));
    }
    world["files"] = Json::Object(found);
    world
}

/// A difference that is known.
struct Known {
    cases: Vec<String>,
    at: Regex,
    told: Regex,
}

impl Known {
    /// Whether it is one that was found.
    fn is(&self, (case, (at, told)): &(String, (String, String))) -> bool {
        let of_case = self.cases.iter().any(|name| name == case || name == "*");
        of_case && self.at.is_match(at) && self.told.is_match(told)
    }
}

fn known() -> Vec<Known> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/beside/differences.toml");
    let file: toml::Table = toml::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    let entries = file.get("difference").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let read = |entry: &toml::Value| {
        assert!(entry["because"].as_str().is_some_and(|because| because.len() > 20), "explain {entry}");
        let cases = entry["cases"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let whole = |key: &str| Regex::new(&format!("^(?s:{})$", entry[key].as_str().unwrap())).unwrap();
        Known { cases, at: whole("at"), told: whole("told") }
    };
    entries.iter().map(read).collect()
}

/// Those that are to be run.
fn chosen() -> Vec<Case> {
    let all = case::cases();
    let count = all.len();
    if let Ok(part) = std::env::var("RETRUE_BESIDE") {
        return all.into_iter().filter(|case| part.split(',').any(|part| case.name.contains(part))).collect();
    }
    if std::env::var_os("RETRUE_TEST_FULL").is_some() {
        return all;
    }
    let quick: Vec<Case> = all.into_iter().filter(|case| case.quick).collect();
    println!("beside: {} of {count} configurations; RETRUE_TEST_FULL=1 runs all", quick.len());
    quick
}

#[test]
fn each_configuration_goes_as_with_terraform() {
    let test = "each_configuration_goes_as_with_terraform";
    if Command::new("terraform").arg("version").output().is_err() {
        println!("SKIPPED: {test}: there is no `terraform`");
        return;
    }
    let Some(server) = Server::start(test) else { return };
    let scratch = tempfile::TempDir::with_prefix("retrue-beside-").unwrap();
    let overrides = settings::overrides(scratch.path());
    let cases: Vec<Case> =
        chosen().into_iter().filter(|case| settings::are_there(&case.name, &case.providers())).collect();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let waiting = Mutex::new(VecDeque::from(cases));
    let found = Mutex::new(Vec::new());
    let work = |mut server: Server| {
        let mut ours = Ours::new();
        loop {
            let Some(case) = waiting.lock().unwrap().pop_front() else { return };
            let began = std::time::Instant::now();
            let settings = Settings::new(case.providers(), case.uses_west(), server.aws.port());
            let settings = settings.with_folders(&server.folders);
            let directory = scratch.path().join(&case.name);
            let terraform = Terraform::new(&directory.join("terraform"), &overrides, &settings);
            let files = directory.join("files");
            let theirs = seen(&case, &terraform, &mut server, &files);
            let middle = began.elapsed();
            ours.begin(&settings);
            let ours = seen(&case, &ours, &mut server, &files);
            let times = (middle.as_secs_f64(), (began.elapsed() - middle).as_secs_f64());
            println!("{}: terraform {:.1} s, we {:.1} s", case.name, times.0, times.1);
            let differences = match (theirs, ours) {
                (Ok(theirs), Ok(ours)) => differences(&theirs, &ours),
                (theirs, ours) => {
                    [theirs.err(), ours.err()].into_iter().flatten().map(|told| ("ended".into(), told)).collect()
                }
            };
            for (at, what) in &differences {
                println!("{}: {at}: {what}", case.name);
            }
            found.lock().unwrap().extend(differences.into_iter().map(|at| (case.name.clone(), at)));
        }
    };
    std::thread::scope(|scope| {
        if names.len() > 1 {
            scope.spawn(|| work(Server::start(test).unwrap()));
        }
        work(server);
    });
    judge(&names, &found.into_inner().unwrap());
}

/// The same with an empty directory for files. A case that ends before its end is told, and the others go on.
fn seen(case: &Case, program: &dyn Program, server: &mut Server, files: &Path) -> Result<Seen, String> {
    let _ = fs_err::remove_dir_all(files);
    fs_err::create_dir_all(files).unwrap();
    let ended = catch_unwind(AssertUnwindSafe(|| run(case, program, server, files)));
    ended.map_err(|told| told.downcast_ref::<String>().cloned().unwrap_or_default().chars().take(4000).collect())
}

/// Fails unless all that was found is explained, and all that is explained was found.
fn judge(cases: &[String], found: &[(String, (String, String))]) {
    let known = known();
    let mut wrong = Vec::new();
    for one in found.iter().filter(|one| !known.iter().any(|known| known.is(one))) {
        wrong.push(format!("{}: {}: {}", one.0, one.1.0, one.1.1));
    }
    for known in &known {
        for name in &known.cases {
            let met = found.iter().any(|one| known.is(one) && (name == "*" || one.0 == *name));
            let ran = cases.contains(name) || name == "*" && std::env::var_os("RETRUE_TEST_FULL").is_some();
            if ran && !met {
                wrong.push(format!("{name}: no difference at {}, though one is listed", known.at));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_differs_is_found() {
    let mut names = Names::default();
    names.learn(&json!({"aws_vpc.x": {"attributes": {"id": "vpc-0123456789abcdef0"}}}));
    let seen = |cidr: &str, id: &str| names.comparable(&json!({"a": [{"cidr": cidr, "id": id}, {"b": null}]}));
    let one = seen("10.0.0.0/16", "vpc-0123456789abcdef0");
    assert_eq!(differences(&one, &seen("10.0.0.0/16", "vpc-0123456789abcdef0")), []);
    let found = differences(&one, &seen("10.0.0.0/8", "vpc-ffffffffffffffff0"));
    let places: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(places, ["a[].cidr", "a[].id"]);
    assert_eq!(found[1].1, r#"terraform "vpc-<aws_vpc.x>", retrue "vpc-<made up>""#);
    assert_eq!(differences(&json!({"a": [1, 1]}), &json!({"a": [1]})).len(), 1);
}
