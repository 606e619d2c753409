//! The real program, killed after each write of a real provider in turn, before the answer is delivered: it goes on
//! to the end, or back to the beginning, and nothing is lost or made twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::environment::peers::{Aws, Thing, mirror};
use crate::environment::proxy::Proxy;
use crate::environment::{Environment, stack};

const STACK: &str = r#"
[resource.aws_vpc.main]
cidr_block = "10.0.0.0/16"
enable_dns_hostnames = true
tags = { Name = "main" }

[resource.aws_subnet.a]
vpc_id = "${aws_vpc.main.id}"
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
const COUNT: usize = 8;

/// A cloud, a proxy before it, and a stack whose provider goes through the proxy.
struct World {
    aws: Aws,
    proxy: Proxy,
    place: Environment,
}

impl World {
    fn start(test: &str) -> Option<World> {
        let aws = Aws::start(test)?;
        let proxy = Proxy::start(aws.port());
        let mut place = Environment::with(&format!("{}{STACK}", Aws::provider_at(proxy.port())));
        mirror(test, &mut place)?;
        place.run(&["providers", "install"]).ends(0);
        Some(World { aws, proxy, place })
    }

    /// The same as at the start.
    fn reset(&self) {
        self.aws.reset();
        let _ = fs_err::remove_dir_all(self.place.path(".retrue"));
    }

    /// Applies, and is killed so.
    fn killed_at(&self, n: usize) -> String {
        self.killed(&["apply", "--yes"], n)
    }

    /// Is killed when the `n`-th write is done. Returns what that was.
    fn killed(&self, arguments: &[&str], n: usize) -> String {
        let child = self.place.command(arguments).spawn().unwrap();
        self.proxy.kill_at(n, child.id());
        let shown = self.place.shown(child.wait_with_output().unwrap());
        assert_eq!(shown.code, 128 + 9, "write {n}: it was to be killed: {}", shown.screen());
        self.proxy.let_be()
    }
}

/// How often each thing is there, as a person would describe it.
fn described(things: &[Thing]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    things.iter().for_each(|thing| *counts.entry(thing.what.as_str()).or_default() += 1);
    counts
}

/// What there is too much: what is wanted, too, counts as a duplicate, the rest as orphans.
fn too_much(wanted: &[Thing], found: &[Thing]) -> (usize, usize) {
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

/// What exists and was not there before, and is not in the state.
fn unknown(world: &World, before: &[Thing], found: &[Thing]) -> Vec<String> {
    let state = world.place.run(&["state", "list", "--json"]).ends(0).json();
    // The id of a queue names the host that it was asked at.
    let name =
        |id: &str| id.split_once("://").and_then(|(_, id)| id.split_once('/')).map_or(id, |(_, id)| id).to_owned();
    let known: Vec<String> =
        state.as_array().unwrap().iter().filter_map(|entry| Some(name(entry["id"].as_str()?))).collect();
    let ours = |thing: &&Thing| !thing.is_default && before.iter().all(|before| before.id != thing.id);
    let lost = |thing: &&Thing| !known.contains(&name(&thing.id));
    let mut unknown: Vec<String> =
        found.iter().filter(ours).filter(lost).map(|thing| format!("{} {}", thing.id, thing.what)).collect();
    if known.len() != COUNT && !known.is_empty() {
        unknown.push(format!("{} are recorded", known.len()));
    }
    unknown
}

/// All of them, or a few from everywhere.
fn chosen(writes: usize) -> Vec<usize> {
    if std::env::var_os("RETRUE_FULL").is_some() {
        return (1..=writes).collect();
    }
    if let Some(one) = std::env::var("RETRUE_KILL_AT").ok().and_then(|n| n.parse().ok()) {
        return vec![one];
    }
    println!("killed: a few of {writes} writes; RETRUE_FULL=1 takes all");
    [1, 2, writes / 2, writes].into()
}

#[test]
fn a_kill_after_any_write_loses_nothing_and_makes_nothing_twice() {
    let Some(world) = World::start("a_kill_after_any_write_loses_nothing_and_makes_nothing_twice") else { return };
    world.reset();
    let before = world.aws.things();
    let applied = world.place.run(&["apply", "--yes"]).ends(0);
    let writes = world.proxy.writes();
    let clean = world.aws.things();
    assert!(applied.stdout.contains("Applied: 8 created."), "{}", applied.screen());
    assert_eq!(unknown(&world, &before, &clean), Vec::<String>::new());
    for kind in ["vpc 10.0", "subnet", "group web"] {
        let marked = clean.iter().find(|thing| thing.what.starts_with(kind)).unwrap();
        assert!(marked.is_marked, "{}", marked.what);
    }
    world.place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let shown = world.place.run(&["show", "--json"]);
    assert!(!shown.all().contains("retrue:object"), "{}", shown.screen());

    let mut table =
        String::from("  n  write                              orphans duplicates | left after compensate\n");
    let mut wrong = Vec::new();
    for n in chosen(writes) {
        world.reset();
        let began = std::time::Instant::now();
        let write = world.killed_at(n);
        let shown = world.place.run(&["apply", "--yes"]);
        let found = world.aws.things();
        let (orphans, duplicates) = too_much(&clean, &found);
        let lost = unknown(&world, &before, &found);
        if shown.code != 0 || described(&found) != described(&clean) || !lost.is_empty() {
            wrong.push(format!("{n} {write}, applied: {lost:?}\n{found:#?}\n{}", shown.screen()));
        }
        let again = world.place.run(&["plan", "--detailed-exitcode"]);
        if again.code != 0 {
            wrong.push(format!("{n} {write}, planned again: {}", again.screen()));
        }

        world.reset();
        world.killed_at(n);
        let mut shown = world.place.run(&["compensate", "--yes"]);
        for _ in 0..2 {
            if shown.code == 4 {
                shown = world.place.run(&["compensate", "--yes"]);
            }
        }
        let found = world.aws.things();
        let left = found.len().saturating_sub(before.len());
        let recorded = world.place.recorded();
        if shown.code != 0 || described(&found) != described(&before) || !recorded.is_empty() {
            wrong.push(format!("{n} {write}, compensated: {recorded:?}\n{found:#?}\n{}", shown.screen()));
        }
        println!("{n} {write}: {:.1} s", began.elapsed().as_secs_f64());
        let _ = writeln!(table, "{n:>3}  {write:<34} {orphans:>7} {duplicates:>10} | {left}");
    }
    println!("killed after a write, of {writes}:\n{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
        let before = world.aws.things();
        world.place.write("retrue.toml", stack(&provider));
        world.place.run(&["apply", "--yes"]).ends(0);
        world.proxy.let_be();
        before
    };
    let before = deleted();
    let shown = world.place.run(&UNWIND).ends(0);
    let writes = world.proxy.writes();
    let again = world.aws.things();
    assert_eq!(described(&again), described(&before), "{}", shown.screen());
    let mut wrong = Vec::new();
    for n in chosen(writes) {
        let before = deleted();
        let write = world.killed(&UNWIND, n);
        let mut shown = world.place.run(&UNWIND);
        if shown.code == 4 {
            shown = world.place.run(&UNWIND);
        }
        let found = world.aws.things();
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
