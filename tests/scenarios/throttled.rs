//! A server that throttles: each third call is refused, once or for longer than the provider itself goes on asking.
//! Under `RETRUE_FULL=1` beside Terraform, with the same provider, stack and proxy, into tests/throttled.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use serde_json::Value as Json;

use super::killed::{COUNT, STACK, described, nameless, too_much};
use crate::beside::case::Step;
use crate::beside::settings::{Settings, overrides};
use crate::beside::terraform::Terraform;
use crate::environment::Environment;
use crate::environment::peers::{Aws, Thing};
use crate::environment::proxy::{Proxy, Throttle};

/// A way to throttle: what it is, and how often the provider itself makes a failed call again.
struct Weather {
    name: &'static str,
    about: &'static str,
    throttle: Option<Throttle>,
    retries: Option<u32>,
}

const WEATHERS: [Weather; 3] = [
    Weather { name: "none", about: "nothing is refused", throttle: None, retries: None },
    Weather {
        name: "third",
        about: "each third call is refused; the provider tries again as often as it does by itself (25 times)",
        throttle: Some(Throttle { every: 3, times: 1, again: true }),
        retries: None,
    },
    Weather {
        name: "long",
        about: "each third call, unless it was refused before, is refused three times in a row; the provider tries \
                again once, so that it gives up with an error of throttling",
        throttle: Some(Throttle { every: 3, times: 3, again: false }),
        retries: Some(1),
    },
];

/// How often `apply` and `destroy` are run, when they fail, before that is given up.
const TRIES: usize = 3;

/// One of the two programs, in a place of its own.
trait Program {
    /// Runs it; what it said when it failed.
    fn run(&self, verb: &str) -> Result<(), String>;
    /// The ids of all that it has recorded.
    fn known(&self) -> Vec<String>;
}

impl Program for Environment {
    fn run(&self, verb: &str) -> Result<(), String> {
        let shown = Environment::run(self, &[verb, "--yes"]);
        if shown.code == 0 { Ok(()) } else { Err(shown.screen()) }
    }

    fn known(&self) -> Vec<String> {
        let state = Environment::run(self, &["state", "list", "--json"]).ends(0).json();
        ids(state.as_array().unwrap().iter().map(|entry| &entry["id"]))
    }
}

impl Program for Terraform {
    fn run(&self, verb: &str) -> Result<(), String> {
        let output = self.command(&[verb, "-auto-approve", "-input=false"]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    fn known(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.directory().join("terraform.tfstate")).unwrap_or("{}".into());
        let state: Json = serde_json::from_str(&text).unwrap();
        let resources = state["resources"].as_array().into_iter().flatten();
        let instances = resources.flat_map(|of| of["instances"].as_array().into_iter().flatten());
        ids(instances.map(|of| &of["attributes"]["id"]))
    }
}

fn ids<'a>(values: impl Iterator<Item = &'a Json>) -> Vec<String> {
    values.filter_map(|id| Some(nameless(id.as_str()?))).collect()
}

/// What came of one program in one weather.
struct Row {
    /// What it said when its first apply failed.
    failed: Option<String>,
    seconds: f64,
    calls: (usize, usize),
    /// What there was after the first apply and nowhere recorded.
    unknown: usize,
    /// After how many applies all was there; `None` when that never was.
    applies: Option<usize>,
    /// What was there then and should not be.
    too_much: usize,
    /// After how many destroys it ended well.
    destroys: Option<usize>,
    /// What was there then and had not been before.
    left: usize,
}

impl Row {
    fn line(&self, weather: &str, program: &str) -> String {
        let told = |count: Option<usize>| count.map_or(format!("not in {TRIES}"), |count| count.to_string());
        format!(
            "| {weather} | {program} | {} | {:.0} | {} | {} | {} | {} | {} | {} | {} |",
            if self.failed.is_none() { "done" } else { "failed" },
            self.seconds,
            self.calls.0,
            self.calls.1,
            self.unknown,
            told(self.applies),
            self.too_much,
            told(self.destroys),
            self.left
        )
    }

    /// Nothing was lost, and all is gone.
    fn is_sound(&self) -> bool {
        (self.unknown, self.left) == (0, 0) && self.destroys.is_some()
    }

    /// All was made at once, and all is gone.
    fn is_well(&self) -> bool {
        self.failed.is_none() && (self.unknown, self.too_much, self.destroys, self.left) == (0, 0, Some(1), 0)
    }
}

fn tries(program: &dyn Program, verb: &str) -> Option<usize> {
    (1..=TRIES).find(|n| {
        let began = Instant::now();
        let ended = program.run(verb);
        println!(
            "{verb} {n}: {:.0} s: {}",
            began.elapsed().as_secs_f64(),
            ended.as_ref().err().map_or("done", |_| "failed")
        );
        ended.is_ok()
    })
}

