//! The real program, killed after each write of a real provider in turn, before the answer is delivered: it goes on
//! to the end, or back to the beginning, and nothing is lost or made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Child, Command};

use serde_json::Value as Json;

use crate::beside::case::Step;
use crate::beside::seen::{Names, differences};
use crate::beside::server::Server;
use crate::beside::settings::{Settings, overrides};
use crate::beside::terraform::Terraform;
use crate::environment::peers::{Aws, Thing, mirror};
use crate::environment::proxy::{Proxy, Whom};
use crate::environment::tally::Tally;
use crate::environment::{Environment, stack};

/// Nine resources of nine types.
pub(super) const STACK: &str = r#"
[resource.aws_vpc.main]
cidr_block = "10.0.0.0/16"
enable_dns_hostnames = true
tags = { Name = "main" }

[resource.aws_subnet.a]
vpc_id = "${aws_vpc.main.id}"
availability_zone = "us-east-1a"
cidr_block = "10.0.1.0/24"
map_public_ip_on_launch = true

[resource.aws_security_group.web]
name = "web"
description = "web"
vpc_id = "${aws_vpc.main.id}"
tags = { Name = "web" }

[[resource.aws_security_group.web.ingress]]
from_port = 443
to_port = 443
protocol = "tcp"
cidr_blocks = ["0.0.0.0/0"]
description = ""
ipv6_cidr_blocks = []
prefix_list_ids = []
security_groups = []
self = false

[resource.aws_instance.one]
ami = "ami-12c6146b"
instance_type = "t2.micro"
subnet_id = "${aws_subnet.a.id}"
private_ip = "10.0.1.10"
tags = { Name = "one" }

[resource.aws_sqs_queue.jobs]
name = "jobs"
delay_seconds = 5
tags = { of = "${aws_vpc.main.id}" }

[resource.aws_ssm_parameter.size]
name = "/size"
type = "String"
value = "large"

[resource.aws_s3_bucket.logs]
bucket = "retrue-killed"
versioning = { enabled = true }
tags = { of = "logs" }

[resource.aws_dynamodb_table.state]
name = "state"
billing_mode = "PAY_PER_REQUEST"
hash_key = "id"
attribute = { name = "id", type = "S" }

[resource.aws_iam_role.run]
name = "run"
assume_role_policy = '{"Version":"2012-10-17","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}'
tags = { of = "run" }
"#;

/// How many resources that is.
pub(super) const COUNT: usize = 9;

/// A cloud, a proxy before it, and a stack whose provider goes through the proxy.
struct World {
    server: Server,
    proxy: Proxy,
    place: Environment,
}

impl World {
    fn start(test: &str) -> Option<World> {
        let server = Server::start(test)?;
        let proxy = Proxy::start(server.aws.port());
        let mut place = Environment::with(&format!("{}{STACK}", Aws::provider_at(proxy.port())));
        mirror(test, &mut place)?;
        place.run(&["providers", "install"]).ends(0);
        Some(World { server, proxy, place })
    }

    /// The same as at the start.
    fn reset(&self) {
        self.server.aws.reset();
        let _ = fs_err::remove_dir_all(self.place.path(".retrue"));
    }

    /// Applies, and is killed so.
    fn killed_at(&self, n: usize, whom: Whom) -> String {
        self.killed(&["apply", "--yes"], n, whom)
    }

    /// Is killed when the `n`-th write is done. Returns what that was.
    fn killed(&self, arguments: &[&str], n: usize, whom: Whom) -> String {
        self.killed_by_proxy(self.place.command(arguments), n, whom)
    }

    fn killed_by_proxy(&self, mut command: Command, n: usize, whom: Whom) -> String {
        let child: Child = command.spawn().unwrap();
        self.proxy.kill_at(n, child.id(), whom);
        let shown = self.place.shown(child.wait_with_output().unwrap());
        assert_eq!(shown.code, 128 + 9, "write {n}: it was to be killed: {}", shown.screen());
        self.proxy.let_be()
    }

    /// All that the server holds, in every detail but for what was made up and for markers.
    fn all(&mut self) -> Json {
        Names::default().comparable(&self.server.look())
    }
}

/// How often each thing is there, as a person would describe it.
pub(super) fn described(things: &[Thing]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    things.iter().for_each(|thing| *counts.entry(thing.what.as_str()).or_default() += 1);
    counts
}

/// What there is too much: what is wanted, too, counts as a duplicate, the rest as orphans.
pub(super) fn too_much(wanted: &[Thing], found: &[Thing]) -> (usize, usize) {
    let (wanted, found) = (described(wanted), described(found));
    let mut counts = (0, 0);
    for (what, count) in found {
        match wanted.get(what) {
            Some(wanted) => counts.1 += count.saturating_sub(*wanted),
            None => counts.0 += count,
        }
    }
    counts
}

