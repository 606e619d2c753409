//! One of Terraform's providers with another way to the same objects: AWS behind two addresses, of which the first goes
//! out half-way.

use crate::environment::Environment;
use crate::environment::front::Front;
use crate::environment::peers::{AWS_CHAIN, Aws, mirror};

/// A part of the network of [`AWS_CHAIN`]: as that, it has no name of its own.
const PART: &str = r#"
[resource.aws_subnet.a]
vpc_id = "${aws_vpc.main.id}"
cidr_block = "10.0.1.0/24"
tags = { Name = "a" }
"#;

const ALL: usize = 4;

/// What each of the two ways is configured with, and shows nowhere.
const SECRETS: [&str; 2] = ["planted-secret-of-the-first", "planted-secret-of-the-second"];
const KEYS: &str = r#"
[variable.first]
type = "string"
sensitive = true

[variable.second]
type = "string"
sensitive = true
"#;

/// A cloud with two addresses.
struct World {
    aws: Aws,
    first: Front,
    place: Environment,
    /// What the cloud holds by itself.
    before: Vec<String>,
}

impl World {
    fn start(test: &str) -> Option<World> {
        let aws = Aws::start(test)?;
        let (first, second) = (Front::of(aws.port()), Front::of(aws.port()));
        let endpoints = Aws::endpoints_at(second.port()).collect::<Vec<_>>().join(", ");
        let resilience = format!(
            "\n[provider.aws.resilience]\nretry = {{ attempts = 2, first_wait = \"10ms\", jitter = \"none\" }}\n\
             fallback = [{{ endpoints = {{ {endpoints} }}, secret_key = \"${{var.second}}\" }}]\n"
        );
        // By itself it goes on for minutes where nobody listens.
        let provider = Aws::provider_at(first.port()).replace("region = ", "max_retries = 1\nregion = ");
        let provider = provider.replace("planted-secret-key", "${var.first}");
        let mut place = Environment::with(&format!("{KEYS}{provider}{resilience}{AWS_CHAIN}{PART}"));
        place.set("RETRUE_VAR_first", SECRETS[0]);
        place.set("RETRUE_VAR_second", SECRETS[1]);
        mirror(test, &mut place)?;
        place.run(&["providers", "install"]).ends(0);
        let before = things(&aws);
        Some(World { aws, first, place, before })
    }

    fn new_things(&self) -> usize {
        things(&self.aws).len() - self.before.len()
    }

    /// All is there, once, and known by its address.
    #[track_caller]
    fn is_whole(&self) {
        assert_eq!((self.new_things(), self.place.recorded().len()), (ALL, ALL), "{:?}", things(&self.aws));
        self.place.run(&["plan", "--detailed-exitcode"]).ends(0);
    }

    /// Nothing is there, and nothing is recorded.
    #[track_caller]
    fn is_empty(&self) {
        assert_eq!(things(&self.aws), self.before);
        assert!(self.place.recorded().is_empty());
    }
}

/// What the cloud holds, without what it makes and removes by itself with a network.
fn things(aws: &Aws) -> Vec<String> {
    aws.things().into_iter().filter(|thing| !thing.is_default).map(|thing| thing.id).collect()
}

#[test]
fn a_provider_whose_address_goes_out_half_way_is_reached_by_the_other_one() {
    let test = "a_provider_whose_address_goes_out_half_way_is_reached_by_the_other_one";
    let Some(world) = World::start(test) else { return };
    let moves = |shown: &str| shown.lines().filter(|line| line.contains("\"event\":\"moved_over\"")).count();
    // Before the second thing is made.
    world.first.goes_out_after(1, false);
    let shown = world.place.run(&["apply", "--yes", "--json", "--parallelism", "1"]).ends(0);
    assert_eq!(moves(&shown.stdout), 1, "{}", shown.screen());
    assert!(SECRETS.iter().all(|secret| !shown.all().contains(secret)));
    // The address is still out: who looks, looks through the other one.
    world.is_whole();
    let shown = world.place.run(&["destroy", "--yes", "--json"]).ends(0);
    assert_eq!(moves(&shown.stdout), 1, "{}", shown.screen());
    world.is_empty();
    SECRETS.iter().for_each(|secret| world.place.holds_nowhere(secret));
}

#[test]
fn a_provider_whose_answer_is_lost_finds_what_it_made_by_the_other_address() {
    let test = "a_provider_whose_answer_is_lost_finds_what_it_made_by_the_other_address";
    let Some(world) = World::start(test) else { return };
    // The answer to the creation of the network is lost. It carries nothing but its mark, and others wait for it: they
    // are left to the next run, which knows that it is there.
    world.first.goes_out_after(0, true);
    let shown = world.place.run(&["apply", "--yes", "--parallelism", "1"]);
    assert_eq!(world.new_things(), 1, "{}", shown.screen());
    world.place.run(&["apply", "--yes"]).ends(0);
    world.is_whole();
    // The answer to a deletion is lost, and the undo goes on by the other address.
    world.first.comes_back();
    world.first.goes_out_after(1, true);
    world.place.run(&["destroy", "--yes", "--parallelism", "1"]);
    world.place.run(&["destroy", "--yes"]).ends(0);
    world.is_empty();
}