/// Makes all and deletes it, through the weather. Without anything to compare with, one apply is enough.
fn row(server: &Aws, proxy: &Proxy, weather: &Weather, clean: &[Thing], program: &dyn Program) -> Row {
    server.reset();
    let before = server.things();
    let new = |found: &[Thing]| -> Vec<String> {
        let ours = |thing: &&Thing| !thing.is_default && before.iter().all(|before| before.id != thing.id);
        found.iter().filter(ours).map(|thing| nameless(&thing.id)).collect()
    };
    proxy.throttle(weather.throttle);
    let began = Instant::now();
    let failed = program.run("apply").err();
    let (seconds, calls) = (began.elapsed().as_secs_f64(), proxy.calls());
    let known = program.known();
    let unknown = new(&server.things()).iter().filter(|id| !known.contains(id)).count();
    let applies = match failed {
        None => Some(1),
        Some(_) if clean.is_empty() => None,
        Some(_) => tries(program, "apply").map(|more| 1 + more),
    };
    let found = server.things();
    let (orphans, duplicates) = if clean.is_empty() { (0, 0) } else { too_much(clean, &found) };
    let destroys = tries(program, "destroy");
    proxy.throttle(None);
    let left = new(&server.things()).len();
    Row { failed, seconds, calls, unknown, applies, too_much: orphans + duplicates, destroys, left }
}

#[test]
fn a_server_that_throttles_makes_nobody_lose_anything() {
    let test = "a_server_that_throttles_makes_nobody_lose_anything";
    let Some(server) = Aws::start(test) else { return };
    let full = std::env::var_os("RETRUE_FULL").is_some();
    let proxy = Proxy::start(server.port());
    let settings = |weather: &Weather| {
        Settings::new(BTreeSet::from(["aws".to_owned()]), false, proxy.port()).with_retries(weather.retries)
    };
    let place = |weather: &Weather| {
        let place = Environment::new();
        place.write("retrue.toml", format!("{}{STACK}", settings(weather).ours()));
        place
    };
    // What there is after an apply in fair weather.
    let mut clean = Vec::new();
    if full {
        place(&WEATHERS[0]).run(&["apply", "--yes"]).ends(0);
        clean = server.things();
        assert!(described(&clean).len() >= COUNT);
    } else {
        println!("throttled: one apply and its destroy; RETRUE_FULL=1 takes all, and terraform");
    }
    let beside = full && Command::new("terraform").arg("version").output().is_ok();
    let (mut rows, mut wrong) = (String::new(), Vec::new());
    let mut told = |line: String| {
        println!("{line}");
        let _ = writeln!(rows, "{line}");
    };
    for weather in WEATHERS.iter().filter(|weather| full || weather.name == "long") {
        if beside {
            let directory = tempfile::TempDir::with_prefix("retrue-throttled-").unwrap();
            let work = directory.path().join("work");
            let terraform = Terraform::new(&work, &overrides(directory.path()), &settings(weather));
            terraform.write(&Step::of(STACK), "");
            let row = row(&server, &proxy, weather, &clean, &terraform);
            told(row.line(weather.name, "terraform"));
        }
        let row = row(&server, &proxy, weather, &clean, &place(weather));
        told(row.line(weather.name, "retrue"));
        // Where the provider itself gives up, all need not be made; but nothing may be lost.
        if !row.is_sound() || weather.name != "long" && !row.is_well() {
            wrong.push(format!("{}: {}", weather.name, row.failed.clone().unwrap_or_else(|| row.line("", ""))));
        }
    }
    if full && beside {
        fs_err::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/throttled.md"), report(&rows)).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The page of the result.
fn report(rows: &str) -> String {
    let weathers: String =
        WEATHERS.iter().fold(String::new(), |text, weather| text + &format!("- {}: {}\n", weather.name, weather.about));
    format!(
        "# A server that throttles

Written by the test `a_server_that_throttles_makes_nobody_lose_anything` under `RETRUE_FULL=1`. Terraform 1.11.4
and retrue apply the same stack of {COUNT} resources with the same provider of AWS (3.39.0), in one run, through a proxy
that refuses calls to the server that stands for AWS in the words of each of its services (`Throttling`,
`ThrottlingException`, `RequestLimitExceeded`, `SlowDown`). What failed is run again in the same weather, up to {TRIES}
times; then all is destroyed.

{weathers}
In the last of them neither makes all of it in {TRIES} applies. What retrue made is recorded, and a destroy takes it away.

- unknown: there after the first apply, and not recorded
- applies, destroys: how often they were run until they ended well
- too much: there after the last apply, and not (or not so often) in fair weather
- left: there after the last destroy, and not before

| throttled | program | first apply | seconds | calls | refused | unknown | applies | too much | destroys | left |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}"
    )
}