/// An id without the host in it: that of a queue names the one that it was asked at.
pub(super) fn nameless(id: &str) -> String {
    id.split_once("://").and_then(|(_, id)| id.split_once('/')).map_or(id, |(_, id)| id).to_owned()
}

/// What exists and was not there before, and is not in the state.
fn unknown(world: &World, before: &[Thing], found: &[Thing]) -> Vec<String> {
    let state = world.place.run(&["state", "list", "--json"]).ends(0).json();
    let known: Vec<String> =
        state.as_array().unwrap().iter().filter_map(|entry| Some(nameless(entry["id"].as_str()?))).collect();
    let ours = |thing: &&Thing| !thing.is_default && before.iter().all(|before| before.id != thing.id);
    let lost = |thing: &&Thing| !known.contains(&nameless(&thing.id));
    let mut unknown: Vec<String> =
        found.iter().filter(ours).filter(lost).map(|thing| format!("{} {}", thing.id, thing.what)).collect();
    if known.len() != COUNT && !known.is_empty() {
        unknown.push(format!("{} are recorded", known.len()));
    }
    unknown
}

/// All of them, or a few from everywhere; `RETRUE_KILL_AT=1,5` takes these.
fn chosen(writes: usize) -> Vec<usize> {
    if let Ok(some) = std::env::var("RETRUE_KILL_AT") {
        return some.split(',').map(|n| n.parse().unwrap()).collect();
    }
    if std::env::var_os("RETRUE_FULL").is_some() {
        return (1..=writes).collect();
    }
    println!("killed: a few of {writes} writes; RETRUE_FULL=1 takes all");
    [2, writes / 2].into()
}

/// What came of one kill.
#[derive(Default)]
struct Row {
    orphans: usize,
    duplicates: usize,
    /// What is there and not in the state.
    unknown: usize,
    /// What is there more than before, after it was unwound.
    left: usize,
}

/// Kills an apply of ours after a write, and goes on; kills another one, and goes back.
fn row(world: &mut World, n: usize, whom: Whom, at: &Clean, wrong: &mut Vec<String>) -> (String, Row) {
    let mut row = Row::default();
    world.reset();
    let write = world.killed_at(n, whom);
    let shown = world.place.run(&["apply", "--yes"]);
    let found = world.server.aws.things();
    let lost = unknown(world, &at.before, &found);
    (row.orphans, row.duplicates) = too_much(&at.clean, &found);
    row.unknown = lost.len();
    let place = format!("{n} {write}, {whom:?}");
    let differing = differences(&at.all_clean, &world.all());
    if shown.code != 0 || described(&found) != described(&at.clean) || !lost.is_empty() || !differing.is_empty() {
        wrong.push(format!("{place}, applied: {lost:?}\n{differing:#?}\n{found:#?}\n{}", shown.screen()));
    }
    let again = world.place.run(&["plan", "--detailed-exitcode"]);
    if again.code != 0 {
        wrong.push(format!("{place}, planned again: {}", again.screen()));
    }

    world.reset();
    world.killed_at(n, whom);
    let mut shown = world.place.run(&["compensate", "--yes"]);
    for _ in 0..2 {
        if shown.code == 4 {
            shown = world.place.run(&["compensate", "--yes"]);
        }
    }
    let found = world.server.aws.things();
    row.left = found.len().saturating_sub(at.before.len());
    let recorded = world.place.recorded();
    // What is terminated stays visible for a while, so the whole cannot be compared here.
    if shown.code != 0 || !recorded.is_empty() || described(&found) != described(&at.before) {
        wrong.push(format!("{place}, compensated: {recorded:?}\n{found:#?}\n{}", shown.screen()));
    }
    (write, row)
}

/// What is there before anything, and after an apply that nothing disturbs.
struct Clean {
    before: Vec<Thing>,
    clean: Vec<Thing>,
    all_clean: Json,
}

#[test]
fn a_kill_after_any_write_loses_nothing_and_makes_nothing_twice() {
    let Some(mut world) = World::start("a_kill_after_any_write_loses_nothing_and_makes_nothing_twice") else { return };
    world.reset();
    let before = world.server.aws.things();
    let applied = world.place.run(&["apply", "--yes"]).ends(0);
    let writes = world.proxy.writes();
    let (clean, all_clean) = (world.server.aws.things(), world.all());
    assert!(applied.stdout.contains(&format!("Applied: {COUNT} created.")), "{}", applied.screen());
    assert_eq!(unknown(&world, &before, &clean), Vec::<String>::new());
    for kind in ["vpc 10.0", "subnet", "group web", "instance"] {
        let marked = clean.iter().find(|thing| thing.what.starts_with(kind)).unwrap();
        assert!(marked.is_marked, "{}", marked.what);
    }
    world.place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let shown = world.place.run(&["show", "--json"]);
    assert!(!shown.all().contains("retrue:object"), "{}", shown.screen());

    let at = Clean { before, clean, all_clean };
    let theirs = Theirs::start(&mut world, &at);
    let chosen = chosen(writes);
    let mut table = String::new();
    let mut wrong = Vec::new();
    let tally = Tally::of_a_part("killed after a write of a real provider", "an apply, gone on from and back from");
    for &n in &chosen {
        let began = std::time::Instant::now();
        for whom in [Whom::Family, Whom::Alone] {
            tally.scenarios(2);
            let (write, row) = row(&mut world, n, whom, &at, &mut wrong);
            let whom = if whom == Whom::Family { "all" } else { "retrue alone" };
            let _ = writeln!(
                table,
                "| {n} | {write} | {whom} | {} | {} | {} | {} |",
                row.unknown, row.orphans, row.duplicates, row.left
            );
        }
        println!("{n}: {:.1} s", began.elapsed().as_secs_f64());
    }
    let beside = theirs.map_or_else(
        || "There was no `terraform` to run beside it.\n".to_owned(),
        |theirs| theirs.table(&mut world, &at),
    );
    let text = report(writes, chosen.len(), &table, &beside, wrong.len());
    println!("{text}");
    if std::env::var_os("RETRUE_FULL").is_some() {
        fs_err::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/killed.md"), text).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The page of the result.
fn report(writes: usize, taken: usize, table: &str, beside: &str, wrong: usize) -> String {
    let rows = table.lines().count();
    format!(
        "# Killed after a write

Written by the test `a_kill_after_any_write_loses_nothing_and_makes_nothing_twice` under `RETRUE_FULL=1`. A proxy
between the provider of AWS (3.39.0) and the server that stands for AWS kills after a write is done and before its
answer is delivered; {taken} of {writes} writes were taken. Killed are all processes at once, or retrue alone, with
the provider left to the kernel. Then `apply` runs to the end; and, after the same kill on a fresh world, `compensate`.

After `apply` the server must hold exactly what a clean run leaves, in every detail but ids and times, all of it
recorded, with nothing left to plan; after `compensate` what it held before. In {rows} kills of each kind, {wrong} of these were
not so.

- unknown: there and not recorded, after `apply`
- orphans, duplicates: there, and not in a clean run, or more often than in it
- left: there, and not before, after `compensate`

| n | write | killed | unknown | orphans | duplicates | left |
|---|---|---|---|---|---|---|
{table}
{beside}"
    )
}

/// Terraform with the same stack, behind the same proxy.
struct Theirs {
    terraform: Terraform,
    writes: usize,
    clean: Vec<Thing>,
    _directory: tempfile::TempDir,
}

impl Theirs {
    /// `None` where there is no Terraform.
    fn start(world: &mut World, at: &Clean) -> Option<Theirs> {
        Command::new("terraform").arg("version").output().ok()?;
        let directory = tempfile::TempDir::with_prefix("retrue-killed-").unwrap();
        let settings = Settings::new(BTreeSet::from(["aws".to_owned()]), false, world.proxy.port());
        let terraform = Terraform::new(&directory.path().join("work"), &overrides(directory.path()), &settings);
        terraform.write(&Step::of(STACK), "");
        world.reset();
        world.proxy.let_be();
        let applied = terraform.command(&["apply", "-auto-approve", "-input=false"]).output().unwrap();
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let writes = world.proxy.writes();
        let clean = world.server.aws.things();
        assert_eq!(described(&clean), described(&at.clean), "both make the same");
        Some(Theirs { terraform, writes, clean, _directory: directory })
    }

    fn table(&self, world: &mut World, at: &Clean) -> String {
        let mut rows = String::new();
        let (mut refused, mut unreadable, mut kept) = (0, 0, 0);
        let chosen = chosen(self.writes);
        for &n in &chosen {
            world.reset();
            for file in ["terraform.tfstate", "terraform.tfstate.backup", ".terraform.tfstate.lock.info"] {
                let _ = fs_err::remove_file(self.terraform.directory().join(file));
            }
            let write = world.killed_by_proxy(
                self.terraform.command(&["apply", "-auto-approve", "-input=false"]),
                n,
                Whom::Family,
            );
            let lost = self.unknown(&at.before, &world.server.aws.things());
            unreadable += usize::from(lost.is_none());
            let again = self.terraform.command(&["apply", "-auto-approve", "-input=false"]).output().unwrap();
            refused += usize::from(!again.status.success());
            let found = world.server.aws.things();
            let (orphans, duplicates) = too_much(&self.clean, &found);
            let unknown = self.unknown(&at.before, &found);
            let told = |count: Option<usize>| count.map_or("state unreadable".to_owned(), |count| count.to_string());
            let ended = if again.status.success() { "done" } else { "refused" };
            kept += usize::from(again.status.success() && orphans + duplicates == 0 && unknown == Some(0));
            let _ = writeln!(
                rows,
                "| {n} | {write} | {} | {ended} | {} | {orphans} | {duplicates} |",
                told(lost),
                told(unknown)
            );
        }
        format!(
            "## Terraform, beside it

The same stack, the same proxy, the same run; `apply`, all processes killed, then `apply` again. {} of {} writes were
taken; after {kept} of them the second apply left what a clean run leaves, with all of it recorded. The second apply was
refused {refused} times, the state file was unreadable {unreadable} times.

| n | write | unknown after the kill | second apply | unknown then | orphans | duplicates |
|---|---|---|---|---|---|---|
{rows}",
            chosen.len(),
            self.writes
        )
    }

    /// How much there is that was not there before and is not in the state; `None` when the state is unreadable.
    fn unknown(&self, before: &[Thing], found: &[Thing]) -> Option<usize> {
        let text = fs_err::read_to_string(self.terraform.directory().join("terraform.tfstate")).unwrap_or("{}".into());
        let state: Json = serde_json::from_str(&text).ok()?;
        let resources = state["resources"].as_array().into_iter().flatten();
        let instances = resources.flat_map(|of| of["instances"].as_array().into_iter().flatten());
        let known: Vec<String> = instances.filter_map(|of| Some(nameless(of["attributes"]["id"].as_str()?))).collect();
        let ours = |thing: &&Thing| !thing.is_default && before.iter().all(|before| before.id != thing.id);
        Some(found.iter().filter(ours).filter(|thing| !known.contains(&nameless(&thing.id))).count())
    }
}

/// What is made again by an undo: things that are found by a marker, and things with names.
const REMADE: &str = r#"
[resource.aws_vpc.main]
cidr_block = "10.0.0.0/16"
tags = { Name = "main" }

[resource.aws_subnet.a]
vpc_id = "${aws_vpc.main.id}"
cidr_block = "10.0.1.0/24"

[resource.aws_s3_bucket.logs]
bucket = "retrue-killed"
versioning = { enabled = true }
tags = { of = "logs" }

[resource.aws_sqs_queue.jobs]
name = "jobs"
tags = { of = "${aws_vpc.main.id}" }
"#;

const UNWIND: [&str; 10] = [
    "compensate",
    "--yes",
    "--past",
    "aws_vpc.main",
    "--past",
    "aws_subnet.a",
    "--past",
    "aws_s3_bucket.logs",
    "--past",
    "aws_sqs_queue.jobs",
];

#[test]
fn a_kill_after_any_write_of_an_undo_that_makes_things_again_makes_nothing_twice() {
    let test = "a_kill_after_any_write_of_an_undo_that_makes_things_again_makes_nothing_twice";
    let Some(world) = World::start(test) else { return };
    let provider = Aws::provider_at(world.proxy.port());
    let all = stack(&format!("{provider}{REMADE}"));
    let deleted = || {
        world.reset();
        world.place.write("retrue.toml", &all);
        world.place.run(&["apply", "--yes"]).ends(0);
        world.place.run(&["runs", "accept", &world.place.runs()[0]]).ends(0);
        let before = world.server.aws.things();
        world.place.write("retrue.toml", stack(&provider));
        world.place.run(&["apply", "--yes"]).ends(0);
        world.proxy.let_be();
        before
    };
    let before = deleted();
    let shown = world.place.run(&UNWIND).ends(0);
    let writes = world.proxy.writes();
    let again = world.server.aws.things();
    assert_eq!(described(&again), described(&before), "{}", shown.screen());
    let mut wrong = Vec::new();
    let tally = Tally::of_a_part("killed after a write of a real provider", "a compensation, gone on from");
    for n in chosen(writes) {
        tally.one();
        let before = deleted();
        let write = world.killed(&UNWIND, n, Whom::Alone);
        let mut shown = world.place.run(&UNWIND);
        if shown.code == 4 {
            shown = world.place.run(&UNWIND);
        }
        let found = world.server.aws.things();
        println!("unwinding, {n} of {writes}, {write}: ends {}, {:?}", shown.code, too_much(&before, &found));
        if shown.code != 0 || described(&found) != described(&before) {
            wrong.push(format!("{n} {write}: {found:#?}\n{}", shown.screen()));
            continue;
        }
        world.place.write("retrue.toml", &all);
        let plan = world.place.run(&["plan", "--detailed-exitcode"]);
        if plan.code != 0 {
            wrong.push(format!("{n} {write}, planned again: {}", plan.screen()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
